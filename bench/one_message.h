// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_ONE_MESSAGE_H_
#define IVSHMEM_BENCH_ONE_MESSAGE_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::bench {

// A message of the protocol as it arrives: a number and at most one descriptor.
struct Arrived {
  int64_t number = 0;
  UniqueFd fd;
};

// Sends and receives messages one by one and does nothing else, so that what is
// measured with it is the kernel. All ends that read in these benchmarks are
// this one. Host byte order: little endian, as the protocol's.
//
// Threading: one thread at a time.
class OneMessage {
 public:
  OneMessage();
  OneMessage(const OneMessage&) = delete;
  OneMessage& operator=(const OneMessage&) = delete;

  // Blocks while there is no room.
  absl::Status Send(int socket, int64_t number, int fd);

  // What comes next. `flags` are of recvmsg(). Errors: Unavailable when there
  // is nothing and it may not wait, OutOfRange at the end of the connection,
  // DataLoss for a part of a message or a descriptor that was lost.
  absl::StatusOr<Arrived> Receive(int socket, int flags);

 private:
  int64_t number_ = 0;
  iovec part_;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_ = {};
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_ONE_MESSAGE_H_
