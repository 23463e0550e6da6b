// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_EVENT_LOG_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_EVENT_LOG_H_

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/linux/link_events.h"
#include "core/events.h"

namespace ivshmem::kvm_vmm {

// A line on standard error, "kvm_vmm: ...".
void Say(absl::string_view line);

// The library logs nothing; whoever embeds it may. This says on standard error
// what happens between the device and its server, and what the device could not
// do for the guest. A guest or peer that makes such things happen without end
// gets a few lines a second.
//
// Threading: any thread.
class EventLog : public LinkEvents, public DeviceEvents {
 public:
  // Not verbose: only what the guest cannot go on with.
  explicit EventLog(bool verbose) : verbose_(verbose) {}

  void OnLinkEvent(const LinkEvent& event) noexcept override;
  void OnEvent(const DeviceEvent& event) noexcept override;

 private:
  void Note(absl::string_view line) ABSL_LOCKS_EXCLUDED(mutex_);

  const bool verbose_;
  absl::Mutex mutex_;
  absl::Time second_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;  // Since `second_`.
};

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_EVENT_LOG_H_
