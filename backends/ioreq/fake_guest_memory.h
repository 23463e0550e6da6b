// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_FAKE_GUEST_MEMORY_H_
#define IVSHMEM_BACKENDS_IOREQ_FAKE_GUEST_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "backends/ioreq/guest_memory.h"

namespace ivshmem::ioreq {

// For this folder's tests: RAM at [base, base + size). One thread.
class FakeGuestMemory final : public GuestMemory {
 public:
  FakeGuestMemory(uint64_t base, size_t size) : base_(base), bytes_(size) {}

  bool Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept override {
    if (!Holds(address, bytes.size())) return false;
    std::copy_n(At(address), bytes.size(), bytes.begin());
    return true;
  }
  bool Write(uint64_t address,
             absl::Span<const uint8_t> bytes) noexcept override {
    if (!Holds(address, bytes.size())) return false;
    std::copy(bytes.begin(), bytes.end(), At(address));
    return true;
  }

  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  bool Holds(uint64_t address, size_t size) const {
    return address >= base_ && address - base_ <= bytes_.size() &&
           size <= bytes_.size() - (address - base_);
  }
  std::vector<uint8_t>::iterator At(uint64_t address) {
    return bytes_.begin() + static_cast<ptrdiff_t>(address - base_);
  }

  const uint64_t base_;
  std::vector<uint8_t> bytes_;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_FAKE_GUEST_MEMORY_H_
