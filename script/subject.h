// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_SUBJECT_H_
#define IVSHMEM_SCRIPT_SUBJECT_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// What a step came to.
struct Outcome {
  // Of a read or a load.
  std::optional<uint64_t> gives;
  // All that it led to. Where effects take time, as between processes, the
  // subject has waited for them. Devices are named by their names, the step's
  // own as well.
  Effects effects;
};

// A world that Scripts are played on: the library's devices, another program's,
// a model of them. It is as Script::world describes it, and new.
//
// Threading: one thread.
class Subject {
 public:
  virtual ~Subject() = default;

  // Errors: InvalidArgument for what the world has no room for, Unimplemented
  // for what this kind of subject does not have; both leave it as it was. Any
  // other is a failure of the subject's: it is of no use then.
  virtual absl::StatusOr<Outcome> Do(const Step& step) = 0;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_SUBJECT_H_
