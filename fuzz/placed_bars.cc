// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/placed_bars.h"

#include <algorithm>
#include <bit>

#include "bus/pci/registers.h"
#include "core/dialect.h"

namespace ivshmem::script {

bool PlacedBars::Answers(const std::string& device, int bar,
                         uint64_t offset) const {
  uint64_t address = 0;
  int answering = 0;
  for (int i = 0; i < world_.devices_size(); ++i) {
    const std::string& name = world_.devices(i).name();
    const Aims aims = AimsOf(world_, i);
    if (name == device) address = aims.homes[bar] + offset;
  }
  if (!Decodes(device) || Address(device, bar) + offset != address) {
    return false;
  }
  for (int i = 0; i < world_.devices_size(); ++i) {
    const std::string& name = world_.devices(i).name();
    if (!world_.devices(i).has_pci() || !Decodes(name)) continue;
    const Aims aims = AimsOf(world_, i);
    for (int one = 0; one < 3; ++one) {
      if (address - Address(name, one) < Size(aims, one)) ++answering;
    }
  }
  return answering == 1;
}

uint64_t PlacedBars::Size(const Aims& aims, int bar) {
  if (bar == 0) return kQemu.block_size;
  if (bar == 2) return aims.memory;
  if (aims.vectors == 0) return 0;
  const uint64_t end = aims.pending + (aims.vectors + 63) / 64 * 8;
  return std::max<uint64_t>(4096, std::bit_ceil(end));
}

// Where there is no device, all reads ones.
bool PlacedBars::Decodes(const std::string& device) const {
  return read_config_(device, 0) != ~uint32_t{0} &&
         (read_config_(device, pci::kCommand) & pci::kCommandMemorySpace) != 0;
}

uint64_t PlacedBars::Address(const std::string& device, int bar) const {
  const uint64_t low =
      read_config_(device, pci::kBar0 + uint64_t{4} * bar) & ~uint64_t{0xf};
  if (bar != 2) return low;
  return low | uint64_t{read_config_(device, pci::kBar0 + 12)} << 32;
}

}  // namespace ivshmem::script
