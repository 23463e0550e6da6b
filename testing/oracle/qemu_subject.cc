// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/oracle/qemu_subject.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"
#include "testing/qemu/arguments.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

using script::Outcome;
using script::Step;

// The host bridge's two ports (PCI Local Bus 3.0, 3.2.2.3.2).
constexpr uint16_t kConfigAddress = 0xcf8;
constexpr uint16_t kConfigData = 0xcfc;
constexpr uint64_t kConfigBytes = 256;

constexpr uint32_t kMostPeerVectors = 64;
constexpr uint32_t kIds = 0x10000;
constexpr uint64_t kRegisterBytes = 256;

uint64_t Ones(uint32_t size) {
  return size >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
}

bool IsPowerOfTwoTo8(uint32_t size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

int VectorsOf(const config::Device& device) {
  if (device.pci().interrupts() != config::Pci::MSIX) return 0;
  return std::max(1, static_cast<int>(device.pci().vectors()));
}

absl::Status Invalid(absl::string_view why, uint64_t number) {
  return absl::InvalidArgumentError(absl::StrCat(why, " ", number));
}

// Where a BAR that its registers place at `address` is decoded.
std::optional<uint64_t> Decoded(uint64_t address, uint64_t size, bool wide) {
  const uint64_t last = address + size - 1;
  const uint64_t top = wide ? ~uint64_t{0} : 0xffffffff;
  if (size == 0 || address == 0 || last < address || last >= top) return {};
  return address;
}

}  // namespace

absl::StatusOr<std::unique_ptr<QemuSubject>> QemuSubject::Create(
    const config::World& world, const Options& options) {
  if (world.devices_size() != 1 || world.regions_size() != 1 ||
      world.devices(0).pci().dialect() != config::Pci::QEMU ||
      world.devices(0).read_only()) {
    return absl::UnimplementedError(
        "expected a world of one PCI device of QEMU's dialect");
  }
  const uint64_t size = world.regions(0).size();
  auto subject =
      absl::WrapUnique(new QemuSubject(world, MakeMemory(size), size));
  const absl::Status status = subject->Start(options);
  if (!status.ok()) return status;
  return subject;
}

QemuSubject::QemuSubject(const config::World& world, UniqueFd memory,
                         uint64_t size)
    : device_(world.devices(0)),
      vectors_(VectorsOf(device_)),
      id_(device_.id()),
      memory_(std::move(memory)),
      memory_size_(size) {}

QemuSubject::~QemuSubject() {
  if (view_ != nullptr) munmap(view_, memory_size_);
}

