// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A VMM with one device and a guest that counts its interrupts. At SIGUSR1 its
// guest is paused and the device goes: into a file (--save), from which another
// process takes it (--load), or over a socket to one that waits for it there
// (--out, --in). Says on standard output what it does.

#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigwait.
#include <time.h>    // NOLINT(modernize-deprecated-headers): clock_gettime.

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/linux/hand_over.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "bus/access.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "proto/device_state.h"
#include "testing/moving/guest_memory.h"

namespace ivshmem::moving {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr uint32_t kFirstMessage = 0x40;

struct Flags {
  std::string server;
  std::string load;
  std::string save;
  int in = -1;
  int out = -1;
  int mask = -1;
  int unmask = -1;
};

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

void Say(const std::string& line) { std::cout << line << std::endl; }

// The guest's interrupt handlers.
class Handlers : public pci::MsiSink {
 public:
  explicit Handlers(const SharedMemory& memory)
      : memory_(GuestMemoryIn(memory)) {}

  void Send(const pci::MsiMessage& message) noexcept override {
    // What was written before the ring is seen.
    memory_.seen = memory_.rung.load();
    ++memory_.interrupts[message.data - kFirstMessage];
  }

 private:
  GuestMemory& memory_;
};

class Vmm {
 public:
  explicit Vmm(Flags flags) : flags_(std::move(flags)) {}

  absl::Status Start();
  // Returns true when the device has gone.
  absl::StatusOr<bool> Go();

 private:
  absl::Status Join(const std::string& identity);
  absl::Status Create();
  absl::Status Load();
  absl::Status TakeIn();
  absl::Status Adopt(HandOver hand_over);
  absl::Status Restore(const std::string& bytes);
  absl::Status Attach();
  absl::Status AwaitOwnVectors() const;
  void Resume();
  absl::Status Save(const HandOver& hand_over) const;

  void Write32(int bar, uint64_t offset, uint32_t value) {
    std::array<uint8_t, 4> bytes;
    StoreLittleEndian(value, absl::MakeSpan(bytes));
    device_->bar(bar).Write(offset, bytes);
  }
  void MaskVector(int vector, bool masked) {
    Write32(PciDevice::kMsixBar, 16 * vector + 12, masked ? 1 : 0);
  }
  void WriteConfig(uint64_t offset, uint16_t value) {
    std::array<uint8_t, 2> bytes;
    StoreLittleEndian(value, absl::MakeSpan(bytes));
    device_->ConfigWrite(offset, bytes);
  }

  static PciDevice::Config Config() {
    return {.vectors = kVectors,
            .bar_addresses = {0xfe000000, 0xfe010000, 0x800000000}};
  }

  const Flags flags_;
  std::unique_ptr<LoopThread> thread_ = *LoopThread::Start();
  std::unique_ptr<ServerLink> link_;
  std::optional<Handlers> handlers_;
  std::unique_ptr<PciDevice> device_;
  RegistrationPtr attachment_;
};

absl::Status Vmm::Join(const std::string& identity) {
  absl::StatusOr<std::unique_ptr<ServerLink>> link = ServerLink::Start(
      thread_->loop(), {.socket_path = flags_.server, .identity = identity},
      nullptr);
  if (!link.ok()) return link.status();
  link_ = *std::move(link);
  return link_->WaitJoined(kPatience);
}

absl::Status Vmm::Create() {
  handlers_.emplace(link_->memory());
  absl::StatusOr<std::unique_ptr<PciDevice>> device =
      PciDevice::Create(Config(), link_->memory(), {.msi = &*handlers_});
  if (!device.ok()) return device.status();
  device_ = *std::move(device);
  WriteConfig(pci::kCommand, pci::kCommandMemorySpace | pci::kCommandBusMaster);
  for (int v = 0; v < kVectors; ++v) {
    Write32(PciDevice::kMsixBar, 16 * v, 0xfee00000);
    Write32(PciDevice::kMsixBar, 16 * v + 8, kFirstMessage + v);
    MaskVector(v, v == flags_.mask);
  }
  WriteConfig(pci::kMsixControl, pci::kMsixControlEnable);
  return Attach();
}

absl::Status Vmm::Restore(const std::string& bytes) {
  const absl::StatusOr<SavedDevice> saved = DecodeState(bytes);
  if (!saved.ok()) return saved.status();
  const auto* const state = std::get_if<PciDeviceState>(&*saved);
  if (state == nullptr) return absl::InvalidArgumentError("a flat device");
  handlers_.emplace(link_->memory());
  absl::StatusOr<std::unique_ptr<PciDevice>> device = PciDevice::Restore(
      Config(), link_->memory(), {.msi = &*handlers_}, *state);
  if (!device.ok()) return device.status();
  device_ = *std::move(device);
  if (link_->id() != device_->device().id()) {
    Say(absl::StrCat("another id: ", *link_->id(), " and no longer ",
                     *device_->device().id()));
  }
  return Attach();
}

absl::Status Vmm::Attach() {
  absl::StatusOr<RegistrationPtr> attachment = link_->Attach(device_->device());
  if (!attachment.ok()) return attachment.status();
  attachment_ = *std::move(attachment);
  if (flags_.unmask >= 0) MaskVector(flags_.unmask, false);
  return absl::OkStatus();
}

// A new link may be told of them after it has joined.
absl::Status Vmm::AwaitOwnVectors() const {
  const absl::Time end = absl::Now() + kPatience;
  while (device_->device().peers().Find({*link_->id(), kVectors - 1}) ==
         nullptr) {
    if (absl::Now() > end) return absl::DeadlineExceededError("own vectors");
    absl::SleepFor(absl::Milliseconds(1));
  }
  return absl::OkStatus();
}

void Vmm::Resume() {
  GuestMemoryIn(link_->memory()).resumed = Now();
  Say(absl::StrCat("serves ", *link_->id()));
}

// The file: the identity's line, and the device's bytes.
absl::Status Vmm::Load() {
  std::ifstream file(flags_.load, std::ios::binary);
  std::string identity;
  std::getline(file, identity);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file.good() && !file.eof()) return absl::NotFoundError(flags_.load);
  absl::Status status = Join(identity);
  if (status.ok()) status = Restore(bytes);
  return status;
}

