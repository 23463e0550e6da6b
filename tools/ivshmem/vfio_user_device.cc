// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/vfio_user_device.h"

#include <iostream>
#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/registers.h"
#include "proto/config.pb.h"
#include "proto/device_state.h"
#include "server/whole_file.h"

namespace ivshmem::tool {
namespace {

using vfio_user::IvshmemModel;
using Event = vfio_user::Server::Event;

constexpr absl::Duration kGreeting = absl::Seconds(10);
// A client that tries hard can stop its device's thread.
constexpr absl::Duration kStop = absl::Seconds(10);
constexpr mode_t kFileMode = 0600;
// Clients and servers cause lines; a log does not grow by them without bounds.
constexpr absl::Duration kStretch = absl::Seconds(10);
constexpr int kMostLines = 20;

absl::Status WithFlag(absl::string_view flag, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat(flag, ": ", status.message())};
}

config::World WorldOf(const PciDevice::Config& device, uint64_t size) {
  config::World world;
  config::Region& region = *world.add_regions();
  region.set_name("shared");
  region.set_size(size);
  config::Device& recorded = *world.add_devices();
  recorded.set_name("recorded");
  recorded.set_region(region.name());
  if (device.id.has_value()) recorded.set_id(*device.id);
  config::Pci& pci = *recorded.mutable_pci();
  if (device.dialect.name == kAcrn.name) pci.set_dialect(config::Pci::ACRN);
  pci.set_vectors(device.vectors);
  if (device.interrupts == InterruptMode::kNone) {
    pci.set_interrupts(config::Pci::NONE);
  }
  return world;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VfioUserDevice>> VfioUserDevice::Start(
    Options options) {
  auto device = absl::WrapUnique(new VfioUserDevice(std::move(options)));
  const absl::Status opened = device->Open();
  if (!opened.ok()) return opened;
  return device;
}

VfioUserDevice::VfioUserDevice(Options options)
    : options_(std::move(options)) {}

VfioUserDevice::~VfioUserDevice() {
  if (server_ == nullptr) return;
  OnLoop([this] {
    server_.reset();
    return absl::OkStatus();
  }).IgnoreError();
}

absl::Status VfioUserDevice::Open() {
  // First of all the socket: who does not get it touches nothing else.
  absl::StatusOr<server::ListeningSocket> socket =
      server::ListeningSocket::Listen(options_.path, options_.mode);
  if (!socket.ok()) return WithFlag("--vfio-user", socket.status());
  socket_.emplace(*std::move(socket));
  absl::StatusOr<std::unique_ptr<LoopThread>> thread =
      LoopThread::Start("vfio-user");
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  absl::Status status = Join();
  if (status.ok()) status = MakeModel();
  if (!status.ok()) return status;
  if (link_ != nullptr) {
    absl::StatusOr<RegistrationPtr> attachment =
        link_->Attach(model_->device());
    if (!attachment.ok()) return attachment.status();
    attachment_ = *std::move(attachment);
  }
  return OnLoop([this] {
    auto server =
        vfio_user::Server::Start(thread_->loop(), socket_->fd(), *model_, {},
                                 [this](Event event, const absl::Status& why) {
                                   OnServerEvent(event, why);
                                 });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  });
}

absl::Status VfioUserDevice::Join() {
  if (options_.server.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<ServerLink>> link = ServerLink::Start(
      thread_->loop(), {.socket_path = options_.server}, this);
  if (!link.ok()) return WithFlag("--server", link.status());
  link_ = *std::move(link);
  return WithFlag("--server", link_->WaitJoined(kGreeting));
}

absl::Status VfioUserDevice::MakeModel() {
  IvshmemModel::Options options;
  options.device.dialect = options_.dialect;
  IvshmemModel::Memory memory;
  if (link_ != nullptr) {
    options.device.vectors = options_.vectors != 0
                                 ? options_.vectors
                                 : options_.dialect.default_vectors;
    options.device.id = link_->id();
    memory = {.view = link_->memory(),
              .fd = link_->memory_fd(),
              .sealed = link_->memory_sealed()};
  } else {
    // Nobody is there to ring.
    options.device.interrupts = InterruptMode::kNone;
    memory = *options_.memory;
  }
  std::optional<std::string> saved;
  if (!options_.state.empty()) {
    absl::StatusOr<std::optional<std::string>> file =
        server::ReadFile(options_.state, kMostStateBytes);
    if (!file.ok()) return WithFlag("--state", file.status());
    saved = *std::move(file);
  }
  absl::StatusOr<std::unique_ptr<IvshmemModel>> model;
  if (saved.has_value()) {
    const absl::StatusOr<SavedDevice> state = DecodeState(*saved);
    if (!state.ok()) return WithFlag("--state", state.status());
    const auto* const pci = std::get_if<PciDeviceState>(&*state);
    if (pci == nullptr) {
      return absl::InvalidArgumentError(
          "--state: expected a PCI device, got a flat one");
    }
    if (link_ != nullptr && pci->device.id != link_->id()) {
      Say("--state: the saved device had another id than the server gives");
    }
    model = IvshmemModel::Restore(options, memory, *pci);
    if (!model.ok()) return WithFlag("--state", model.status());
  } else {
    if (!options_.record.empty()) {
      recording_ = std::make_unique<DeviceRecording>(
          WorldOf(options.device, memory.view.size));
      options.events = &recording_->events();
      options.observer = recording_.get();
    }
    model = IvshmemModel::Create(options, memory);
    if (!model.ok()) return model.status();
  }
  model_ = *std::move(model);
  return absl::OkStatus();
}

absl::Status VfioUserDevice::Stop() {
  return OnLoop([this] {
    server_.reset();
    // What peers rang until now is in the state: nobody else reads their
    // events meanwhile, as this is the thread that does.
    return Save();
  });
}

absl::Status VfioUserDevice::Save() {
  if (!options_.state.empty()) {
    absl::Status written = server::ReplaceFile(
        options_.state, EncodeState(model_->Save()), kFileMode);
    if (!written.ok()) return WithFlag("--state", written);
  }
  if (recording_ == nullptr) return absl::OkStatus();
  absl::Status written =
      server::ReplaceFile(options_.record, recording_->Text(), kFileMode);
  if (written.ok() && recording_->dropped() != 0) {
    written = absl::ResourceExhaustedError(absl::StrCat(
        "there was no room for ", recording_->dropped(), " steps more"));
  }
  return WithFlag("--record", written);
}

absl::Status VfioUserDevice::OnLoop(std::function<absl::Status()> work) {
  // Held by the work, which may outlive a wait that was given up.
  struct Result {
    absl::Notification done;
    absl::Status status;
  };
  auto result = std::make_shared<Result>();
  thread_->loop().Run([result, work = std::move(work)] {
    result->status = work();
    result->done.Notify();
  });
  if (!result->done.WaitForNotificationWithTimeout(kStop)) {
    return absl::DeadlineExceededError(absl::StrCat(
        options_.path, ": the device's thread is held up by its client"));
  }
  return result->status;
}

void VfioUserDevice::OnLinkEvent(const LinkEvent& event) noexcept {
  switch (event.kind) {
    case LinkEvent::Kind::kFailed:
    case LinkEvent::Kind::kLost:
    case LinkEvent::Kind::kWarning:
      Say(absl::StrCat("server: ", event.text));
      return;
    case LinkEvent::Kind::kRejoined:
      Say("server: joined again");
      return;
    case LinkEvent::Kind::kIdChanged:
      Say(absl::StrFormat("server: gave the id %d, not %d as before",
                          event.peer, event.old_peer));
      return;
    case LinkEvent::Kind::kMemoryChanged:
      Say("server: has other memory; this device keeps the old, alone");
      return;
    default:
      return;
  }
}

void VfioUserDevice::OnServerEvent(Event event, const absl::Status& why) {
  switch (event) {
    case Event::kConnected:
      if (options_.verbose) Say("a client has come");
      return;
    case Event::kLeft:
      if (options_.verbose) Say("the client has left");
      return;
    case Event::kTurnedAway:
      if (options_.verbose) Say("another client was turned away");
      return;
    case Event::kEnded:
      Say(absl::StrCat("the client was left: ", why.message()));
      return;
    case Event::kTrouble:
      Say(absl::StrCat("a client could not be taken: ", why.message()));
      return;
    case Event::kCount:
      return;
  }
}

void VfioUserDevice::Say(absl::string_view line) {
  const absl::Time now = absl::Now();
  const absl::MutexLock lock(&mutex_);
  if (now - stretch_ > kStretch) {
    stretch_ = now;
    lines_ = 0;
  }
  if (++lines_ > kMostLines) return;
  std::cerr << absl::StrCat("ivshmem device: ", options_.path, ": ", line,
                            lines_ == kMostLines ? " (and more)" : "", "\n");
}

}  // namespace ivshmem::tool
