// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_NVIC_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_NVIC_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// The first 32 lines of a Cortex-M's interrupt controller (ARMv7-M manual,
// B3.4): enable and pending bits, all lines of one priority, the lower number
// first. As a handler it is the System Control Space, where everything else
// reads 0.
//
// Threading: one thread.
class Nvic : public MmioHandler {
 public:
  static constexpr int kLines = 32;
  static constexpr uint64_t kSize = 0x1000;

  void SetPending(int line) { pending_ |= 1u << line; }

  // The line that may interrupt now.
  std::optional<int> Pending() const;

  // The processor takes the line.
  void Accept(int line) { pending_ &= ~(1u << line); }

  // Other accesses than aligned ones of 4 bytes read 0 and write nothing.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  uint32_t enabled_ = 0;
  uint32_t pending_ = 0;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_NVIC_H_
