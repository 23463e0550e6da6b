// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/pci_device.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

constexpr uint16_t kVendorId = 0x1af4;
constexpr uint16_t kDeviceId = 0x1110;
constexpr uint32_t kClassCode = 0x050000;  // RAM controller.
constexpr uint16_t kSubsystemId = 0x1100;
constexpr uint16_t kAcrnSubsystemVendorId = 0x8086;

// A BAR's size is a power of two, and drivers take the region to be as large as
// the BAR. Rounding up would show memory that is not there, so such a region is
// refused.
absl::Status CheckMemory(const SharedMemory& memory) {
  if (memory.data == nullptr || memory.size == 0) {
    return absl::InvalidArgumentError("memory: expected some, got none");
  }
  if (!absl::has_single_bit(memory.size) || memory.size < 16) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory.size: expected a power of two of at least 16 bytes (BAR2 can "
        "have no other size), got %d",
        memory.size));
  }
  return absl::OkStatus();
}

}  // namespace

pci::FunctionSpec PciDevice::Spec(const Config& config, int vectors,
                                  uint64_t memory_size) {
  const bool acrn = config.dialect.name == kAcrn.name;
  pci::FunctionSpec spec;
  spec.vendor_id = kVendorId;
  spec.device_id = kDeviceId;
  spec.revision = config.dialect.pci_revision;
  spec.class_code = kClassCode;
  spec.subsystem_vendor_id = config.subsystem_vendor_id.value_or(
      acrn ? kAcrnSubsystemVendorId : kVendorId);
  spec.subsystem_id = config.subsystem_id.value_or(acrn ? 0 : kSubsystemId);
  spec.multi_function = config.multi_function;
  spec.bars[kRegisterBar] = pci::BarSpec{.size = config.dialect.block_size};
  spec.bars[kMemoryBar] =
      pci::BarSpec{.size = memory_size, .is_64bit = true, .prefetchable = true};
  if (config.interrupts == InterruptMode::kMsix) spec.msix_vectors = vectors;
  spec.msix_bar = kMsixBar;
  spec.intx = config.interrupts == InterruptMode::kIntx;
  return spec;
}

absl::StatusOr<std::unique_ptr<PciDevice>> PciDevice::Create(
    const Config& config, const SharedMemory& memory, const Host& host) {
  return Make(config, memory, host, nullptr);
}

absl::StatusOr<std::unique_ptr<PciDevice>> PciDevice::Restore(
    const Config& config, const SharedMemory& memory, const Host& host,
    const PciDeviceState& state) {
  absl::StatusOr<std::unique_ptr<PciDevice>> pci =
      Make(config, memory, host, &state);
  if (pci.ok()) (*pci)->Resume();
  return pci;
}

absl::StatusOr<std::unique_ptr<PciDevice>> PciDevice::Make(
    const Config& config, const SharedMemory& memory, const Host& host,
    const PciDeviceState* state) {
  if (absl::Status status = CheckMemory(memory); !status.ok()) return status;
  if (state != nullptr) {
    const absl::Status status =
        CheckState(state->memory, memory, config.access, config.role);
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckRole(
          config.role, state == nullptr ? config.id : state->device.id);
      !status.ok()) {
    return status;
  }
  if (config.dialect.block_size != kRevision1.block_size) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "dialect: expected one of a PCI device (256 bytes of registers), got "
        "%s",
        config.dialect.name));
  }
  if (config.interrupts == InterruptMode::kLine) {
    return absl::InvalidArgumentError(
        "interrupts: expected MSI-X, INTx or none of a PCI device, got a line");
  }
  int vectors = config.vectors;
  if (vectors == 0 && config.interrupts != InterruptMode::kNone) {
    vectors = config.interrupts == InterruptMode::kIntx
                  ? 1
                  : config.dialect.default_vectors;
  }

  auto pci = absl::WrapUnique(new PciDevice(config, memory, host.mapper));
  const AllowedShortcuts shortcuts =
      Allowed(config.limits, host.doorbells, host.router, host.events);
  DeviceEvents* events = host.events;
  TrappedRings* trapped_rings = nullptr;
  if (shortcuts.doorbells != nullptr) {
    events = trapped_rings = &pci->trapped_rings_.emplace(host.events);
  }
  DeferralAlarm* const alarm =
      host.timers != nullptr && config.limits.interrupts.limited()
          ? &pci->deferral_alarm_
          : nullptr;
  const Device::Config device_config = {.dialect = config.dialect,
                                        .interrupts = config.interrupts,
                                        .vectors = vectors,
                                        .id = config.id,
                                        .limits = config.limits};
  const Device::Dependencies device_dependencies = {.interrupts = pci.get(),
                                                    .level = pci.get(),
                                                    .peers = pci.get(),
                                                    .events = events,
                                                    .clock = host.clock,
                                                    .alarm = alarm};
  absl::StatusOr<std::unique_ptr<Device>> device =
      state == nullptr
          ? Device::Create(device_config, device_dependencies)
          : Device::Restore(device_config, device_dependencies, state->device);
  if (!device.ok()) return device.status();
  pci->device_ = *std::move(device);
  if (alarm != nullptr) {
    const absl::Status started =
        pci->deferral_alarm_.Start(*pci->device_, *host.timers);
    if (!started.ok()) return started;
  }
  pci->registers_.emplace(*pci->device_);

  pci::Function::Dependencies dependencies = {.msi = host.msi,
                                              .msix_listener = pci.get(),
                                              .intx_source = pci.get(),
                                              .intx_line = host.intx};
  dependencies.bars[kRegisterBar] = &*pci->registers_;
  dependencies.bars[kMemoryBar] = &pci->memory_;
  const pci::FunctionSpec spec = Spec(config, vectors, memory.size);
  absl::StatusOr<std::unique_ptr<pci::Function>> function =
      state == nullptr
          ? pci::Function::Create(spec, dependencies)
          : pci::Function::Restore(spec, dependencies, state->function);
  if (!function.ok()) return function.status();
  pci->function_ = *std::move(function);
  for (int bar = 0; const std::optional<uint64_t>& at : config.bar_addresses) {
    if (state == nullptr && at.has_value()) {
      const absl::Status placed = pci->function_->PlaceBar(bar, *at);
      if (!placed.ok()) return placed;
    }
    ++bar;
  }

  pci->placement_.emplace(
      *pci->function_, kMemoryBar, memory, config.access,
      BarPlacement::Dependencies{
          .mmio = host.mmio, .mapper = host.mapper, .events = host.events});
  if (state != nullptr) {
    const absl::Status status = pci->RestoreHidden(state->hidden_bars);
    if (!status.ok()) return status;
  }
  const BarPlacement* const placement = &*pci->placement_;
  pci->shortcuts_.emplace(
      *pci->device_,
      Shortcuts::Config{
          .doorbell_address = [placement]() -> std::optional<uint64_t> {
            const std::optional<uint64_t> bar = placement->Shown(kRegisterBar);
            if (!bar.has_value()) return std::nullopt;
            return *bar + kDoorbellOffset;
          },
          .doorbells = shortcuts.doorbells,
          .router = shortcuts.router,
          .msix = pci->function_->msix(),
          .trapped_rings = trapped_rings,
          .executor = host.executor,
          .events = host.events});
  return pci;
}

