// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_FILE_BLOCK_H_
#define IVSHMEM_BACKENDS_VFIO_USER_FILE_BLOCK_H_

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::vfio_user {

// A file as a range of bytes, for memory that others can make shorter: where a
// load from a mapping would raise SIGBUS, this reads zeros. On hugetlbfs, which
// knows no write(), nothing is written.
class FileBlock : public MmioHandler {
 public:
  // `fd` stays the caller's.
  explicit FileBlock(int fd) : fd_(fd) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    while (!bytes.empty()) {
      const ssize_t got =
          pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      offset += got;
      bytes.remove_prefix(got);
    }
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  }

  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    while (!bytes.empty()) {
      const ssize_t put =
          pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return;
      offset += put;
      bytes.remove_prefix(put);
    }
  }

 private:
  const int fd_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_FILE_BLOCK_H_
