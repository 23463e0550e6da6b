// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/interop/joined_link.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"

namespace ivshmem {

bool Becomes(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Microseconds(200));
  }
  return true;
}

absl::StatusOr<std::unique_ptr<JoinedLink>> JoinedLink::Join(
    const ServerLink::Options& options) {
  absl::StatusOr<std::unique_ptr<LoopThread>> thread = LoopThread::Start();
  if (!thread.ok()) return thread.status();
  auto joined = absl::WrapUnique(new JoinedLink(*std::move(thread)));
  absl::StatusOr<std::unique_ptr<ServerLink>> link =
      ServerLink::Start(joined->thread_->loop(), options, joined.get());
  if (!link.ok()) return link.status();
  joined->link_ = *std::move(link);
  const absl::Status status = joined->link_->WaitJoined(kPatience);
  if (!status.ok()) return status;
  return joined;
}

JoinedLink::JoinedLink(std::unique_ptr<LoopThread> thread)
    : thread_(std::move(thread)) {}

JoinedLink::~JoinedLink() {
  Detach();
  link_.reset();
}

void JoinedLink::Attach(Device& device) {
  absl::StatusOr<RegistrationPtr> attachment = link_->Attach(device);
  EXPECT_TRUE(attachment.ok()) << attachment.status();
  if (attachment.ok()) attachment_ = *std::move(attachment);
}

int JoinedLink::Count(LinkEvent::Kind kind) const {
  return counts_[static_cast<size_t>(kind)];
}

bool JoinedLink::Happens(LinkEvent::Kind kind, int times) const {
  return Becomes([&] { return Count(kind) >= times; });
}

void JoinedLink::Settle() {
  // One turn may have begun before what arrived; the next handles it.
  for (int turn = 0; turn < 3; ++turn) {
    absl::Notification done;
    thread_->loop().Run([&done] { done.Notify(); });
    done.WaitForNotification();
  }
}

void JoinedLink::OnLinkEvent(const LinkEvent& event) noexcept {
  ++counts_[static_cast<size_t>(event.kind)];
}

}  // namespace ivshmem