PciDevice::PciDevice(const Config& config, const SharedMemory& memory,
                     MemoryMapper* mapper)
    : shared_(memory),
      access_(config.access),
      role_(config.role),
      written_(memory, mapper),
      memory_(memory, config.access, &written_) {}

PciDevice::~PciDevice() {
  // Said, as PeersChanged() and MsixChanged() ask whether they are there.
  shortcuts_.reset();
  deferral_alarm_.Stop();
}

void PciDevice::ConfigRead(uint64_t offset,
                           absl::Span<uint8_t> bytes) const noexcept {
  function_->ConfigRead(offset, bytes);
}

void PciDevice::ConfigWrite(uint64_t offset,
                            absl::Span<const uint8_t> bytes) noexcept {
  if (function_->ConfigWrite(offset, bytes).decode) Placed();
}

PciDeviceState PciDevice::Save() {
  PciDeviceState state;
  // First: it may make vectors pending.
  state.device = device_->Save();
  state.memory = {.size = shared_.size, .access = access_, .role = role_};
  state.function = function_->Save();
  // By what was saved, which a vCPU may have changed since.
  const pci::BarAddresses addresses = function_->AddressesIn(state.function);
  for (const int bar : {kRegisterBar, kMsixBar, kMemoryBar}) {
    state.hidden_bars[bar] = placement_->Refused(bar, addresses[bar]);
  }
  return state;
}

std::optional<uint64_t> PciDevice::ShownAt(int bar) const noexcept {
  const std::optional<uint64_t> address = function_->BarAddress(bar);
  return placement_->Refused(bar, address) ? std::nullopt : address;
}

absl::Status PciDevice::RestoreHidden(
    const std::array<bool, pci::kBars>& hidden) {
  for (int bar = 0; const bool is_hidden : hidden) {
    if (is_hidden && !placement_->Hide(bar)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "state.hidden_bars[%d]: expected false, as that BAR has no place, "
          "got true",
          bar));
    }
    ++bar;
  }
  return absl::OkStatus();
}

void PciDevice::Resume() noexcept {
  Placed();
  if (function_->msix() != nullptr) function_->msix()->Settle();
  if (function_->intx() != nullptr) function_->intx()->Settle();
}

void PciDevice::Placed() noexcept {
  // A doorbell bound at the old address must be gone before anything else may
  // be seen there, and none is bound where the registers are not seen yet.
  shortcuts_->UpdateDoorbells();
  placement_settler_.Kick([this] { placement_->Apply(); });
  shortcuts_->AddDoorbells();
}

void PciDevice::Reset() noexcept {
  // First the device: once the function is reset, nothing holds a line that the
  // device still asserts.
  device_->Reset();
  if (function_->Reset().decode) Placed();
}

InterruptResult PciDevice::Deliver(Vector vector) noexcept {
  switch (function_->msix()->Deliver(vector)) {
    case pci::Msix::Outcome::kSent:
      return InterruptResult::kDelivered;
    case pci::Msix::Outcome::kPending:
      return InterruptResult::kHeld;
    case pci::Msix::Outcome::kDisabled:
      return InterruptResult::kDisabled;
    case pci::Msix::Outcome::kNoSuchVector:
      break;
  }
  return InterruptResult::kNoSuchVector;
}

void PciDevice::LevelMayHaveChanged() noexcept { function_->intx()->Settle(); }

void PciDevice::PeersChanged() noexcept {
  if (shortcuts_.has_value()) shortcuts_->UpdateAll();
}

void PciDevice::MsixChanged() noexcept {
  if (shortcuts_.has_value()) shortcuts_->UpdateRoutes();
}

bool PciDevice::IntxLevel() const noexcept {
  return device_->interrupt_level();
}

}  // namespace ivshmem
