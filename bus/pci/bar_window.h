// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_BAR_WINDOW_H_
#define IVSHMEM_BUS_PCI_BAR_WINDOW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::pci {

// A BAR as the bus sees it: hands on what lies wholly inside while the BAR is
// decoded, and answers as a bus on which nobody does (ones; writes go nowhere)
// otherwise.
//
// Threading: as MmioHandler.
class BarWindow final : public MmioHandler {
 public:
  // No BAR: never answers.
  BarWindow() = default;

  // `decoded` says, and may come to say at any time, which BARs are decoded,
  // one bit for each. `target` may be null, for a BAR that reads as zeros. Both
  // outlive the object.
  BarWindow(int bar, uint64_t size, const std::atomic<uint32_t>& decoded,
            MmioHandler* target)
      : bit_(uint32_t{1} << bar),
        size_(size),
        decoded_(&decoded),
        target_(target) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  bool Answers(uint64_t offset, size_t size) const;

  uint32_t bit_ = 0;
  uint64_t size_ = 0;
  const std::atomic<uint32_t>* decoded_ = nullptr;
  MmioHandler* target_ = nullptr;
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_BAR_WINDOW_H_
