// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_MSIX_TABLE_H_
#define IVSHMEM_TESTING_QEMU_MSIX_TABLE_H_

#include <cstdint>
#include <string>

#include "testing/qemu/pci_function.h"

namespace ivshmem::qemu {

// The MSI-X table and pending bits of a function with placed BARs. One without
// MSI-X has no vectors.
//
// Threading: that of the Qtest.
class MsixTable {
 public:
  struct Entry {
    uint64_t address = 0;
    uint32_t data = 0;
    uint32_t control = 0;  // Bit 0: masked.

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // `function` outlives it.
  explicit MsixTable(PciFunction& function);

  int vectors() const { return vectors_; }

  // The Message Control bits Enable and Function Mask.
  void SetControl(bool enable, bool function_mask);

  Entry Get(int vector);
  void Set(int vector, const Entry& entry);
  void Mask(int vector, bool masked);
  bool Pending(int vector);

  // Lines for Qtest::Run() that do the same. The last one answers with 32
  // pending bits, those of the vectors that have the same vector / 32.
  std::string MaskCommand(int vector, bool masked) const;
  std::string PendingCommand(int vector) const;

 private:
  PciFunction& function_;
  int capability_ = 0;
  int vectors_ = 0;
  uint64_t table_ = 0;
  uint64_t pending_bits_ = 0;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_MSIX_TABLE_H_
