// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_LINE_SOCKET_H_
#define IVSHMEM_TESTING_QEMU_LINE_SOCKET_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::qemu {

// A stream socket over which lines of text go both ways.
//
// Threading: one thread at a time.
class LineSocket {
 public:
  explicit LineSocket(UniqueFd socket);

  // `line`, which has no line end, goes out during the ReadLine() calls to
  // come: many lines can be on their way before the first answer is read, and
  // neither side waits for the other to read.
  void Queue(absl::string_view line);

  // The next line that came, without its "\n". Errors:
  // DeadlineExceeded, Unavailable when the other side has closed.
  absl::StatusOr<std::string> ReadLine(absl::Time deadline);

 private:
  // Sends what is queued and receives what has come, each as far as it goes
  // without waiting.
  absl::Status Transfer(int ready);

  const UniqueFd socket_;
  std::string out_;
  size_t sent_ = 0;  // Of `out_`.
  std::string in_;
  size_t taken_ = 0;    // Of `in_`.
  size_t scanned_ = 0;  // Of `in_`; no line end between `taken_` and here.
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_LINE_SOCKET_H_
