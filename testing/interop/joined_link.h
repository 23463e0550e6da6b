// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_INTEROP_JOINED_LINK_H_
#define IVSHMEM_TESTING_INTEROP_JOINED_LINK_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/link_events.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "core/device.h"
#include "core/doorbell.h"

namespace ivshmem {

// Whether `condition` holds, or does within kPatience (server_process.h).
bool Becomes(const std::function<bool()>& condition);

// A link to a server, with a loop of its own, and a device on it. Failures are
// GoogleTest's, except those of Join().
//
// Threading: the one that made it.
class JoinedLink : private LinkEvents {
 public:
  // Joins. Errors: the link's.
  static absl::StatusOr<std::unique_ptr<JoinedLink>> Join(
      const ServerLink::Options& options);
  ~JoinedLink() override;

  // `device` outlives this, or its Detach().
  void Attach(Device& device);
  void Detach() { attachment_.reset(); }

  ServerLink& link() { return *link_; }

  // How often that happened, and whether it has or does within kPatience.
  int Count(LinkEvent::Kind kind) const;
  bool Happens(LinkEvent::Kind kind, int times = 1) const;

  // Returns when what had arrived before has been handled.
  void Settle();

  // Runs `work` on the link's thread, which does nothing else meanwhile.
  void Run(absl::AnyInvocable<void()> work) {
    thread_->loop().Run(std::move(work));
  }

 private:
  explicit JoinedLink(std::unique_ptr<LoopThread> thread);

  void OnLinkEvent(const LinkEvent& event) noexcept override;

  const std::unique_ptr<LoopThread> thread_;
  std::array<std::atomic<int>, static_cast<size_t>(LinkEvent::Kind::kCount)>
      counts_ = {};
  std::unique_ptr<ServerLink> link_;
  RegistrationPtr attachment_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_INTEROP_JOINED_LINK_H_
