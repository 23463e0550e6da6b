// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_JOINING_CLIENT_H_
#define IVSHMEM_BENCH_JOINING_CLIENT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "backends/linux/unique_fd.h"
#include "bench/measured.h"
#include "bench/one_message.h"

namespace ivshmem::bench {

// One of the clients of a storm: reads message by message, closes descriptors
// as they come, and checks that it is told what is so and nothing twice.
//
// Threading: one thread at a time.
class JoiningClient {
 public:
  // `socket` is connected. The server had no client before the storm, so its
  // ids are those below `shape.clients`.
  JoiningClient(UniqueFd socket, const Shape& shape);

  int socket() const { return socket_.get(); }

  // Reads what is there. Errors: a message that is not owed, named.
  absl::Status Read(OneMessage& one);

  // Whether it was told version, id, memory and all vectors of all clients.
  bool complete() const { return owed_ == 0; }

 private:
  absl::Status Take(const Arrived& arrived);

  UniqueFd socket_;
  Shape shape_;
  int greeted_ = 0;                // Messages of the greeting.
  std::vector<uint16_t> vectors_;  // Of each client, so far.
  int64_t owed_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_JOINING_CLIENT_H_
