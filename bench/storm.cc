// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/storm.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGTERM.
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "bench/joining_client.h"
#include "bench/one_message.h"
#include "testing/process.h"

namespace ivshmem::bench {
namespace {

// In the runfiles.
constexpr char kServer[] = "tools/ivshmem/ivshmem";

// How long something may take that must happen.
constexpr absl::Duration kPatience = absl::Seconds(60);

// Returns when clients can join: the server writes its pid file then.
absl::StatusOr<std::unique_ptr<Process>> StartServer(const std::string& folder,
                                                     const Shape& shape) {
  const std::string pid_file = absl::StrCat(folder, "/pid");
  auto server = Process::Start(
      {.program = kServer,
       .arguments = {"server", "--foreground", "--socket",
                     absl::StrCat(folder, "/socket"), "--pid-file", pid_file,
                     "--vectors", absl::StrCat(shape.vectors), "--max-peers",
                     absl::StrCat(shape.clients)}});
  if (!server.ok()) return server;
  const absl::Time deadline = absl::Now() + kPatience;
  while (!std::filesystem::exists(pid_file)) {
    if ((*server)->Wait(absl::Milliseconds(2)).ok() || absl::Now() > deadline) {
      return absl::UnavailableError(absl::StrCat(
          "the server does not serve; it said: ", (*server)->Output()));
    }
  }
  return server;
}

absl::Status StopServer(Process& server) {
  server.Signal(SIGTERM);
  const absl::StatusOr<std::string> end = server.Wait(kPatience);
  if (!end.ok()) return end.status();
  if (*end == "exit status 0") return absl::OkStatus();
  return absl::InternalError(
      absl::StrFormat("the server ended with %s: %s", *end, server.Output()));
}

class Storm {
 public:
  explicit Storm(const Shape& shape)
      : shape_(shape), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    clients_.reserve(shape.clients);
  }

  absl::Status Join(const std::string& path);
  // Returns when all clients are complete.
  absl::Status Drain();
  // That nothing more has come.
  absl::Status CheckSilence();

 private:
  const Shape shape_;
  const UniqueFd epoll_;
  std::vector<JoiningClient> clients_;
  OneMessage one_;
};

absl::Status Storm::Join(const std::string& path) {
  for (int i = 0; i < shape_.clients; ++i) {
    absl::StatusOr<UniqueFd> socket = unix_socket::Connect(path, std::nullopt);
    while (absl::IsResourceExhausted(socket.status())) {
      socket = unix_socket::Connect(path, std::nullopt);
    }
    if (!socket.ok()) return socket.status();
    clients_.emplace_back(*std::move(socket), shape_);
    epoll_event event = {.events = EPOLLIN,
                         .data = {.u32 = static_cast<uint32_t>(i)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, clients_.back().socket(),
                  &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll_ctl");
    }
  }
  return absl::OkStatus();
}

absl::Status Storm::Drain() {
  int complete = 0;
  std::array<epoll_event, 64> events;
  while (complete < shape_.clients) {
    const int ready =
        epoll_wait(epoll_.get(), events.data(), events.size(),
                   static_cast<int>(absl::ToInt64Milliseconds(kPatience)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return absl::ErrnoToStatus(errno, "epoll_wait");
    if (ready == 0) {
      return absl::DeadlineExceededError(absl::StrFormat(
          "nothing has come for %s, and %d of %d clients are not complete",
          absl::FormatDuration(kPatience), shape_.clients - complete,
          shape_.clients));
    }
    for (int i = 0; i < ready; ++i) {
      JoiningClient& client = clients_[events[i].data.u32];
      const bool was_complete = client.complete();
      absl::Status read = client.Read(one_);
      if (!read.ok()) return read;
      complete += client.complete() && !was_complete ? 1 : 0;
    }
  }
  return absl::OkStatus();
}

absl::Status Storm::CheckSilence() {
  for (JoiningClient& client : clients_) {
    absl::Status read = client.Read(one_);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Measured> MeasureStorm(const Shape& shape) {
  std::string folder = "/tmp/ivshmem.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, "a folder in /tmp");
  }
  const absl::Cleanup remove = [&folder] {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
  };
  const absl::Duration children = CpuTime(RUSAGE_CHILDREN);
  auto server = StartServer(folder, shape);
  if (!server.ok()) return server.status();

  Storm storm(shape);
  const absl::Duration self = CpuTime(RUSAGE_SELF);
  const Stopwatch stopwatch;
  absl::Status status = storm.Join(absl::StrCat(folder, "/socket"));
  if (status.ok()) status = storm.Drain();
  Measured measured = {.messages = shape.messages(),
                       .time = stopwatch.Elapsed(),
                       .reader_cpu = CpuTime(RUSAGE_SELF) - self};
  if (status.ok()) status = storm.CheckSilence();
  if (status.ok()) status = StopServer(**server);
  if (!status.ok()) return status;
  measured.sender_cpu = CpuTime(RUSAGE_CHILDREN) - children;
  return measured;
}

}  // namespace ivshmem::bench
