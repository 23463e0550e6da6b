// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ways/trapped_subject.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/linux/memory_object.h"
#include "backends/mock/recorders.h"
#include "bus/access.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "proto/config.h"

namespace ivshmem {
namespace {

using script::Access;
using script::Outcome;
using script::Step;

// No range of a device's is smaller or less aligned.
constexpr uint64_t kLeastRange = 16;

// Where some platform has something else than the device.
bool IsOthers(uint64_t address) {
  constexpr uint64_t kRam = 16 << 20;
  constexpr uint64_t kEcam = 0xb0000000;
  constexpr uint64_t kEcamSize = 256 << 20;
  constexpr uint64_t kControllers = 0xfec00000;
  constexpr uint64_t kControllersEnd = 0xff000000;
  return address < kRam || address - kEcam < kEcamSize ||
         (address >= kControllers && address < kControllersEnd);
}

// Calls a function.
class Calling : public Notifier {
 public:
  explicit Calling(std::function<void()> call) : call_(std::move(call)) {}
  Outcome Signal() noexcept override {
    call_();
    return Outcome::kSignalled;
  }

 private:
  const std::function<void()> call_;
};

class TrappedSubject : public script::Subject {
 public:
  TrappedSubject(DeviceConfig config, std::unique_ptr<WayOut> way)
      : config_(std::move(config)),
        way_(std::move(way)),
        memory_(*object_.Map()) {}
  ~TrappedSubject() override { way_->StopServing(); }

  absl::Status Plug();

  absl::StatusOr<Outcome> Do(const Step& step) override;

 private:
  using Gives = std::optional<uint64_t>;

  absl::StatusOr<Gives> Perform(const Step& step);
  absl::StatusOr<Gives> DoAccess(const Access& access, bool write);
  // Where it is for the guest; nullopt when it is nowhere.
  std::optional<uint64_t> Address(const Access& access) const;
  void Connect(PeerId peer, Vector vector);
  void TakeEffects(script::Effects& effects);

  Device& device() {
    return pci_ != nullptr ? pci_->device() : flat_->device();
  }

