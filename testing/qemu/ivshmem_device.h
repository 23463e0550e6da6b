// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_IVSHMEM_DEVICE_H_
#define IVSHMEM_TESTING_QEMU_IVSHMEM_DEVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/doorbell.h"
#include "testing/qemu/msix_table.h"
#include "testing/qemu/pci_function.h"
#include "testing/qemu/qtest.h"

namespace ivshmem::qemu {

// QEMU's ivshmem device, as a guest's driver uses it. The driver has MSI-X
// enabled and all vectors masked, so that an interrupt shows as a pending bit
// and stays until it is taken; a message goes into the guest's RAM.
//
// Threading: that of the Qtest.
class IvshmemDevice {
 public:
  // Sets up the `index`th of them, 0 being in the lowest slot: places its BARs
  // and enables its MSI-X. Null, with a GoogleTest failure, when there is none.
  // `qtest` outlives it. Two devices of one QEMU get different `index`es; they
  // share none of what is set up.
  static std::unique_ptr<IvshmemDevice> SetUp(Qtest& qtest, int index = 0);

  // One access to the register block, 256 bytes; `size` is 1, 2, 4 or 8.
  uint64_t Read(uint64_t offset, int size = 4);
  void Write(uint64_t offset, uint64_t value, int size = 4);

  // The IVPosition register: the id.
  uint32_t Position();

  // Writes the Doorbell register.
  void Ring(PeerId peer, Vector vector);

  // Whether the interrupt has come, or does within `patience`. It stays.
  bool PendingWithin(Vector vector, absl::Duration patience);

  // All vectors whose interrupt has come when QEMU has handled what was ready
  // before. They stay.
  std::vector<Vector> Pending();

  // Lets a pending interrupt out and says whether there was one. None is lost
  // that comes meanwhile: that one is taken too, or stays.
  bool Take(Vector vector);

  // The shared memory, through BAR 2.
  std::vector<uint8_t> ReadMemory(uint64_t offset, uint64_t size);
  void WriteMemory(uint64_t offset, absl::Span<const uint8_t> bytes);

  PciFunction& function() { return function_; }
  MsixTable& msix() { return msix_; }

 private:
  IvshmemDevice(const PciFunction& function, int index);

  PciFunction function_;
  const uint64_t end_of_bars_;  // Placed before the table is looked for.
  MsixTable msix_;
  const uint64_t messages_;  // Where in RAM vectors write, 4 bytes each.
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_IVSHMEM_DEVICE_H_
