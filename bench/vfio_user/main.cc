// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What a doorbell costs that comes through a vfio-user socket: a request's way
// to the server and its reply's way back, beside 36 bytes that another thread
// answers with 32, doing nothing for them. Ends with status 1 when the target
// is missed.

#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/protocol/connection.h"
#include "backends/vfio_user/protocol/wire.h"
#include "bench/kvm/ratio.h"
#include "bench/measured.h"
#include "core/registers.h"

namespace ivshmem::bench {
namespace {

using vfio_user::Append;
using vfio_user::Command;
using vfio_user::Header;
using vfio_user::RegionAccess;
using vfio_user::Version;

constexpr double kTarget = 1.2;
constexpr int kRounds = 200;
constexpr int kRings = 500;  // In a round, for each contender.
constexpr uint64_t kMemory = 1 << 20;
constexpr PeerId kPeer = 9;

constexpr size_t kRequest = sizeof(Header) + sizeof(RegionAccess) + 4;
constexpr size_t kReply = sizeof(Header) + sizeof(RegionAccess);

// Clients on one processor, servers on another, where there are two.
void RunOn(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(0, sizeof(cpus), &cpus);
}

[[noreturn]] void Fail(const std::string& why) {
  std::cerr << "bench/vfio_user: " << why << '\n';
  std::exit(2);
}

std::pair<UniqueFd, UniqueFd> Sockets() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    Fail("no socketpair");
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<uint8_t> Message(Command command,
                             const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> bytes;
  Append(Header{.command = static_cast<uint16_t>(command),
                .size = static_cast<uint32_t>(sizeof(Header) + payload.size())},
         bytes);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

std::vector<uint8_t> Doorbell() {
  std::vector<uint8_t> payload;
  Append(RegionAccess{.offset = kDoorbellOffset, .region = 0, .count = 4},
         payload);
  Append(uint32_t{kPeer} << 16, payload);
  return Message(Command::kRegionWrite, payload);
}

void Ask(int socket, const std::vector<uint8_t>& request, size_t reply) {
  std::array<uint8_t, 256> bytes;
  if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size()) ||
      recv(socket, bytes.data(), reply, MSG_WAITALL) !=
          static_cast<ssize_t>(reply)) {
    Fail("no answer");
  }
}

// Another thread, which answers and does nothing else.
class Bare {
 public:
  enum class Waits : uint8_t {
    kInRecv,   // For this client alone.
    kInEpoll,  // As who serves others too.
  };

  Bare(int cpu, Waits waits) {
    auto [ours, theirs] = Sockets();
    socket_ = std::move(ours);
    thread_ = std::thread([cpu, waits, theirs = std::move(theirs)] {
      RunOn(cpu);
      const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
      epoll_event event = {.events = EPOLLIN, .data = {}};
      if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, theirs.get(), &event) != 0) {
        Fail("no epoll");
      }
      const auto wait = [&] {
        return waits == Waits::kInRecv ||
               epoll_wait(epoll.get(), &event, 1, -1) == 1;
      };
      std::array<uint8_t, kRequest> bytes;
      while (wait() && recv(theirs.get(), bytes.data(), kRequest,
                            MSG_WAITALL) == static_cast<ssize_t>(kRequest)) {
        if (send(theirs.get(), bytes.data(), kReply, MSG_NOSIGNAL) < 0) return;
      }
    });
  }
  ~Bare() {
    socket_.Reset();
    thread_.join();
  }

  int socket() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::thread thread_;
};

