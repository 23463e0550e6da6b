// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_MSIX_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_MSIX_H_

#include <cstdint>
#include <vector>

namespace ivshmem::conformance {

// Where MSI-X's table and pending bits are in BAR 1. The specification leaves
// it open; this is where QEMU has them: the table first, the pending bits in
// the middle of 4 KiB, or behind the table where that is longer, and the BAR as
// large as that takes.
struct MsixPlaces {
  uint64_t pending = 0;
  uint64_t bar_size = 0;
};
MsixPlaces MsixPlacesFor(uint64_t vectors);

struct SentMessage {
  uint64_t address;
  uint32_t data;
};

// MSI-X of a function (PCI Local Bus 3.0, 6.8.2 and 6.8.3).
struct Msix {
  // An entry of the table: four dwords, and its bit among the pending ones.
  struct Entry {
    uint32_t address = 0;
    uint32_t upper_address = 0;
    uint32_t data = 0;
    uint32_t control = 1;
    bool pending = false;
  };

  explicit Msix(uint64_t vectors) : entries(vectors) {}

  std::vector<Entry> entries;
  // From config space.
  bool enabled = false;
  bool function_masked = false;
  bool bus_master = false;

  // An access that lies within BAR 1.
  uint64_t Read(uint64_t offset, uint64_t size) const;
  void Write(uint64_t offset, uint64_t size, uint64_t value);

  void Interrupt(uint64_t vector, std::vector<SentMessage>& sent);
  // After anything that may have unmasked something.
  void SendPending(std::vector<SentMessage>& sent);
  // Table and pending bits.
  void Reset();

 private:
  bool MaySend(const Entry& entry) const;
  void Send(Entry& entry, std::vector<SentMessage>& sent) const;
  uint32_t ReadDword(uint64_t offset) const;
  void WriteDword(uint64_t offset, uint32_t value);
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_MSIX_H_
