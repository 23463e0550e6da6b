// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_DIRTY_LOG_H_
#define IVSHMEM_BACKENDS_DIRTY_LOG_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Says which parts of mapped memory a guest has written, which the hypervisor
// alone sees: for who carries the memory's content to another machine. What
// else writes the memory (its peers, this process) it does not see.
//
// Threading: any thread, one call at a time for each memory.
class DirtyLog {
 public:
  virtual ~DirtyLog() = default;

  // From now on notes what guests write to `memory`, wherever it is mapped, now
  // or later. Errors: what the hypervisor says; nothing is noted then.
  virtual absl::Status Start(const SharedMemory& memory) = 0;

  // Notes no more. Nothing if it was not started.
  virtual void Stop(const SharedMemory& memory) noexcept = 0;

  // Calls `written` with offset and size, in bytes, of each part that was
  // written since the last Take(), or Start(): whole pages as a rule, as the
  // hypervisor notes them, and never less than what was written. Errors:
  // FailedPrecondition if it was not started; what the hypervisor says, and
  // then nothing is forgotten.
  virtual absl::Status Take(
      const SharedMemory& memory,
      absl::FunctionRef<void(uint64_t offset, uint64_t size)> written) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_DIRTY_LOG_H_
