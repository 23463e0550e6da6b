// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_PCI_FUNCTION_H_
#define IVSHMEM_TESTING_QEMU_PCI_FUNCTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "testing/qemu/qtest.h"

namespace ivshmem::qemu {

// A function on bus 0 of a QEMU's PC, as firmware and drivers see it.
//
// Threading: that of the Qtest.
class PciFunction {
 public:
  // Function 0 of slot `slot`, 0..31. `qtest` outlives it.
  PciFunction(Qtest& qtest, int slot) : qtest_(&qtest), slot_(slot) {}

  // All slots whose function has these ids, in their order.
  static std::vector<PciFunction> FindAll(Qtest& qtest, uint16_t vendor_id,
                                          uint16_t device_id);

  int slot() const { return slot_; }

  // One access of 1, 2 or 4 bytes to configuration space, inside a dword.
  uint32_t Config(int size, int offset);
  void SetConfig(int size, int offset, uint32_t value);

  // Where the capability with that id is.
  std::optional<int> FindCapability(uint8_t id);

  // What the BAR register says and what it claims: its type bits and its size
  // in bytes; size 0 for none. Memory decode should be off.
  struct Bar {
    uint32_t type = 0;
    uint64_t size = 0;
  };
  Bar ProbeBar(int index);

  // Puts all BARs behind each other, from `address` on, a multiple of 4 KiB
  // below 4 GiB that leaves room for them; enables memory decode and bus
  // mastering. Result: where the last one ends, rounded up to 4 KiB.
  uint64_t PlaceBars(uint64_t address);

  // Where PlaceBars() put it; 0 for none.
  uint64_t bar(int index) const { return bars_[index]; }

  Qtest& qtest() { return *qtest_; }

 private:
  uint32_t Selector(int offset) const;

  Qtest* qtest_;
  int slot_;
  uint64_t bars_[6] = {};
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_PCI_FUNCTION_H_
