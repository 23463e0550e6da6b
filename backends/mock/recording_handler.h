// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_RECORDING_HANDLER_H_
#define IVSHMEM_BACKENDS_MOCK_RECORDING_HANDLER_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::mock {

// For the backends' tests: a handler that keeps what reached it. A byte
// reads as its offset plus the handler's tag. One thread.
class RecordingHandler final : public MmioHandler {
 public:
  struct Access {
    uint64_t offset = 0;
    size_t read = 0;  // The length of a read; 0 for a write.
    std::vector<uint8_t> written = {};

    friend bool operator==(const Access&, const Access&) = default;
    friend std::ostream& operator<<(std::ostream& os, const Access& access) {
      os << (access.read != 0 ? "read " : "write ") << access.offset << ":";
      if (access.read != 0) return os << access.read;
      for (uint8_t byte : access.written) os << " " << int{byte};
      return os;
    }
  };

  explicit RecordingHandler(uint8_t tag = 0) : tag_(tag) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    accesses_.push_back({.offset = offset, .read = bytes.size()});
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(offset + i + tag_);
    }
  }

  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    accesses_.push_back(
        {.offset = offset, .written = {bytes.begin(), bytes.end()}});
  }

  std::vector<Access> Take() { return std::exchange(accesses_, {}); }

 private:
  const uint8_t tag_;
  std::vector<Access> accesses_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_RECORDING_HANDLER_H_
