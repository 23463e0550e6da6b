// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_TRACE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_TRACE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/events.h"
#include "examples/two_guests/tap.h"

namespace ivshmem::two_guests {

// Whether this is a write to the doorbell: of the PCI device or the flat one.
bool IsDoorbell(const Access& access);

// Tells a guest's accesses and what came of them, a line each:
//
//   x86       write bar0+0x0c 4 = 00010000  doorbell → peer 1 vector 0:
//   delivered cortex-m  interrupt vector 0: delivered
//
// What a device does inside an access is told after it.
//
// Threading: one thread.
class Trace {
 public:
  // Null: nothing is told, at no cost.
  explicit Trace(std::function<void(absl::string_view line)> sink)
      : sink_(std::move(sink)) {}

  // The device of machine `machine` did something.
  void OnDeviceEvent(absl::string_view machine, const DeviceEvent& event);
  // A write was kept from the device on purpose.
  void OnDropped();
  // An access is over.
  void OnHandled(absl::string_view machine, const Access& access);

 private:
  const std::function<void(absl::string_view)> sink_;
  std::string outcome_;             // Of the access that is under way.
  std::vector<std::string> later_;  // Lines to be told after it.
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_TRACE_H_
