// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_RECORDER_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_RECORDER_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// Notes the values that a guest writes; reads give ones.
class Recorder : public MmioHandler {
 public:
  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), 0xff);
  }

  void Write(uint64_t, absl::Span<const uint8_t> bytes) noexcept override {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data(), std::min(sizeof(value), bytes.size()));
    values_.push_back(value);
    if (on_write_) on_write_(value);
  }

  // Called in each write, after it was noted.
  void OnWrite(std::function<void(uint32_t)> on_write) {
    on_write_ = std::move(on_write);
  }

  const std::vector<uint32_t>& values() const { return values_; }
  void Clear() { values_.clear(); }

 private:
  std::vector<uint32_t> values_;
  std::function<void(uint32_t)> on_write_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_RECORDER_H_
