// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function_spec.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"

namespace ivshmem::pci {
namespace {

constexpr uint16_t kNoVendor = 0xffff;
constexpr uint32_t kMostClassCode = 0xffffff;
constexpr int kMostMsixVectors = 2048;  // Table Size has 11 bits.

absl::Status ValidateMsix(const FunctionSpec& spec) {
  if (spec.msix_vectors < 0 || spec.msix_vectors > kMostMsixVectors) {
    return absl::InvalidArgumentError(
        absl::StrCat("msix_vectors: expected 0 to ", kMostMsixVectors, ", got ",
                     spec.msix_vectors));
  }
  if (spec.msix_vectors == 0) return absl::OkStatus();
  const int bar = spec.msix_bar;
  if (!IsBar(bar)) {
    return absl::InvalidArgumentError(
        absl::StrCat("msix_bar: expected 0 to ", kBars - 1, ", got ", bar));
  }
  if (spec.bars[bar].has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "msix_bar: expected a BAR that `bars` leaves free, got ", bar));
  }
  if (bar != 0 && spec.bars[bar - 1].value_or(BarSpec()).is_64bit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "msix_bar: expected a BAR that `bars` leaves free, got ", bar,
        ", which holds the upper half of bars[", bar - 1, "]"));
  }
  return absl::OkStatus();
}

void InitCapabilities(const FunctionSpec& spec, ConfigSpace& config) {
  if (spec.msix_vectors == 0) return;
  config.Set16(kStatus, kStatusCapabilities);
  config.Set8(kCapabilities, kMsixCapability);
  config.Set8(kMsixCapability, kMsixCapabilityId);  // And no next one.
  config.Set16(kMsixControl, static_cast<uint16_t>(spec.msix_vectors - 1));
  config.Set32(kMsixTable, spec.msix_bar);  // At the BAR's start.
  config.Set32(kMsixPba,
               MsixLayout::For(spec.msix_vectors).pba_offset | spec.msix_bar);
  config.AllowWrite(kMsixControl,
                    kMsixControlEnable | kMsixControlFunctionMask);
}

}  // namespace

absl::Status ValidateSpec(const FunctionSpec& spec) {
  if (spec.vendor_id == kNoVendor) {
    return absl::InvalidArgumentError(
        "vendor_id: expected a vendor, got 0xffff, which says that there is no "
        "function");
  }
  if (spec.class_code > kMostClassCode) {
    return absl::InvalidArgumentError(absl::StrCat(
        "class_code: expected 24 bits, got 0x", absl::Hex(spec.class_code)));
  }
  if (absl::Status status = ValidateBars(spec.bars); !status.ok()) {
    return status;
  }
  return ValidateMsix(spec);
}

BarSpecs AllBars(const FunctionSpec& spec) {
  BarSpecs bars = spec.bars;
  if (spec.msix_vectors > 0) {
    bars[spec.msix_bar] = {.size = MsixLayout::For(spec.msix_vectors).bar_size};
  }
  return bars;
}

ConfigSpace InitialConfig(const FunctionSpec& spec) {
  ConfigSpace config;
  config.Set16(kVendorId, spec.vendor_id);
  config.Set16(kDeviceId, spec.device_id);
  config.AllowWrite(kCommand, kCommandIoSpace | kCommandMemorySpace |
                                  kCommandBusMaster | kCommandSerr |
                                  kCommandInterruptDisable);
  config.Set32(kRevision, spec.class_code << 8 | spec.revision);
  config.AllowWrite(kCacheLineSize, 0xff);
  if (spec.multi_function) config.Set8(kHeaderType, kHeaderTypeMultiFunction);
  InitBars(AllBars(spec), config);
  config.Set16(kSubsystemVendorId, spec.subsystem_vendor_id);
  config.Set16(kSubsystemId, spec.subsystem_id);
  config.AllowWrite(kInterruptLine, 0xff);
  if (spec.intx) config.Set8(kInterruptPin, kInterruptPinA);
  InitCapabilities(spec, config);
  return config;
}

}  // namespace ivshmem::pci
