// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/bar_window.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/access.h"

namespace ivshmem::pci {

void BarWindow::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  if (!Answers(offset, bytes.size())) {
    std::fill(bytes.begin(), bytes.end(), 0xff);
  } else if (target_ == nullptr) {
    std::fill(bytes.begin(), bytes.end(), 0);
  } else {
    target_->Read(offset, bytes);
  }
}

void BarWindow::Write(uint64_t offset,
                      absl::Span<const uint8_t> bytes) noexcept {
  if (target_ != nullptr && Answers(offset, bytes.size())) {
    target_->Write(offset, bytes);
  }
}

bool BarWindow::Answers(uint64_t offset, size_t size) const {
  return decoded_ != nullptr &&
         (decoded_->load(std::memory_order_relaxed) & bit_) != 0 &&
         Contains(size_, offset, size);
}

}  // namespace ivshmem::pci
