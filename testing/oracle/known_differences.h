// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_ORACLE_KNOWN_DIFFERENCES_H_
#define IVSHMEM_TESTING_ORACLE_KNOWN_DIFFERENCES_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "proto/script.pb.h"
#include "script/subject.h"
#include "testing/oracle/qemu_subject.h"

namespace ivshmem::qemu {

// A step that was done on QEMU and here.
struct Case {
  const script::Step& step;
  const QemuSubject::State& before;  // Of QEMU's device, before the step.
  const script::Outcome& qemu;
  const script::Outcome& ours;
  int vectors = 0;  // Of the device.
  uint32_t id = 0;  // Its own.
};

// Where this project's device with dialect QEMU is another than QEMU's, on
// purpose or for want of a way to look.
struct KnownDifference {
  absl::string_view name;
  absl::string_view reason;
  // Whether it is what makes the outcomes of the case differ, and all of it.
  // One that lasts: whether it may happen, be it seen at once or not.
  bool (*explains)(const Case&);
  // Whether the two may be in different states from then on.
  bool lasts = false;
  // Steps in text form, after the set-up of a driver with peers on a device of
  // two vectors. The outcomes of the last differ, those of the others do not.
  absl::string_view example;
};

absl::Span<const KnownDifference> KnownDifferences();

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_ORACLE_KNOWN_DIFFERENCES_H_