absl::Status QemuSubject::Start(const Options& options) {
  void* const view = mmap(nullptr, memory_size_, PROT_READ | PROT_WRITE,
                          MAP_SHARED, memory_.get(), 0);
  if (view == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  view_ = static_cast<uint8_t*>(view);

  const int slot = static_cast<int>(device_.pci().slot());
  Qemu::Options qemu;
  if (vectors_ == 0) {
    qemu.arguments = Arguments(PlainDevice{
        .slot = slot, .memory_fd = memory_.get(), .memory_size = memory_size_});
    qemu.inherit = {memory_.get()};
  } else {
    server_.Greet(static_cast<PeerId>(id_), memory_.get());
    own_ = server_.Connect(static_cast<PeerId>(id_), vectors_);
    qemu.arguments = Arguments(DoorbellDevice{.slot = slot,
                                              .socket_fd = server_.client(),
                                              .vectors = vectors_,
                                              .ioeventfd = options.ioeventfd});
    qemu.inherit = {server_.client()};
  }
  absl::StatusOr<std::unique_ptr<Qemu>> started = Qemu::Start(qemu);
  if (!started.ok()) return started.status();
  qemu_ = *std::move(started);
  server_.DropClient();
  messages_.emplace(qemu_->qtest());
  Heard(vectors_);
  state_.sizes = {kRegisterBytes,
                  vectors_ == 0 ? 0 : pci::MsixLayout::For(vectors_).bar_size,
                  memory_size_};
  ReadState();
  return qemu_->qtest().status();
}

absl::StatusOr<Outcome> QemuSubject::Do(const Step& step) {
  if (!step.device().empty() && step.device() != device_.name()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no device '", step.device(), "'"));
  }
  Outcome outcome;
  const absl::Status status = Perform(step, outcome);
  if (!status.ok()) return status;
  // What is read has no effects that come later, through events.
  if (!step.has_read() && !step.has_load()) qemu_->qtest().Settle();
  CollectRings(outcome);
  for (script::Message& message : messages_->Take()) {
    message.set_device(device_.name());
    *outcome.effects.add_messages() = std::move(message);
  }
  if (!qemu_->qtest().status().ok()) return qemu_->qtest().status();
  return outcome;
}

absl::Status QemuSubject::Perform(const Step& step, Outcome& outcome) {
  switch (step.operation_case()) {
    case Step::kRead:
      return Access(step.read(), /*write=*/false, outcome);
    case Step::kWrite:
      return Access(step.write(), /*write=*/true, outcome);
    case Step::kPeerJoins:
      return PeerJoins(step.peer_joins());
    case Step::kPeerLeaves:
      return PeerLeaves(step.peer_leaves().id());
    case Step::kVectorArrives:
      return VectorArrives(step.vector_arrives());
    case Step::kInterrupt:
      if (step.interrupt().vector() < own_.size()) {
        Kick(own_[step.interrupt().vector()]);
      }
      return absl::OkStatus();
    case Step::kStore:
      return Share(step.store(), /*write=*/true, outcome);
    case Step::kLoad:
      return Share(step.load(), /*write=*/false, outcome);
    case Step::kReset:
      return Reset();
    case Step::OPERATION_NOT_SET:
      return absl::InvalidArgumentError("a step without an operation");
    default:
      return absl::UnimplementedError("not with QEMU");
  }
}

absl::Status QemuSubject::Access(const script::Access& access, bool write,
                                 Outcome& outcome) {
  const uint32_t size = access.has_size() ? access.size() : 4;
  uint64_t address = access.address();
  std::optional<uint64_t> bar = 0;
  switch (access.place_case()) {
    case script::Access::kConfig:
      return Config(access, size, write, outcome);
    case script::Access::kRegisters:
      bar = state_.bars[0];
      address = access.registers();
      break;
    case script::Access::kMsix:
      bar = state_.bars[1];
      address = access.msix();
      break;
    case script::Access::kMemory:
      bar = state_.bars[2];
      address = access.memory();
      break;
    case script::Access::kAddress:
      break;
    case script::Access::PLACE_NOT_SET:
      return absl::InvalidArgumentError("an access without a place");
  }
  if (!IsPowerOfTwoTo8(size)) return absl::UnimplementedError("that size");
  if (!bar) {
    if (!write) outcome.gives = Ones(size);
    return absl::OkStatus();
  }
  address += *bar;
  if (address + size < address) return absl::UnimplementedError("the very top");
  if (write) {
    qemu_->qtest().Write(static_cast<int>(size), address,
                         access.value() & Ones(size));
  } else {
    outcome.gives = qemu_->qtest().Read(static_cast<int>(size), address);
  }
  return absl::OkStatus();
}

absl::Status QemuSubject::Config(const script::Access& access, uint32_t size,
                                 bool write, Outcome& outcome) {
  const uint64_t offset = access.config();
  if (size > 4 || !IsPowerOfTwoTo8(size) || offset % 4 + size > 4 ||
      offset >= kConfigBytes) {
    return absl::UnimplementedError("not through the ports");
  }
  const auto port = static_cast<uint16_t>(kConfigData + offset % 4);
  const std::string select = command::Out(
      4, kConfigAddress,
      static_cast<uint32_t>(0x80000000 | device_.pci().slot() << 11 |
                            (offset & ~uint64_t{3})));
  const auto bytes = static_cast<int>(size);
  if (!write) {
    outcome.gives =
        qemu_->qtest().Run({select, command::In(bytes, port)}).back();
    return absl::OkStatus();
  }
  qemu_->qtest().Run({select, command::Out(bytes, port,
                                           static_cast<uint32_t>(
                                               access.value() & Ones(size)))});
  ReadState();
  return absl::OkStatus();
}

absl::Status QemuSubject::PeerJoins(const script::PeerJoins& peer) {
  if (peer.id() >= kIds || peer.id() == id_ || peers_.contains(peer.id())) {
    return Invalid("an id that cannot join:", peer.id());
  }
  if (left_.contains(peer.id())) {
    return absl::UnimplementedError("an id that comes back");
  }
  if (peer.vectors() > kMostPeerVectors) {
    return absl::UnimplementedError("so many vectors");
  }
  Announce(peer.id(), peer.vectors());
  return absl::OkStatus();
}

absl::Status QemuSubject::PeerLeaves(uint32_t id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return Invalid("no peer", id);
  if (vectors_ > 0 && !peer->second.empty()) {
    left_[id] = true;
    server_.Send(id);
    Heard(1);
  }
  peers_.erase(peer);
  return absl::OkStatus();
}

absl::Status QemuSubject::VectorArrives(const script::VectorArrives& arrival) {
  const auto peer = peers_.find(arrival.id());
  if (peer == peers_.end()) return Invalid("no peer", arrival.id());
  if (arrival.vector() != peer->second.size()) {
    return absl::UnimplementedError("a vector out of its order");
  }
  if (arrival.vector() >= kMostPeerVectors) {
    return absl::UnimplementedError("so many vectors");
  }
  Announce(arrival.id(), 1);
  return absl::OkStatus();
}

absl::Status QemuSubject::Share(const script::Share& share, bool write,
                                Outcome& outcome) {
  if (!IsPowerOfTwoTo8(share.size()) || share.offset() % share.size() != 0 ||
      !Contains(memory_size_, share.offset(), share.size())) {
    return Invalid("no place in the memory:", share.offset());
  }
  const absl::Span<uint8_t> bytes(view_ + share.offset(), share.size());
  if (write) {
    StoreLittleEndian(share.value(), bytes);
  } else {
    outcome.gives = LoadLittleEndian(bytes);
  }
  return absl::OkStatus();
}

absl::Status QemuSubject::Reset() {
  absl::Status status = qemu_->qmp().Execute("system_reset").status();
  status.Update(qemu_->qmp().WaitFor("RESET").status());
  ReadState();
  return status;
}

void QemuSubject::Announce(uint32_t id, uint32_t vectors) {
  std::vector<UniqueFd>& events = peers_[id];
  if (vectors_ == 0) {
    // A plain device knows nobody; that many are counted.
    for (uint32_t v = 0; v < vectors; ++v) events.emplace_back();
    return;
  }
  for (UniqueFd& event :
       server_.Connect(static_cast<PeerId>(id), static_cast<int>(vectors))) {
    events.push_back(std::move(event));
  }
  Heard(vectors);
}

void QemuSubject::Heard(uint32_t messages) {
  for (uint32_t i = 0; i <= messages; ++i) qemu_->qtest().Settle();
}

void QemuSubject::CollectRings(Outcome& outcome) {
  if (vectors_ == 0) return;
  for (const auto& [id, events] : peers_) {
    for (size_t vector = 0; vector < events.size(); ++vector) {
      for (uint64_t kicks = TakeKicks(events[vector]); kicks > 0; --kicks) {
        script::Ring& ring = *outcome.effects.add_rings();
        ring.set_peer(id);
        ring.set_vector(static_cast<uint32_t>(vector));
      }
    }
  }
}

void QemuSubject::ReadState() {
  const auto select = [this](int offset) {
    return command::Out(4, kConfigAddress,
                        0x80000000 | device_.pci().slot() << 11 |
                            static_cast<uint32_t>(offset));
  };
  const std::string read = command::In(4, kConfigData);
  const std::vector<uint64_t> answers = qemu_->qtest().Run(
      {select(pci::kCommand), read, select(pci::kBar0), read,
       select(pci::kBar0 + 4), read, select(pci::kBar0 + 8), read,
       select(pci::kBar0 + 12), read, select(pci::kMsixCapability), read});
  state_.command = static_cast<uint16_t>(answers[1]);
  state_.msix_control = static_cast<uint16_t>(answers[11] >> 16);
  state_.bars = {};
  if ((state_.command & pci::kCommandMemorySpace) == 0) return;
  const uint64_t type = pci::kBarTypeBits;
  state_.bars = {
      Decoded(answers[3] & ~type, state_.sizes[0], false),
      Decoded(answers[5] & ~type, state_.sizes[1], false),
      Decoded((answers[7] & ~type) | answers[9] << 32, state_.sizes[2], true)};
}

}  // namespace ivshmem::qemu