// The device, whose peer has an eventfd that nobody waits for.
class Served {
 public:
  explicit Served(int cpu) {
    auto model = vfio_user::IvshmemModel::Create(
        {.device = {.interrupts = InterruptMode::kMsix, .vectors = 1, .id = 0}},
        {.view = mapped_.view(), .fd = memory_.fd(), .sealed = true});
    if (!model.ok()) Fail(std::string(model.status().message()));
    model_ = *std::move(model);
    if (!model_->device().peers().Connect(kPeer, 0, event_).ok()) {
      Fail("no peer");
    }
    auto sockets = Sockets();
    socket_ = std::move(sockets.first);
    OnLoop([this, cpu, &theirs = sockets.second] {
      RunOn(cpu);
      auto connection = vfio_user::Connection::Start(
          thread_->loop(), std::move(theirs), *model_, absl::Seconds(5),
          [](const absl::Status&) {});
      if (!connection.ok()) Fail("no connection");
      connection_ = *std::move(connection);
    });
    std::vector<uint8_t> version;
    Append(Version{}, version);
    Ask(socket_.get(), Message(Command::kVersion, version),
        sizeof(Header) + sizeof(Version) + sizeof(kAnswer));
  }
  ~Served() {
    OnLoop([this] { connection_.reset(); });
  }

  int socket() const { return socket_.get(); }
  // Whether it was rung since the last call.
  bool Rung() { return event_->Drain(); }

 private:
  static constexpr char kAnswer[] =
      R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576}})";

  template <typename Work>
  void OnLoop(Work work) {
    absl::Notification done;
    thread_->loop().Run([&] {
      work();
      done.Notify();
    });
    done.WaitForNotification();
  }

  const MemoryObject memory_ = *MemoryObject::Memfd(kMemory);
  const MappedMemory mapped_ = *memory_.Map();
  const std::shared_ptr<EventFd> event_ = *EventFd::Create();
  std::unique_ptr<vfio_user::IvshmemModel> model_;
  const std::unique_ptr<LoopThread> thread_ = *LoopThread::Start("vfio-user");
  std::unique_ptr<vfio_user::Connection> connection_;
  UniqueFd socket_;
};

// Nanoseconds for each.
double Measure(int socket, int rings) {
  static const auto& request = *new std::vector<uint8_t>(Doorbell());
  const Stopwatch watch;
  for (int i = 0; i < rings; ++i) Ask(socket, request, kReply);
  return absl::ToDoubleNanoseconds(watch.Elapsed()) / rings;
}

int Main(int argc, char** argv) {
  int rounds = kRounds;
  if (argc > 1) {
    absl::string_view argument = argv[1];
    if (!absl::ConsumePrefix(&argument, "--rounds=") ||
        !absl::SimpleAtoi(argument, &rounds) || rounds < 1) {
      std::cout << "usage: vfio_user [--rounds=N]\n\n"
                   "A doorbell through a vfio-user socket, beside a bare "
                   "socket's round trip.\n";
      return absl::string_view(argv[1]) == "--help" ? 0 : 2;
    }
  }
  const bool two = std::thread::hardware_concurrency() > 1;
  RunOn(0);
  const Bare bare(two ? 1 : 0, Bare::Waits::kInRecv);
  const Bare bare_again(two ? 1 : 0, Bare::Waits::kInRecv);
  const Bare in_epoll(two ? 1 : 0, Bare::Waits::kInEpoll);
  Served served(two ? 1 : 0);
  Ratio ratio;
  Ratio of_epoll;
  for (int i = 0; i < rounds; ++i) {
    // In turns, as the machine drifts.
    Round round;
    round.bare = Measure(bare.socket(), kRings);
    round.device = Measure(served.socket(), kRings);
    if (!served.Rung()) Fail("nobody was rung");
    round.bare_again = Measure(bare_again.socket(), kRings);
    ratio.Add(round);
    round.device = Measure(in_epoll.socket(), kRings);
    of_epoll.Add(round);
  }
  std::cout << absl::StrFormat(
      "a bare epoll_wait() before each answer, and no device: ratio %.3f\n",
      of_epoll.ratio());
  std::cout << ratio.Summary("doorbell", kTarget) << '\n';
  // A few rounds say nothing.
  return rounds < kRounds || ratio.Meets(kTarget) ? 0 : 1;
}

}  // namespace
}  // namespace ivshmem::bench

int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