  const DeviceConfig config_;
  const std::unique_ptr<WayOut> way_;
  const MemoryObject object_ = *MemoryObject::Memfd(config_.size);
  const MappedMemory memory_;
  std::mutex mutex_;
  std::vector<Doorbell> rings_;  // Of outside peers, in this step.
  mock::LineRecorder line_;
  mock::PulseRecorder pulse_;
  bool line_seen_ = false;
  std::unique_ptr<PciDevice> pci_;
  std::unique_ptr<FlatDevice> flat_;
};

absl::Status TrappedSubject::Plug() {
  if (const auto* pci = std::get_if<PciDeviceConfig>(&config_.bus)) {
    auto made = PciDevice::Create(
        pci->device, memory_.view(),
        {.mmio = &way_->memory(), .msi = &way_->msi(), .intx = &line_});
    if (!made.ok()) return made.status();
    pci_ = *std::move(made);
    way_->PlugIn(*pci_);
  } else {
    const auto& flat = std::get<FlatDeviceConfig>(config_.bus);
    FlatDevice::Host host = {.mmio = &way_->memory()};
    if (flat.irq.has_value()) host.irq = &pulse_;
    auto made = FlatDevice::Create(flat.device, memory_.view(), host);
    if (!made.ok()) return made.status();
    flat_ = *std::move(made);
  }
  const PeerId id = config_.id.value_or(0);
  device().SetId(id);
  for (int v = 0; v < device().config().vectors; ++v) {
    const auto vector = static_cast<Vector>(v);
    const absl::Status connected = device().peers().Connect(
        id, vector, std::make_shared<Calling>([this, vector] {
          device().OnPeerInterrupt(vector);
        }));
    if (!connected.ok()) return connected;
  }
  return absl::OkStatus();
}

absl::StatusOr<Outcome> TrappedSubject::Do(const Step& step) {
  const absl::StatusOr<Gives> gives = Perform(step);
  if (!gives.ok()) return gives.status();
  Outcome outcome = {.gives = *gives, .effects = {}};
  TakeEffects(outcome.effects);
  return outcome;
}

absl::StatusOr<TrappedSubject::Gives> TrappedSubject::Perform(
    const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return DoAccess(step.read(), /*write=*/false);
    case Step::kWrite:
      return DoAccess(step.write(), /*write=*/true);
    case Step::kPeerJoins:
      for (uint32_t v = 0; v < step.peer_joins().vectors(); ++v) {
        Connect(static_cast<PeerId>(step.peer_joins().id()),
                static_cast<Vector>(v));
      }
      return std::nullopt;
    case Step::kPeerLeaves:
      device().peers().Disconnect(static_cast<PeerId>(step.peer_leaves().id()));
      return std::nullopt;
    case Step::kVectorArrives:
      Connect(static_cast<PeerId>(step.vector_arrives().id()),
              static_cast<Vector>(step.vector_arrives().vector()));
      return std::nullopt;
    case Step::kInterrupt:
      device().OnPeerInterrupt(static_cast<Vector>(step.interrupt().vector()));
      return std::nullopt;
    case Step::kStore:
      StoreLittleEndian(
          step.store().value(),
          {memory_.view().data + step.store().offset(), step.store().size()});
      return std::nullopt;
    case Step::kLoad:
      return LoadLittleEndian(
          {memory_.view().data + step.load().offset(), step.load().size()});
    case Step::kReset:
      if (pci_ != nullptr) pci_->Reset();
      if (flat_ != nullptr) flat_->Reset();
      return std::nullopt;
    default:
      return absl::UnimplementedError("operation: not of a trapped device");
  }
}

std::optional<uint64_t> TrappedSubject::Address(const Access& access) const {
  if (access.has_address()) return access.address();
  if (const auto* flat = std::get_if<FlatDeviceConfig>(&config_.bus)) {
    return access.has_registers()
               ? flat->device.registers_address + access.registers()
               : flat->device.memory_address + access.memory();
  }
  const auto base = pci_->function().BarAddress(
      access.has_registers() ? PciDevice::kRegisterBar
      : access.has_msix()    ? PciDevice::kMsixBar
                             : PciDevice::kMemoryBar);
  if (!base.has_value()) return std::nullopt;
  return *base + (access.has_registers() ? access.registers()
                  : access.has_msix()    ? access.msix()
                                         : access.memory());
}

absl::StatusOr<TrappedSubject::Gives> TrappedSubject::DoAccess(
    const Access& access, bool write) {
  const uint32_t size = access.has_size() ? access.size() : 4;
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return absl::UnimplementedError("size: not of a processor's access");
  }
  if (access.has_config()) {
    if (pci_ == nullptr) {
      return absl::InvalidArgumentError("config: of a flat device");
    }
    if (size == 8 || access.config() % size != 0 || access.config() > 255) {
      return absl::UnimplementedError("config: not reached by a port");
    }
    const auto offset = static_cast<uint32_t>(access.config());
    if (!write) return way_->ReadConfig(offset, size);
    way_->WriteConfig(offset, static_cast<uint32_t>(access.value()), size);
    return std::nullopt;
  }
  const std::optional<uint64_t> address = Address(access);
  if (address.has_value() && *address % kLeastRange > kLeastRange - size) {
    return absl::UnimplementedError("access: may cross the end of a range");
  }
  if (address.has_value() && IsOthers(*address)) {
    return absl::UnimplementedError("access: something else is there");
  }
  if (write) {
    if (address.has_value()) way_->Write(*address, access.value(), size);
    return std::nullopt;
  }
  const uint64_t value =
      address.has_value() ? way_->Read(*address, size) : ~uint64_t{0};
  return size == 8 ? value : value & ((uint64_t{1} << 8 * size) - 1);
}

void TrappedSubject::Connect(PeerId peer, Vector vector) {
  const Doorbell doorbell = {.peer = peer, .vector = vector};
  device()
      .peers()
      .Connect(peer, vector, std::make_shared<Calling>([this, doorbell] {
                 const std::lock_guard lock(mutex_);
                 rings_.push_back(doorbell);
               }))
      .IgnoreError();  // A vector past the last, in a Script that is none.
}

void TrappedSubject::TakeEffects(script::Effects& effects) {
  {
    const std::lock_guard lock(mutex_);
    for (const Doorbell& doorbell : std::exchange(rings_, {})) {
      script::Ring& ring = *effects.add_rings();
      ring.set_peer(doorbell.peer);
      ring.set_vector(doorbell.vector);
    }
  }
  for (const pci::MsiMessage& sent : way_->TakeMessages()) {
    script::Message& message = *effects.add_messages();
    message.set_device(config_.name);
    message.set_address(sent.address);
    message.set_data(sent.data);
  }
  for (size_t pulses = pulse_.Take().size(); pulses != 0; --pulses) {
    effects.add_pulses()->set_device(config_.name);
  }
  line_.Take();
  const bool level = line_.level();
  if (std::exchange(line_seen_, level) != level) {
    script::Line& line = *effects.add_lines();
    line.set_device(config_.name);
    line.set_asserted(level);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<script::Subject>> MakeTrappedSubject(
    const config::World& world, std::unique_ptr<WayOut> way) {
  absl::StatusOr<WorldConfig> config = ToWorldConfig(world);
  if (!config.ok()) return config.status();
  if (config->devices.size() != 1) {
    return absl::UnimplementedError("devices: one of them is all");
  }
  auto subject = std::make_unique<TrappedSubject>(
      std::move(config->devices.front()), std::move(way));
  const absl::Status plugged = subject->Plug();
  if (!plugged.ok()) return plugged;
  return subject;
}

}  // namespace ivshmem
