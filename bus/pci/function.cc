// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bar_window.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/function_state.h"
#include "bus/pci/intx.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"

namespace ivshmem::pci {
namespace {

absl::Status Validate(const FunctionSpec& spec,
                      const Function::Dependencies& dependencies) {
  if (absl::Status status = ValidateSpec(spec); !status.ok()) return status;
  if (spec.intx && dependencies.intx_source == nullptr) {
    return absl::InvalidArgumentError(
        "dependencies.intx_source: expected one because spec.intx is set, got "
        "null");
  }
  for (const int bar : kBarNumbers) {
    if (dependencies.bars[bar] != nullptr && !spec.bars[bar].has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "dependencies.bars[", bar, "]: expected null because spec.bars[", bar,
          "] is not set, got a handler"));
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<Intx> MakeIntx(const FunctionSpec& spec,
                               const Function::Dependencies& dependencies) {
  if (!spec.intx) return nullptr;
  return std::make_unique<Intx>(*dependencies.intx_source,
                                dependencies.intx_line);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Function>> Function::Create(
    const FunctionSpec& spec, const Dependencies& dependencies) {
  if (absl::Status status = Validate(spec, dependencies); !status.ok()) {
    return status;
  }
  std::unique_ptr<Msix> msix;
  if (spec.msix_vectors != 0) {
    msix = std::make_unique<Msix>(spec.msix_vectors, dependencies.msi,
                                  dependencies.msix_listener);
  }
  return absl::WrapUnique(
      new Function(spec, dependencies, InitialConfig(spec), std::move(msix)));
}

absl::StatusOr<std::unique_ptr<Function>> Function::Restore(
    const FunctionSpec& spec, const Dependencies& dependencies,
    const FunctionState& state) {
  if (absl::Status status = Validate(spec, dependencies); !status.ok()) {
    return status;
  }
  const absl::StatusOr<ConfigSpace> config = RestoreConfig(spec, state);
  if (!config.ok()) return config.status();
  std::unique_ptr<Msix> msix;
  if (spec.msix_vectors != 0) {
    msix = std::make_unique<Msix>(state.msix, dependencies.msi,
                                  dependencies.msix_listener);
  }
  return absl::WrapUnique(
      new Function(spec, dependencies, *config, std::move(msix)));
}

Function::Function(const FunctionSpec& spec, const Dependencies& dependencies,
                   const ConfigSpace& config, std::unique_ptr<Msix> msix)
    : bar_specs_(AllBars(spec)),
      initial_config_(InitialConfig(spec)),
      msix_(std::move(msix)),
      intx_(MakeIntx(spec, dependencies)),
      config_(config) {
  for (const int bar : kBarNumbers) {
    const bool is_msix = msix_ != nullptr && bar == spec.msix_bar;
    windows_[bar] = BarWindow(bar, BarSize(bar), decoded_,
                              is_msix ? msix_.get() : dependencies.bars[bar]);
  }
  absl::MutexLock lock(&mutex_);
  Follow();
}

void Function::ConfigRead(uint64_t offset,
                          absl::Span<uint8_t> bytes) const noexcept {
  // Interrupt Status is the source's level, read before the lock is taken.
  const bool interrupt = intx_ != nullptr && intx_->status();
  {
    absl::MutexLock lock(&mutex_);
    config_.Read(offset, bytes);
  }
  const uint64_t status_byte = kStatus - offset;  // Its place in `bytes`.
  if (interrupt && status_byte < bytes.size()) {
    bytes[status_byte] |= kStatusInterrupt;
  }
}

Function::Change Function::ConfigWrite(
    uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  Aftermath aftermath;
  {
    absl::MutexLock lock(&mutex_);
    config_.Write(offset, bytes);
    aftermath = Follow();
  }
  return Finish(aftermath);
}

MmioHandler& Function::bar(int bar) {
  return IsBar(bar) ? windows_[bar] : no_window_;
}

std::optional<uint64_t> Function::BarAddress(int bar) const {
  if (!IsBar(bar)) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  return addresses_[bar];
}

uint64_t Function::BarSize(int bar) const {
  return IsBar(bar) ? bar_specs_[bar].value_or(BarSpec()).size : 0;
}

absl::Status Function::PlaceBar(int bar, uint64_t address) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = pci::PlaceBar(bar_specs_, bar, address, config_);
      !status.ok()) {
    return status;
  }
  Follow();  // The interrupts do not depend on BARs.
  return absl::OkStatus();
}

FunctionState Function::Save() const {
  FunctionState state;
  {
    absl::MutexLock lock(&mutex_);
    state = SaveConfig(config_);
  }
  if (msix_ != nullptr) state.msix = msix_->Save();
  return state;
}

BarAddresses Function::AddressesIn(const FunctionState& state) const {
  ConfigSpace config = initial_config_;
  config.Set16(kCommand, state.command);
  for (const int bar : kBarNumbers) {
    config.Set32(kBar0 + 4 * bar, state.bars[bar]);
  }
  return DecodeBars(bar_specs_, config);
}

Function::Change Function::Reset() noexcept {
  Aftermath aftermath;
  {
    absl::MutexLock lock(&mutex_);
    config_ = initial_config_;
    aftermath = Follow();
  }
  // The gates are closed by now, so nothing fires on the way.
  if (msix_ != nullptr) msix_->Reset();
  return Finish(aftermath);
}

Function::Aftermath Function::Follow() noexcept {
  Aftermath aftermath;
  const BarAddresses addresses = DecodeBars(bar_specs_, config_);
  if (addresses != addresses_) {
    aftermath.change.decode = true;
    addresses_ = addresses;
    uint32_t decoded = 0;
    for (const int bar : kBarNumbers) {
      if (addresses[bar].has_value()) decoded |= uint32_t{1} << bar;
    }
    decoded_.store(decoded, std::memory_order_relaxed);
  }
  const uint16_t command = config_.Get16(kCommand);
  // Zeros without MSI-X.
  const uint16_t control = config_.Get16(kMsixControl);
  const bool msix_enabled = (control & kMsixControlEnable) != 0;
  if (msix_ != nullptr) {
    aftermath.msix = msix_->StoreGates(
        {.enabled = msix_enabled,
         .function_mask = (control & kMsixControlFunctionMask) != 0,
         .bus_master = (command & kCommandBusMaster) != 0});
  }
  // A function that uses MSI-X may not use its pin (PCI Local Bus 3.0,
  // 6.8.2.3).
  const bool intx_disabled =
      msix_enabled || (command & kCommandInterruptDisable) != 0;
  if (intx_ != nullptr && intx_disabled != intx_disabled_) {
    aftermath.intx = true;
    intx_disabled_ = intx_disabled;
    intx_->StoreDisabled(intx_disabled);
  }
  return aftermath;
}

Function::Change Function::Finish(const Aftermath& aftermath) noexcept {
  if (aftermath.msix) msix_->Settle();
  if (aftermath.intx) intx_->Settle();
  return aftermath.change;
}

}  // namespace ivshmem::pci
