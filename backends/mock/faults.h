// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_FAULTS_H_
#define IVSHMEM_BACKENDS_MOCK_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/log.h"

namespace ivshmem::mock {

// Which operations of a host fail, and how. A status that is OK injects
// nothing.
//
// Threading: any thread. With one thread at work it is known which call is the
// n-th.
class Faults {
 public:
  Faults() = default;
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;

  // The n-th call from now fails with `status`; 1 is the next one. May be said
  // of several calls at once.
  void FailNth(Operation operation, int n, absl::Status status);

  // Every call fails with `status`, but those of which FailNth() says
  // otherwise.
  void FailAll(Operation operation, absl::Status status);

  // No call fails any more.
  void Clear();

  // How many calls there were, failed ones included.
  uint64_t calls(Operation operation) const;

  // For the parts of a host: counts a call and says what becomes of it.
  absl::Status Next(Operation operation);

 private:
  struct Plan {
    uint64_t calls = 0;
    absl::btree_map<uint64_t, absl::Status> nth;  // By the number of the call.
    absl::Status all;
  };
  static constexpr size_t kOperations = 4;

  mutable absl::Mutex mutex_;
  std::array<Plan, kOperations> plans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_FAULTS_H_
