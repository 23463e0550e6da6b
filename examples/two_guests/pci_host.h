// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_PCI_HOST_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_PCI_HOST_H_

#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// Where a function is on the bus, as in bits 23:8 of the address port.
constexpr uint16_t PciAddress(int bus, int device, int function) {
  return static_cast<uint16_t>(bus << 8 | device << 3 | function);
}

// The two ports by which a PC reaches PCI configuration space (PCI Local Bus
// 3.0, 3.2.2.3.2): an address at 0xcf8, the data at 0xcfc.
//
// Threading: one thread.
class PciHost : public MmioHandler {
 public:
  static constexpr uint64_t kPort = 0xcf8;
  static constexpr uint64_t kPorts = 8;

  // Accesses to the configuration space of the function at `address` go to
  // `config`, which outlives the host. Where no function is, reads give ones.
  void Attach(uint16_t address, MmioHandler& config);

  // The ports, from kPort.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  // Whom an access to the data port at `offset` is for, or null.
  MmioHandler* Target(uint64_t offset, uint64_t size) const;
  uint64_t Register(uint64_t offset) const;

  uint32_t address_ = 0;
  absl::btree_map<uint16_t, MmioHandler*> functions_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_PCI_HOST_H_
