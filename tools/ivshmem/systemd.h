// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SYSTEMD_H_
#define IVSHMEM_TOOLS_IVSHMEM_SYSTEMD_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::tool {

// What systemd hands in when it starts the process; all invalid when it does
// not. By the names of systemd.socket(5), FileDescriptorName=.
struct HandedIn {
  UniqueFd socket;         // Any other name.
  UniqueFd status_socket;  // "status".
  UniqueFd memory;         // "ivshmem-memory": what StoreMemory() stored.
};

// Takes what was handed in, once. Errors: InvalidArgument for more than one of
// a kind.
absl::StatusOr<HandedIn> TakeHandedIn();

// The systemd that started the process, if it did. Does nothing
// otherwise.
//
// Threading: one thread.
class Systemd {
 public:
  // Whether somebody listens to what is said here.
  static bool Present();

  // Gives the memory to systemd, which hands it in when it starts the service
  // again (FileDescriptorStoreMax= allows it).
  static absl::Status StoreMemory(int memory);

  // Says that the service is ready, and that it lives as long as `loop` runs
  // (WatchdogSec=), which outlives this.
  absl::Status Ready(EventLoop& loop);

  // How many peers there are, for 'systemctl status', which hears of it once in
  // a second.
  void SetPeers(int peers);

  // Says that the service ends.
  void Stopping();

 private:
  std::unique_ptr<EventLoop::Timer> watchdog_;
  std::unique_ptr<EventLoop::Timer> status_;
  bool status_set_ = false;
  int peers_ = 0;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SYSTEMD_H_