absl::Status Vmm::Save(const HandOver& hand_over) const {
  std::ofstream file(flags_.save, std::ios::binary);
  file << hand_over.link.identity << "\n" << hand_over.device;
  return file.flush().good() ? absl::OkStatus()
                             : absl::InternalError(flags_.save);
}

absl::Status Vmm::TakeIn() {
  Say("waits");
  absl::StatusOr<HandOver> hand_over =
      ReceiveHandOver(flags_.in, {}, absl::InfiniteDuration());
  if (!hand_over.ok()) return hand_over.status();
  absl::Status status = Adopt(*std::move(hand_over));
  if (status.ok()) status = ConfirmHandOver(flags_.in);
  return status;
}

absl::Status Vmm::Adopt(HandOver hand_over) {
  absl::StatusOr<std::unique_ptr<ServerLink>> link =
      ServerLink::Adopt(thread_->loop(), {.socket_path = flags_.server},
                        nullptr, std::move(hand_over.link));
  if (!link.ok()) return link.status();
  link_ = *std::move(link);
  return Restore(hand_over.device);
}

absl::Status Vmm::Start() {
  absl::Status status;
  if (flags_.in >= 0) {
    status = TakeIn();
  } else if (!flags_.load.empty()) {
    status = Load();
  } else {
    status = Join("");
    if (status.ok()) status = Create();
  }
  if (status.ok()) status = AwaitOwnVectors();
  if (status.ok()) Resume();
  return status;
}

absl::StatusOr<bool> Vmm::Go() {
  GuestMemoryIn(link_->memory()).paused = Now();
  absl::StatusOr<LinkHandOver> link = link_->HandOver();
  if (!link.ok()) return link.status();
  HandOver hand_over = {.device = EncodeState(device_->Save()),
                        .link = *std::move(link)};
  attachment_.reset();
  device_.reset();
  link_.reset();
  if (flags_.out < 0) {
    absl::Status status = Save(hand_over);
    if (!status.ok()) return status;
    return true;
  }
  const absl::Status sent = SendHandOver(flags_.out, hand_over, kPatience);
  if (sent.ok()) return true;
  Say(absl::StrCat("stays: ", sent.message()));
  absl::Status status = Adopt(std::move(hand_over));
  if (!status.ok()) return status;
  Resume();
  return false;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app;
  app.add_option("--server", flags.server)->required();
  app.add_option("--load", flags.load);
  app.add_option("--save", flags.save);
  app.add_option("--in", flags.in);
  app.add_option("--out", flags.out);
  app.add_option("--mask", flags.mask);
  app.add_option("--unmask", flags.unmask);
  CLI11_PARSE(app, argc, argv);

  sigset_t go;
  sigemptyset(&go);
  sigaddset(&go, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &go, nullptr);

  Vmm vmm(flags);
  const absl::Status status = vmm.Start();
  if (!status.ok()) {
    Say(status.ToString());
    return 1;
  }
  while (true) {
    int signal = 0;
    sigwait(&go, &signal);
    const absl::StatusOr<bool> gone = vmm.Go();
    if (!gone.ok()) {
      Say(gone.status().ToString());
      return 1;
    }
    if (*gone) return 0;
  }
}

}  // namespace
}  // namespace ivshmem::moving

int main(int argc, char** argv) { return ivshmem::moving::Main(argc, argv); }
