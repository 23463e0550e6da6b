// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/ioreq/bench_device.h"

#include <utility>

#include "bus/pci/registers.h"

namespace ivshmem::bench {

BenchDevice::BenchDevice(MmioSpace& space) {
  auto device = PciDevice::Create(
      {.vectors = 1,
       .id = kId,
       .bar_addresses = {kBar0, kBar0 + 0x1000, kBar0 + 0x10000}},
      {memory_.data(), memory_.size()}, {.mmio = &space});
  device_ = *std::move(device);  // Ends the program with the error.
  const std::array<uint8_t, 2> command = {pci::kCommandMemorySpace, 0};
  device_->ConfigWrite(pci::kCommand, command);
}

}  // namespace ivshmem::bench
