// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/bars.h"

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bus/pci/config_space.h"
#include "bus/pci/registers.h"

namespace ivshmem::pci {
namespace {

constexpr uint64_t kLeastSize = 16;
constexpr uint64_t kMost32BitSize = uint64_t{1} << 31;

constexpr int RegisterOf(int bar) { return kBar0 + bar * 4; }

// The highest address that the BAR's register can express.
constexpr uint64_t TopOf(const BarSpec& spec) {
  return spec.is_64bit ? std::numeric_limits<uint64_t>::max()
                       : std::numeric_limits<uint32_t>::max();
}

// Whether a BAR at `address` is one that is decoded; see DecodeBars().
constexpr bool IsPlacedAt(const BarSpec& spec, uint64_t address) {
  const uint64_t last = address | (spec.size - 1);
  return address != 0 && last < TopOf(spec);
}

uint64_t AddressBits(const BarSpec& spec, int bar, const ConfigSpace& config) {
  uint64_t bits = config.Get32(RegisterOf(bar)) & ~kBarTypeBits;
  if (spec.is_64bit) {
    bits |= uint64_t{config.Get32(RegisterOf(bar + 1))} << 32;
  }
  return bits;
}

absl::Status ValidateBar(const BarSpecs& specs, int bar) {
  const BarSpec& spec = *specs[bar];
  if (!std::has_single_bit(spec.size) || spec.size < kLeastSize) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bars[", bar, "].size: expected a power of two of at least ",
        kLeastSize, ", got ", spec.size));
  }
  if (!spec.is_64bit) {
    if (spec.size <= kMost32BitSize) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("bars[", bar, "].size: expected at most ", kMost32BitSize,
                     " for a 32-bit BAR, got ", spec.size));
  }
  if (bar + 1 == kBars) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bars[", bar,
        "].is_64bit: expected false for the last BAR, which has no next one "
        "for the upper half, got true"));
  }
  if (specs[bar + 1].has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("bars[", bar + 1, "]: expected none, because bars[", bar,
                     "] is 64-bit and takes its place, got one of ",
                     specs[bar + 1]->size, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateBars(const BarSpecs& specs) {
  for (const int bar : kBarNumbers) {
    if (!specs[bar].has_value()) continue;
    if (absl::Status status = ValidateBar(specs, bar); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void InitBars(const BarSpecs& specs, ConfigSpace& config) {
  for (const int bar : kBarNumbers) {
    if (!specs[bar].has_value()) continue;
    const BarSpec& spec = *specs[bar];
    const uint64_t address_bits = ~(spec.size - 1);
    config.Set32(RegisterOf(bar),
                 (spec.is_64bit ? kBar64Bit : 0) |
                     (spec.prefetchable ? kBarPrefetchable : 0));
    config.AllowWrite(RegisterOf(bar), static_cast<uint32_t>(address_bits));
    if (spec.is_64bit) {
      config.AllowWrite(RegisterOf(bar + 1),
                        static_cast<uint32_t>(address_bits >> 32));
    }
  }
}

BarAddresses DecodeBars(const BarSpecs& specs, const ConfigSpace& config) {
  BarAddresses addresses;
  if ((config.Get16(kCommand) & kCommandMemorySpace) == 0) return addresses;
  for (const int bar : kBarNumbers) {
    // One that is not there has no size, and so no address.
    const BarSpec spec = specs[bar].value_or(BarSpec());
    const uint64_t address = AddressBits(spec, bar, config);
    if (IsPlacedAt(spec, address)) addresses[bar] = address;
  }
  return addresses;
}

absl::Status PlaceBar(const BarSpecs& specs, int bar, uint64_t address,
                      ConfigSpace& config) {
  if (!IsBar(bar) || !specs[bar].has_value()) {
    return absl::NotFoundError(absl::StrCat("BAR ", bar, ": no such BAR"));
  }
  const BarSpec& spec = *specs[bar];
  if (address % spec.size != 0 || !IsPlacedAt(spec, address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "BAR ", bar, ": expected an address above 0 that is a multiple of ",
        spec.size, " and leaves the BAR's end below the top of ",
        spec.is_64bit ? 64 : 32, " bits, got 0x", absl::Hex(address)));
  }
  const uint32_t type_bits = config.Get32(RegisterOf(bar)) & kBarTypeBits;
  config.Set32(RegisterOf(bar), static_cast<uint32_t>(address) | type_bits);
  if (spec.is_64bit) {
    config.Set32(RegisterOf(bar + 1), static_cast<uint32_t>(address >> 32));
  }
  return absl::OkStatus();
}

}  // namespace ivshmem::pci
