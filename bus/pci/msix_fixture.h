// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSIX_FIXTURE_H_
#define IVSHMEM_BUS_PCI_MSIX_FIXTURE_H_

#include <cstdint>

#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {

inline constexpr int kVectors = 4;
inline constexpr Msix::Gates kOpen = {.enabled = true, .bus_master = true};
inline constexpr Msix::Gates kFunctionMasked = {
    .enabled = true, .function_mask = true, .bus_master = true};
inline constexpr Msix::Gates kNoBusMaster = {.enabled = true};
inline constexpr Msix::Gates kDisabled = {.bus_master = true};

constexpr MsiMessage MessageOf(int vector) {
  return {.address = 0x1fee00000u + 0x1000 * vector, .data = 0x4040u + vector};
}

class MsixDeliveryTest : public ::testing::Test {
 protected:
  // Each vector has its message; all are masked, the gates closed.
  MsixDeliveryTest() {
    for (int vector = 0; vector < kVectors; ++vector) {
      Write<uint64_t>(msix_, vector * 16, MessageOf(vector).address);
      Write<uint32_t>(msix_, vector * 16 + 8, MessageOf(vector).data);
    }
  }

  void SetMask(int vector, bool masked) {
    Write<uint32_t>(msix_, vector * 16 + 12, masked ? 1 : 0);
  }

  void OpenAll() {
    for (int vector = 0; vector < kVectors; ++vector) SetMask(vector, false);
    msix_.SetGates(kOpen);
    sink_.Take();
  }

  uint64_t Pba() { return Read<uint64_t>(msix_, 0x800); }

  RecordingMsiSink sink_;
  RecordingListener listener_;
  Msix msix_{kVectors, &sink_, &listener_};
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_MSIX_FIXTURE_H_
