// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/vfio_user/vfio_subject.h"

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "backends/linux/memory_object.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "bus/access.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "proto/config.h"
#include "testing/vfio_user/client_vmm.h"
#include "testing/vfio_user/served_model.h"

namespace ivshmem {
namespace {

using script::Access;
using script::Outcome;
using script::Step;
using vfio_user::ClientVmm;
using vfio_user::IvshmemModel;
using vfio_user::ServedModel;

// No range of a device's is smaller or less aligned.
constexpr uint64_t kLeastRange = 16;
constexpr uint64_t kConfigSize = 256;
constexpr uint64_t kBar0 = 0x10;

uint32_t SizeOf(const Access& access) {
  return access.has_size() ? access.size() : 4;
}

bool IsOfAProcessor(const Access& access) {
  const uint32_t size = SizeOf(access);
  if (size != 1 && size != 2 && size != 4 && size != 8) return false;
  if (access.has_config()) {
    return access.config() < kConfigSize &&
           size <= kConfigSize - access.config();
  }
  const uint64_t at = access.has_address()     ? access.address()
                      : access.has_registers() ? access.registers()
                      : access.has_msix()      ? access.msix()
                                               : access.memory();
  // BARs are aligned to that.
  return at % kLeastRange <= kLeastRange - size;
}

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

class VfioSubject : public script::Subject {
 public:
  VfioSubject(std::string name, uint64_t size)
      : name_(std::move(name)),
        object_(*MemoryObject::Memfd(size)),
        memory_(*object_.Map()) {}

  absl::Status Plug(const PciDevice::Config& config, PeerId id);
  absl::StatusOr<Outcome> Do(const Step& step) override;

 private:
  using Gives = std::optional<uint64_t>;

  absl::StatusOr<Gives> Perform(const Step& step);
  absl::StatusOr<Gives> DoAccess(const Access& access, bool write);
  void Connect(PeerId peer, Vector vector);
  Device& device() { return model_->device(); }

  const std::string name_;
  const MemoryObject object_;
  const MappedMemory memory_;
  std::mutex mutex_;
  std::vector<Doorbell> rings_;  // Of outside peers, in this step.
  std::unique_ptr<IvshmemModel> model_;
  std::unique_ptr<ServedModel> served_;
  std::unique_ptr<ClientVmm> vmm_;
};

absl::Status VfioSubject::Plug(const PciDevice::Config& config, PeerId id) {
  auto model = IvshmemModel::Create(
      {.device = config},
      {.view = memory_.view(), .fd = object_.fd(), .sealed = object_.sealed()});
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  device().SetId(id);
  for (int v = 0; v < device().config().vectors; ++v) {
    const auto vector = static_cast<Vector>(v);
    const absl::Status connected = device().peers().Connect(
        id, vector, std::make_shared<Calling>([this, vector] {
          device().OnPeerInterrupt(vector);
        }));
    if (!connected.ok()) return connected;
  }
  served_ = std::make_unique<ServedModel>(*model_);
  vmm_ =
      std::make_unique<ClientVmm>(served_->path(), device().config().vectors);
  // As firmware would have.
  for (size_t bar = 0; bar < config.bar_addresses.size(); ++bar) {
    if (!config.bar_addresses[bar].has_value()) continue;
    const uint64_t address = *config.bar_addresses[bar];
    vmm_->WriteConfig(kBar0 + 4 * bar, address & 0xffffffff, 4);
    if (bar == PciDevice::kMemoryBar) {
      vmm_->WriteConfig(kBar0 + 4 * bar + 4, address >> 32, 4);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Outcome> VfioSubject::Do(const Step& step) {
  const absl::StatusOr<Gives> gives = Perform(step);
  if (!gives.ok()) return gives.status();
  Outcome outcome = {.gives = *gives, .effects = {}};
  for (const ClientVmm::Message& sent : vmm_->TakeMessages()) {
    script::Message& message = *outcome.effects.add_messages();
    message.set_device(name_);
    message.set_address(sent.address);
    message.set_data(sent.data);
  }
  const std::lock_guard lock(mutex_);
  for (const Doorbell& doorbell : std::exchange(rings_, {})) {
    script::Ring& ring = *outcome.effects.add_rings();
    ring.set_peer(doorbell.peer);
    ring.set_vector(doorbell.vector);
  }
  return outcome;
}

absl::StatusOr<VfioSubject::Gives> VfioSubject::Perform(const Step& step) {
  if (!IsOfAServedDevice(step)) {
    return absl::UnimplementedError("step: not of a served device");
  }
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
      vmm_->Reset();
      return std::nullopt;
    default:
      return absl::InternalError("operation: forgotten");
  }
}

absl::StatusOr<VfioSubject::Gives> VfioSubject::DoAccess(const Access& access,
                                                         bool write) {
  const uint32_t size = SizeOf(access);
  if (access.has_config()) {
    if (!write) return vmm_->ReadConfig(access.config(), size);
    vmm_->WriteConfig(access.config(), access.value(), size);
    return std::nullopt;
  }
  std::optional<uint64_t> address;
  if (access.has_address()) {
    address = access.address();
  } else {
    const uint32_t bar = access.has_registers() ? PciDevice::kRegisterBar
                         : access.has_msix()    ? PciDevice::kMsixBar
                                                : PciDevice::kMemoryBar;
    address = vmm_->BarAddress(bar);
    if (address.has_value()) {
      *address += access.has_registers() ? access.registers()
                  : access.has_msix()    ? access.msix()
                                         : access.memory();
    }
  }
  if (write) {
    if (address.has_value()) vmm_->Write(*address, access.value(), size);
    return std::nullopt;
  }
  const uint64_t value =
      address.has_value() ? vmm_->Read(*address, size) : ~uint64_t{0};
  return size == 8 ? value : value & ((uint64_t{1} << 8 * size) - 1);
}

void VfioSubject::Connect(PeerId peer, Vector vector) {
  const Doorbell doorbell = {.peer = peer, .vector = vector};
  device()
      .peers()
      .Connect(peer, vector, std::make_shared<Calling>([this, doorbell] {
                 const std::lock_guard lock(mutex_);
                 rings_.push_back(doorbell);
               }))
      .IgnoreError();  // A vector past the last, in a Script that is none.
}

}  // namespace

bool IsOfAServedDevice(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return IsOfAProcessor(step.read());
    case Step::kWrite:
      return IsOfAProcessor(step.write());
    case Step::kPeerJoins:
    case Step::kPeerLeaves:
    case Step::kVectorArrives:
    case Step::kInterrupt:
    case Step::kStore:
    case Step::kLoad:
    case Step::kReset:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<std::unique_ptr<script::Subject>> MakeVfioSubject(
    const config::World& world) {
  const absl::StatusOr<WorldConfig> config = ToWorldConfig(world);
  if (!config.ok()) return config.status();
  if (config->devices.size() != 1) {
    return absl::UnimplementedError("devices: one of them is all");
  }
  const DeviceConfig& device = config->devices.front();
  const auto* const pci = std::get_if<PciDeviceConfig>(&device.bus);
  if (pci == nullptr || pci->device.interrupts == InterruptMode::kIntx ||
      pci->device.access == MemoryAccess::kReadOnly ||
      device.size % static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) != 0) {
    return absl::UnimplementedError("device: not one that is served");
  }
  auto subject = std::make_unique<VfioSubject>(device.name, device.size);
  const absl::Status plugged =
      subject->Plug(pci->device, device.id.value_or(0));
  if (!plugged.ok()) return plugged;
  return subject;
}

}  // namespace ivshmem
