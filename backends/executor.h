// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_EXECUTOR_H_
#define IVSHMEM_BACKENDS_EXECUTOR_H_

#include "absl/functional/any_invocable.h"

namespace ivshmem {

// Takes work off the path that a guest waits for (binding thousands of
// doorbells, say). Where an embedder gives none, the library does the work at
// once, on the thread that has it.
//
// Threading: Run() is called from any thread, by several at once, never under a
// lock of the library's. It must not block.
class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `work` later, on a thread of the embedder's choosing and never inside
  // this call. Work is run in the order in which it was given, one piece at a
  // time. An executor that ends may drop what it has not run: work that must
  // be done for its effect outside is not given here.
  virtual void Run(absl::AnyInvocable<void()> work) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_EXECUTOR_H_
