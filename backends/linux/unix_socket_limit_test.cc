// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A user without privileges may have only so many descriptors under way as he
// may have open; those that the receivers have not read count for him.

#include <linux/capability.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "gtest/gtest.h"

namespace ivshmem::unix_socket {
namespace {

constexpr int kLimit = 32;

// Becomes somebody who has nothing under way elsewhere, where that is possible,
// and may not do more than others.
bool DropPrivileges() {
  constexpr uid_t kNobodyElse = 54321;
  [[maybe_unused]] const int ignored = setuid(kNobodyElse);
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3,
                                     .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none = {};
  const rlimit limit = {kLimit, kLimit};
  return syscall(SYS_capset, &header, none.data()) == 0 &&
         setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

enum Outcome { kAsExpected, kFailed, kOthersInTheWay };

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  _exit(kFailed);
}

// In a process of its own.
[[noreturn]] void SendUntilTheLimit() {
  if (!DropPrivileges()) Fail("cannot drop privileges");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    Fail("no sockets");
  }
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));

  // In one call: those that the limit lets through, and why it ended.
  const std::vector<Message> messages(kMaxBatch, {1, event.get()});
  absl::StatusOr<SendResult> result = SendMessages(ends[0], messages);
  if (!result.ok()) Fail("an error with messages sent");
  if (result->condition != Condition::kTooManyInFlight) Fail("no limit");
  if (result->messages == 0) _exit(kOthersInTheWay);
  if (result->messages > kLimit + 1) Fail("more sent than the limit is");
  if (result->bytes != 0) Fail("a part sent");
  const size_t sent = result->messages;

  // In the next one: none.
  result = SendMessages(ends[0], messages);
  if (!result.ok()) Fail("an error without messages sent");
  if (result->condition != Condition::kTooManyInFlight) Fail("limit gone");
  if (result->messages != 0) Fail("sent over the limit");

  // Messages without descriptors are not limited.
  result = SendMessages(ends[0], {Message{2}});
  if (!result.ok() || result->messages != 1) Fail("limited without descriptor");

  // When the other side has read, it goes on.
  for (size_t i = 0; i < sent; ++i) {
    std::array<uint8_t, 8> buffer;
    const absl::StatusOr<Received> received =
        Receive(ends[1], absl::MakeSpan(buffer));
    if (!received.ok() || received->fds.size() != 1) Fail("not received");
  }
  result = SendMessages(ends[0], {Message{1, event.get()}});
  if (!result.ok()) Fail("an error in the end");
  _exit(result->messages == 1 ? kAsExpected : kOthersInTheWay);
}

int OutcomeInAProcess() {
  const pid_t child = fork();
  if (child == 0) SendUntilTheLimit();
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kFailed;
}

TEST(UnixSocketLimitTest, TooManyInFlight) {
  // In a sandbox it may be impossible to become somebody else, and other
  // processes of this user may have more under way than the limit is, or may
  // take some in between.
  const absl::Time end = absl::Now() + absl::Seconds(20);
  int outcome = OutcomeInAProcess();
  while (outcome != kAsExpected && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(50));
    outcome = OutcomeInAProcess();
  }
  if (outcome == kOthersInTheWay) {
    GTEST_SKIP() << "other processes have too many descriptors under way";
  }
  EXPECT_EQ(outcome, kAsExpected);
}

}  // namespace
}  // namespace ivshmem::unix_socket
