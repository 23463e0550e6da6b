// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_BENCH_DEVICE_H_
#define IVSHMEM_BENCH_IOREQ_BENCH_DEVICE_H_

#include <array>
#include <cstdint>
#include <memory>

#include "backends/mmio_space.h"
#include "device/pci_device.h"

namespace ivshmem::bench {

// The device whose IVPosition register the contenders read. It ends the program
// if it cannot be had.
class BenchDevice {
 public:
  static constexpr uint64_t kBar0 = 0xe0000000;
  static constexpr uint64_t kPosition = kBar0 + 8;
  static constexpr uint16_t kId = 7;

  explicit BenchDevice(MmioSpace& space);

 private:
  alignas(4096) std::array<uint8_t, 4096> memory_ = {};
  std::unique_ptr<PciDevice> device_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_BENCH_DEVICE_H_
