// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/socketpair.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill.
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unique_fd.h"
#include "bench/one_message.h"

namespace ivshmem::bench {
namespace {

// The other process. Says when it is ready, and waits for the word to begin.
bool SendAll(int socket, const Shape& shape) {
  std::vector<UniqueFd> events;
  for (int i = 0; i < shape.clients * shape.vectors; ++i) {
    events.emplace_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!events.back().valid()) return false;
  }
  char go = 0;
  if (write(socket, &go, 1) != 1 || read(socket, &go, 1) != 1) return false;
  OneMessage one;
  size_t next = 0;
  for (int64_t number = 0; number < shape.messages(); ++number) {
    if (!one.Send(socket, number, events[next].get()).ok()) return false;
    if (++next == events.size()) next = 0;
  }
  return true;
}

absl::Status ReceiveAll(int socket, int64_t messages) {
  OneMessage one;
  for (int64_t number = 0; number < messages; ++number) {
    const absl::StatusOr<Arrived> arrived = one.Receive(socket, 0);
    if (!arrived.ok()) return arrived.status();
    if (arrived->number != number || !arrived->fd.valid()) {
      return absl::DataLossError(absl::StrFormat(
          "socketpair: expected message %d with a descriptor, got %d", number,
          arrived->number));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Measured> MeasureSocketpair(const Shape& shape) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  const UniqueFd here(ends[0]);
  UniqueFd there(ends[1]);
  const absl::Duration children = CpuTime(RUSAGE_CHILDREN);
  const pid_t parent = getpid();
  const pid_t sender = fork();
  if (sender < 0) return absl::ErrnoToStatus(errno, "fork");
  if (sender == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close(here.get());
    _exit(SendAll(there.get(), shape) ? 0 : 1);
  }
  there.Reset();
  absl::Cleanup reap = [sender] {
    kill(sender, SIGKILL);
    waitpid(sender, nullptr, 0);
  };
  char go = 0;
  if (read(here.get(), &go, 1) != 1) {
    return absl::InternalError("socketpair: the sender could not begin");
  }
  const absl::Duration self = CpuTime(RUSAGE_SELF);
  const Stopwatch stopwatch;
  if (write(here.get(), &go, 1) != 1) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  const absl::Status received = ReceiveAll(here.get(), shape.messages());
  if (!received.ok()) return received;
  Measured measured = {.messages = shape.messages(),
                       .time = stopwatch.Elapsed(),
                       .reader_cpu = CpuTime(RUSAGE_SELF) - self};
  std::move(reap).Invoke();
  measured.sender_cpu = CpuTime(RUSAGE_CHILDREN) - children;
  return measured;
}

}  // namespace ivshmem::bench
