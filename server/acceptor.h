// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_ACCEPTOR_H_
#define IVSHMEM_SERVER_ACCEPTOR_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::server {

// Accepts connections, some at a time. When the process or the system is out of
// descriptors, it stops for a moment instead of asking again at once.
//
// Threading: the loop's thread.
class Acceptor {
 public:
  using Connected = absl::AnyInvocable<void(UniqueFd connection)>;
  using Trouble = absl::AnyInvocable<void(const absl::Status& trouble)>;

  // `listener` is the caller's, who closes it after this.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Create(EventLoop& loop,
                                                          int listener,
                                                          Connected connected,
                                                          Trouble trouble);

 private:
  Acceptor(int listener, Connected connected, Trouble trouble);

  void Accept();

  const int listener_;
  Connected connected_;
  Trouble trouble_;
  std::unique_ptr<EventLoop::Watch> watch_;
  std::unique_ptr<EventLoop::Timer> pause_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_ACCEPTOR_H_
