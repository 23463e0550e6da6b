// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How long a guest stands still while its device goes to another process, with
// one peer that rings all the time and more that are only there; beside what it
// takes to bring as many descriptors across a socket.

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "bench/measured.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/our_guest.h"
#include "testing/interop/server_process.h"
#include "testing/moving/guest_memory.h"
#include "testing/moving/moving_process.h"
#include "testing/moving/ringers.h"

namespace ivshmem::bench {
namespace {

using moving::GuestMemory;
using moving::kVectors;

constexpr size_t kBatch = 253;
constexpr PeerId kMoving = 0;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Clients that are there and do nothing: what they are told is read and thrown
// away.
class Idlers {
 public:
  Idlers(const std::string& path, int count) {
    for (int i = 0; i < count; ++i) {
      auto socket = unix_socket::Connect(path, std::nullopt);
      if (socket.ok()) sockets_.push_back(*std::move(socket));
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~Idlers() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    std::vector<pollfd> polled;
    for (const UniqueFd& socket : sockets_) {
      polled.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
    }
    while (!stop_) {
      poll(polled.data(), polled.size(), 10);
      for (const pollfd& ready : polled) {
        if ((ready.revents & POLLIN) == 0) continue;
        std::array<uint8_t, 8> bytes;
        (void)unix_socket::Receive(ready.fd, absl::MakeSpan(bytes));
      }
    }
  }

  std::vector<UniqueFd> sockets_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Sends `count` descriptors in full messages; or receives them and answers.
void Bare(int socket, int event, size_t count) {
  std::array<int, kBatch> fds;
  fds.fill(event);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(fds))> control;
  uint8_t byte = 0;
  iovec part = {.iov_base = &byte, .iov_len = 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  for (size_t at = 0; at < count; at += kBatch) {
    const size_t size = std::min(kBatch, count - at) * sizeof(int);
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(rights), fds.data(), size);
    if (sendmsg(socket, &message, 0) != 1) std::abort();
  }
  if (recv(socket, &byte, 1, 0) != 1) std::abort();
}

void TakeBare(int socket, size_t count) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kBatch * sizeof(int))> control;
  uint8_t byte = 0;
  std::vector<UniqueFd> fds;
  while (fds.size() < count) {
    iovec part = {.iov_base = &byte, .iov_len = 1};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) std::abort();
    const cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    if (rights == nullptr) std::abort();
    const size_t got = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < got; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof(fd), sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  if (send(socket, &byte, 1, 0) != 1) std::abort();
}

// In milliseconds.
double MeasureBare(size_t descriptors) {
  std::array<int, 2> pair;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) std::abort();
  const UniqueFd from(pair[0]);
  const UniqueFd to(pair[1]);
  const UniqueFd event(eventfd(0, 0));
  std::thread taker([&] { TakeBare(to.get(), descriptors); });
  const Stopwatch watch;
  Bare(from.get(), event.get(), descriptors);
  const double time = absl::ToDoubleMilliseconds(watch.Elapsed());
  taker.join();
  return time;
}

// Prints a line of the table. Returns whether nothing was lost.
bool Measure(int idlers, int rounds, bool calm) {
  ServerProcess server({"--vectors", absl::StrFormat("%d", kVectors), "--size",
                        "1M", "--max-peers",
                        absl::StrFormat("%d", idlers + 8)});
  server.Start();
  moving::MovingProcess device(server, {"--out", "OUT"});
  const auto other =
      OurGuest::Join({.socket_path = server.socket_path()}, kVectors);
  if (other == nullptr || !other->Knows(kMoving, kVectors - 1)) return false;
  const Idlers others(server.socket_path(), idlers);
  const auto last = static_cast<PeerId>(idlers + 1);
  if (idlers > 0 && !other->Knows(last, kVectors - 1)) return false;
  GuestMemory& memory = moving::GuestMemoryIn(other->guest().shared());
  const auto ring = [&](Vector vector) {
    other->guest().device().Write(kDoorbellOffset, 4,
                                  Doorbell{kMoving, vector}.Encode());
  };
  moving::PacedRinger paced(memory, ring);
  std::optional<moving::FastRinger> fast;
  if (!calm) fast.emplace(memory, ring);
  // Of each peer, the device and the one that rings among them, and the memory
  // and the connection.
  const size_t descriptors = size_t{kVectors} * (idlers + 2) + 2;
  std::vector<double> pauses;
  std::vector<double> bare;
  for (int round = 0; round < rounds; ++round) {
    if (!paced.Goes(100)) return false;
    device.Update();
    pauses.push_back(static_cast<double>(memory.resumed - memory.paused) / 1e6);
    bare.push_back(MeasureBare(descriptors));
  }
  paced.Finish();
  if (fast.has_value()) fast->Finish();
  std::printf(
      "live_update %d peers, %d descriptors: pause %.2f ms (median of %d; most "
      "%.2f), bare %.2f ms, ratio %.1f; rung %d, each answered once, and %.1fM "
      "unpaced\n",
      idlers + 1, static_cast<int>(descriptors), Median(pauses), rounds,
      *std::max_element(pauses.begin(), pauses.end()), Median(bare),
      Median(pauses) / Median(bare), static_cast<int>(paced.rung()),
      fast.has_value() ? static_cast<double>(fast->rung()) / 1e6 : 0.0);
  return true;
}

int Main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  CLI::App app(
      "Measures how long a guest stands still while its device goes to another "
      "process.",
      "live_update");
  int rounds = 21;
  std::vector<int> peers = {0, 30, 254};
  app.add_option("--rounds", rounds, "Times that each is measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--idle", peers, "Peers besides the one that rings")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  bool calm = false;
  app.add_flag("--calm", calm,
               "The peer only rings and waits for the answer, in turn: no "
               "processor is taken all the time");
  CLI11_PARSE(app, argc, argv);
  RaiseDescriptorLimit();
  for (const int idlers : peers) {
    if (!Measure(idlers, rounds, calm)) {
      std::cout << "live_update " << idlers + 1 << " peers: FAILED\n";
      return 1;
    }
  }
  // What the tests' parts found.
  return testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed() ? 1
                                                                         : 0;
}

}  // namespace
}  // namespace ivshmem::bench

int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
