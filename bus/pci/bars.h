// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_BARS_H_
#define IVSHMEM_BUS_PCI_BARS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "bus/pci/config_space.h"

namespace ivshmem::pci {

inline constexpr int kBars = 6;

constexpr bool IsBar(int bar) { return bar >= 0 && bar < kBars; }

// All of them, for loops.
inline constexpr std::array<int, kBars> kBarNumbers = {0, 1, 2, 3, 4, 5};

// A memory BAR. Sizes are powers of two; 16 bytes at least.
struct BarSpec {
  uint64_t size = 0;
  bool is_64bit = false;  // Takes the next BAR's place as well.
  bool prefetchable = false;
};

using BarSpecs = std::array<std::optional<BarSpec>, kBars>;

// Where each BAR is for the guest; nullopt for those that it does not see.
using BarAddresses = std::array<std::optional<uint64_t>, kBars>;

// Errors name the BAR and its field: "bars[2].size: expected ...".
absl::Status ValidateBars(const BarSpecs& specs);

// Lays the registers of the BARs out in `config`, unplaced. The address bits
// below a BAR's size are hardwired to 0, which is how software finds the size
// (PCI Local Bus 3.0, 6.2.5.1). What is not a BAR reads 0 for good.
void InitBars(const BarSpecs& specs, ConfigSpace& config);

// By what the BARs and Memory Space Enable hold now. A BAR at address 0 is not
// placed yet. Neither is one that ends at the very top of its address width,
// which is what it looks like in between a write of all ones and the next.
BarAddresses DecodeBars(const BarSpecs& specs, const ConfigSpace& config);

// Errors when there is no such BAR, or `address` is none that it can decode.
absl::Status PlaceBar(const BarSpecs& specs, int bar, uint64_t address,
                      ConfigSpace& config);

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_BARS_H_
