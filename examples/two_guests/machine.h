// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_MACHINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_MACHINE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ivshmem::two_guests {

// A guest and the machine around it, run in slices by whoever owns it.
//
// Threading: one thread. Run() calls the machine's devices, which may call back
// into this machine and others.
class Machine {
 public:
  enum class State {
    kRunning,  // Would go on at once.
    kIdle,     // Waits for an interrupt, and none is there.
  };

  virtual ~Machine() = default;

  virtual absl::string_view name() const = 0;

  // Runs the guest until it waits for an interrupt, EndSlice() is called, or it
  // has run about `blocks` basic blocks; by a machine that cannot count these,
  // for some time. An emulated machine does what depends on nothing but the
  // guest and its devices: no clock, no thread. Errors: Internal, when the
  // guest did what ends a machine, with what and where; it cannot go on then.
  virtual absl::StatusOr<State> Run(int blocks) = 0;

  // From inside Run(): it returns soon, at the end of the basic block or of the
  // access. So that another machine's turn comes early.
  virtual void EndSlice() = 0;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_MACHINE_H_
