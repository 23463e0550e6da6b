// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_LOCAL_APIC_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_LOCAL_APIC_H_

#include <bitset>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/msi.h"

namespace ivshmem::two_guests {

// As much of an x86 processor's local APIC (Intel SDM volume 3, chapter 10) as
// message interrupts need: software enable, one bit for each vector that is
// requested and that is in service, priority among them, end of interrupt.
//
// Threading: one thread.
class LocalApic : public MmioHandler {
 public:
  static constexpr uint64_t kAddress = 0xfee00000;
  static constexpr uint64_t kSize = 0x1000;

  // A message from a device. Requests the vector in it, when it is meant for
  // this processor (id 0) and has fixed delivery; else it is lost.
  void Receive(const pci::MsiMessage& message) noexcept;

  // The vector that may interrupt now: the highest one requested, when its
  // priority is above that of all in service.
  std::optional<uint8_t> Pending() const;

  // The processor takes the vector: it is in service until the guest writes
  // End Of Interrupt.
  void Accept(uint8_t vector);

  // The register page. Other accesses than aligned ones of 4 bytes read 0 and
  // write nothing.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  static constexpr int kVectors = 256;

  uint32_t spurious_ = 0xff;  // Disabled by software.
  std::bitset<kVectors> requested_;
  std::bitset<kVectors> in_service_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_LOCAL_APIC_H_
