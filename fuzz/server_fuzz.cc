// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Clients that come, read some, speak, shut down half, stay silent and go, in
// any order: the server tells those who keep to the protocol everything, gives
// the lowest ids and keeps no descriptor of those who went.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "core/doorbell.h"
#include "fuzz/require.h"
#include "server/server.h"
#include "server/server_fixture.h"
#include "server/test_client.h"

namespace ivshmem::server {
namespace {

constexpr int kMostSteps = 60;
constexpr size_t kMostHostile = 6;

// Keeps who is there, and that the ids are the lowest.
class Roll : public ServerEvents {
 public:
  explicit Roll(size_t most) : most_(most) {}

  void OnJoined(PeerId peer, const Credentials& /*who*/) override {
    PeerId lowest = 0;
    while (present_.contains(lowest)) ++lowest;
    Require(peer == lowest, "the lowest id that is free");
    present_.insert(peer);
    Require(present_.size() <= most_, "no more than there may be");
  }
  void OnLeft(PeerId peer, const Credentials& /*who*/, Departure why) override {
    Require(present_.erase(peer) == 1, "who leaves was there");
    // Hoards: if other processes have too many descriptors under way.
    Require(why == Departure::kHungUp || why == Departure::kSpoke ||
                why == Departure::kBroken || why == Departure::kHoarded,
            "a reason that there was");
  }
  void OnAway(PeerId /*peer*/, const Credentials& /*who*/) override {
    Require(false, "nobody has a name");
  }
  void OnReturned(PeerId /*peer*/, const Credentials& /*who*/) override {
    Require(false, "nobody was away");
  }
  void OnRefused(const Credentials& /*who*/, Refusal why) override {
    Require(why == Refusal::kFull && present_.size() == most_,
            "who is refused had no room");
  }
  void OnTrouble(const absl::Status& /*why*/) override {
    Require(false, "no trouble");
  }

  const std::set<PeerId>& present() const { return present_; }

 private:
  const size_t most_;
  std::set<PeerId> present_;
};

// A server. It takes long to make one, so it is there for all inputs, each of
// which leaves it as it was.
struct Served {
  Served(int vectors, int most) : vectors(vectors), roll(most) {
    auto started = Server::Start(*loop, listener.get(), memory.fd(),
                                 {.vectors = vectors,
                                  .max_peers = most,
                                  .rest_ids = RestIds::kNever,
                                  .stall_timeout = absl::Hours(1)},
                                 &roll);
    Require(started.ok(), "the server starts");
    server = *std::move(started);
  }

  const int vectors;
  Roll roll;
  const ShortDirectory directory;
  const std::string path = directory.File("socket");
  const MemoryObject memory = *MemoryObject::Memfd(4096);
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  const UniqueFd listener = *unix_socket::Listen(path, 0600);
  std::unique_ptr<Server> server;
};

// One of several.
Served& Choose(FuzzedDataProvider& input) {
  // Destroyed as the process ends: their folders go.
  static std::array<std::unique_ptr<Served>, 3> all = {
      std::make_unique<Served>(1, 6), std::make_unique<Served>(3, 3),
      std::make_unique<Served>(300, 4)};
  return *all[input.ConsumeIntegralInRange<size_t>(0, all.size() - 1)];
}

class World {
 public:
  World(FuzzedDataProvider& input, Served& served)
      : input_(input), served_(served), good_(Connect()) {
    Dispatch();
  }

  ~World() {
    // Whoever is still there, the good one knows who.
    RequireKnown();
    hostile_.clear();
    RequireKnown();
    Require(good_->peers().size() == 1, "all others are gone");
    good_ = nullptr;
    while (!served_.roll.present().empty()) {
      served_.loop->Dispatch(absl::Milliseconds(1));
    }
  }

  void Step() {
    enum Action {
      kConnect,
      kRead,
      kReadAll,
      kSpeak,
      kStopReading,
      kStopWriting,
      kClose,
      kDispatch,
      kGoodReads,
      kMaxValue = kGoodReads
    };
    const auto action = input_.ConsumeEnum<Action>();
    if (action == kConnect) {
      if (hostile_.size() < kMostHostile) hostile_.push_back(Connect());
      return;
    }
    if (action == kDispatch) return Dispatch();
    if (action == kGoodReads) {
      good_->Read();
      return;
    }
    if (hostile_.empty()) return;
    const auto chosen =
        input_.ConsumeIntegralInRange<size_t>(0, hostile_.size() - 1);
    TestClient& client = *hostile_[chosen];
    switch (action) {
      case kRead:
        client.Read(input_.ConsumeIntegralInRange(1, 10));
        break;
      case kReadAll:
        client.Read();
        break;
      case kSpeak: {
        const auto bytes = input_.ConsumeBytes<uint8_t>(
            input_.ConsumeIntegralInRange<size_t>(1, 16));
        send(client.fd(), bytes.data(), bytes.size(),
             MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
      }
      case kStopReading:
        shutdown(client.fd(), SHUT_RD);
        break;
      case kStopWriting:
        shutdown(client.fd(), SHUT_WR);
        break;
      default:
        hostile_.erase(hostile_.begin() + static_cast<ptrdiff_t>(chosen));
        return;
    }
    Require(client.error().ok(), "nobody is told what the protocol forbids");
  }

 private:
  std::unique_ptr<TestClient> Connect() {
    auto socket = unix_socket::Connect(served_.path, std::nullopt);
    Require(socket.ok(), "a client connects");
    return std::make_unique<TestClient>(*std::move(socket),
                                        TestClient::Vectors::kClose);
  }

  void Dispatch() {
    for (int i = input_.ConsumeIntegralInRange(1, 4); i > 0; --i) {
      served_.loop->Dispatch(absl::ZeroDuration());
    }
  }

  bool Knows() const {
    if (good_->peers().size() != served_.roll.present().size()) return false;
    for (const auto& [peer, vectors] : good_->peers()) {
      if (!served_.roll.present().contains(peer) || vectors != served_.vectors)
        return false;
    }
    return served_.server->status().peers.size() ==
           served_.roll.present().size();
  }

  // In the end the good client knows who is there, and has all vectors.
  void RequireKnown() {
    const absl::Time end = absl::Now() + kPatience;
    // First all that the hostile ones did has to arrive.
    while (served_.loop->Dispatch(absl::ZeroDuration()) > 0) good_->Read();
    while (!Knows()) {
      Require(absl::Now() < end, "the good client is told everything");
      served_.loop->Dispatch(absl::Milliseconds(1));
      good_->Read();
      Require(good_->error().ok() && !good_->closed(), "it is served");
    }
  }

  FuzzedDataProvider& input_;
  Served& served_;
  std::unique_ptr<TestClient> good_;
  std::vector<std::unique_ptr<TestClient>> hostile_;
};

void Run(FuzzedDataProvider input) {
  Served& served = Choose(input);
  const int before = OpenDescriptors();
  {
    World world(input, served);
    for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
      world.Step();
    }
  }
  Require(OpenDescriptors() == before, "no descriptor is left");
}

}  // namespace
}  // namespace ivshmem::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::server::Run(FuzzedDataProvider(data, size));
  return 0;
}
