// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device whose rings and interrupts are limited (core/limits.h).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/virtual_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Counts, so that a test can say that the access path allocates nothing.
void* operator new(size_t size) {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ivshmem {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kSecond = 1'000'000'000;
constexpr PeerId kOwn = 3;

class Bell : public Notifier {
 public:
  Outcome Signal() noexcept override {
    ++signals;
    return Outcome::kSignalled;
  }

  std::atomic<int> signals{0};
};

class Sink : public InterruptSink, public LevelListener {
 public:
  Sink() { vectors.reserve(1000); }
  InterruptResult Deliver(Vector vector) noexcept override {
    if (vectors.size() < vectors.capacity()) vectors.push_back(vector);
    if (on_deliver) on_deliver();
    return result;
  }
  void LevelMayHaveChanged() noexcept override {}

  std::vector<int> vectors;
  InterruptResult result = InterruptResult::kDelivered;
  std::function<void()> on_deliver;
};

class DeviceLimitsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> Make(const Limits& limits, int vectors = 4,
                               InterruptMode mode = InterruptMode::kMsix) {
    Device::Config config = {.dialect = kRevision1,
                             .interrupts = mode,
                             .vectors = vectors,
                             .id = kOwn,
                             .limits = limits};
    if (mode == InterruptMode::kIntx) config.dialect = kRevision0;
    auto device = Device::Create(config, With());
    EXPECT_TRUE(device.ok()) << device.status();
    return *std::move(device);
  }

  Device::Dependencies With() {
    return {.interrupts = &sink_,
            .level = &sink_,
            .clock = &clock_,
            .alarm = &clock_};
  }

  std::shared_ptr<Bell> Connect(Device& device, Doorbell doorbell) {
    auto bell = std::make_shared<Bell>();
    EXPECT_TRUE(
        device.peers().Connect(doorbell.peer, doorbell.vector, bell).ok());
    return bell;
  }

  static void Ring(Device& device, Doorbell doorbell) {
    device.Write(kDoorbellOffset, 4, doorbell.Encode());
  }

  // Lets time pass, and the alarm go off when it is due.
  void Pass(Device& device, int64_t nanoseconds) {
    const int64_t end = clock_.Now() + nanoseconds;
    while (clock_.set() && clock_.Now() + clock_.until() <= end) {
      clock_.Advance(clock_.until());
      ASSERT_TRUE(clock_.TakeDue());
      device.DeliverDeferred();
    }
    clock_.Advance(end - clock_.Now());
  }

  Sink sink_;
  VirtualClock clock_;
};

// Off unless asked for: a thousand rings and interrupts at one moment.
TEST_F(DeviceLimitsTest, OffByDefault) {
  const auto device = Make({});
  const auto bell = Connect(*device, {1, 0});
  for (int i = 0; i < 1000; ++i) {
    Ring(*device, {1, 0});
    device->OnPeerInterrupt(0);
  }
  EXPECT_EQ(bell->signals, 1000);
  EXPECT_EQ(sink_.vectors.size(), 1000u);
  EXPECT_FALSE(clock_.set());
  EXPECT_TRUE(device->MayRing({0xffff, 0xffff}));
}

// Rings above the rate are lost and counted, and the rate comes back.
TEST_F(DeviceLimitsTest, RingsAboveTheRateAreLost) {
  const auto device = Make({.rings = {.per_second = 10, .burst = 2}});
  const auto bell = Connect(*device, {1, 0});
  for (int i = 0; i < 5; ++i) Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 2);
  EXPECT_EQ(device->count(RingResult::kDelivered), 2u);
  EXPECT_EQ(device->count(RingResult::kOverRate), 3u);
  clock_.Advance(kSecond / 10);
  Ring(*device, {1, 0});
  Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 3);
  EXPECT_EQ(device->count(RingResult::kOverRate), 4u);
}

// A rate that names no burst is one at a time.
TEST_F(DeviceLimitsTest, OneAtATime) {
  const auto device = Make({.rings = {.per_second = 10}});
  const auto bell = Connect(*device, {1, 0});
  Ring(*device, {1, 0});
  Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 1);
}

// Each of the two rates is its own: none takes from the other.
TEST_F(DeviceLimitsTest, TwoRates) {
  const auto device = Make({.rings = {.per_second = 10, .burst = 3},
                            .interrupts = {.per_second = 20, .burst = 1}});
  const auto bell = Connect(*device, {1, 0});
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kDeferred);
  for (int i = 0; i < 4; ++i) Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 3);
  Pass(*device, kSecond / 20);
  EXPECT_EQ(sink_.vectors.size(), 2u);
  Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 3);
  Pass(*device, kSecond / 20);
  Ring(*device, {1, 0});
  EXPECT_EQ(bell->signals, 4);
  EXPECT_EQ(device->count(RingResult::kOverRate), 2u);
}

// A ring that reaches nobody counts, so that its cost is bounded, too; one that
// may not be or of a device that does not ring takes nothing away.
TEST_F(DeviceLimitsTest, WhichRingsCount) {
  const auto device = Make(
      {.rings = {.per_second = 10, .burst = 2}, .may_ring = {{{.peer = 1}}}});
  Ring(*device, {2, 0});
  device->SetId(std::nullopt);
  Ring(*device, {1, 0});
  device->SetId(kOwn);
  for (int i = 0; i < 3; ++i) Ring(*device, {1, 0});
  EXPECT_EQ(device->count(RingResult::kNotAllowed), 1u);
  EXPECT_EQ(device->count(RingResult::kNotConfigured), 1u);
  EXPECT_EQ(device->count(RingResult::kNoSuchPeer), 2u);
  EXPECT_EQ(device->count(RingResult::kOverRate), 1u);
}

// The guest rings whom the list names, and nobody else, itself included.
TEST_F(DeviceLimitsTest, AllowList) {
  const auto device = Make({.may_ring = {{{.peer = 1, .vector = 1}}}});
  const auto other = Connect(*device, {1, 0});
  const auto allowed = Connect(*device, {1, 1});
  const auto own = Connect(*device, {kOwn, 1});
  for (const Doorbell doorbell :
       {Doorbell{1, 0}, Doorbell{1, 1}, Doorbell{kOwn, 1}}) {
    Ring(*device, doorbell);
  }
  EXPECT_EQ(other->signals, 0);
  EXPECT_EQ(allowed->signals, 1);
  EXPECT_EQ(own->signals, 0);
  EXPECT_EQ(device->count(RingResult::kNotAllowed), 2u);
  EXPECT_FALSE(device->MayRing({1, 0}));
  EXPECT_TRUE(device->MayRing({1, 1}));
}

// An interrupt above the rate is counted, comes when there is room for it, and
// has its result then.
TEST_F(DeviceLimitsTest, InterruptsAboveTheRateComeLater) {
  const auto device = Make({.interrupts = {.per_second = 10, .burst = 1}});
  EXPECT_EQ(device->OnPeerInterrupt(2), InterruptResult::kDelivered);
  EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDeferred);
  EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDeferred);
  Pass(*device, kSecond / 10 - 1);
  EXPECT_THAT(sink_.vectors, ElementsAre(2));
  sink_.result = InterruptResult::kHeld;
  Pass(*device, 1);
  EXPECT_THAT(sink_.vectors, ElementsAre(2, 1));
  EXPECT_EQ(device->count(InterruptResult::kDelivered), 1u);
  EXPECT_EQ(device->count(InterruptResult::kDeferred), 2u);
  EXPECT_EQ(device->count(InterruptResult::kHeld), 1u);
  Pass(*device, kSecond);
  EXPECT_EQ(sink_.vectors.size(), 2u);
  EXPECT_FALSE(clock_.set());
}

// A vector that the device lacks is lost as ever, and takes no token.
TEST_F(DeviceLimitsTest, NoSuchVector) {
  const auto device = Make({.interrupts = {.per_second = 10, .burst = 1}}, 2);
  EXPECT_EQ(device->OnPeerInterrupt(2), InterruptResult::kNoSuchVector);
  EXPECT_EQ(device->OnPeerInterrupt(0xffff), InterruptResult::kNoSuchVector);
  EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDelivered);
  EXPECT_EQ(device->OnPeerInterrupt(2), InterruptResult::kNoSuchVector);
}

// With INTx a peer's vector is ignored, and Status changes when the interrupt
// comes, not before.
TEST_F(DeviceLimitsTest, IntxComesLater) {
  const auto device = Make({.interrupts = {.per_second = 10, .burst = 1}}, 1,
                           InterruptMode::kIntx);
  device->Write(kMaskOffset, 4, 1);
  EXPECT_EQ(device->OnPeerInterrupt(9), InterruptResult::kDelivered);
  EXPECT_EQ(device->Read(kStatusOffset, 4), 1u);
  EXPECT_EQ(device->OnPeerInterrupt(500), InterruptResult::kDeferred);
  EXPECT_FALSE(device->interrupt_level());
  Pass(*device, kSecond / 10);
  EXPECT_TRUE(device->interrupt_level());
  EXPECT_EQ(device->Read(kStatusOffset, 4), 1u);
}

// A device without interrupts has nothing to limit.
TEST_F(DeviceLimitsTest, NoInterrupts) {
  const auto device = Make({.interrupts = {.per_second = 10, .burst = 1}}, 0,
                           InterruptMode::kNone);
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kNotConfigured);
  device->DeliverDeferred();
  device->Save();
  EXPECT_FALSE(clock_.set());
}

// A device that is destroyed by an interrupt that came later is left alone.
TEST_F(DeviceLimitsTest, DestroyedByADeferredInterrupt) {
  auto device = Make({.interrupts = {.per_second = 10, .burst = 1}});
  device->OnPeerInterrupt(0);
  device->OnPeerInterrupt(1);
  device->OnPeerInterrupt(2);
  sink_.on_deliver = [&device] { device.reset(); };
  Pass(*device, kSecond / 10);
  EXPECT_EQ(device, nullptr);
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 1));
}

// However long peers ring from inside the sink, one alarm delivers a vector
// each at most, and comes back for the rest.
TEST_F(DeviceLimitsTest, OneAlarmIsBounded) {
  const auto device =
      Make({.interrupts = {.per_second = 1'000'000, .burst = 1000}}, 2);
  for (int i = 0; i < 1000; ++i) device->OnPeerInterrupt(0);
  device->OnPeerInterrupt(1);
  sink_.vectors.clear();
  sink_.on_deliver = [&] { device->OnPeerInterrupt(0); };
  clock_.Advance(kSecond);
  ASSERT_TRUE(clock_.TakeDue());
  device->DeliverDeferred();
  EXPECT_THAT(sink_.vectors, ElementsAre(1, 0));
  EXPECT_TRUE(clock_.set());
  EXPECT_EQ(clock_.until(), 0);
}

// A limit on interrupts needs somebody who wakes the device, and all limits are
// checked.
TEST_F(DeviceLimitsTest, Errors) {
  const Device::Config config = {.interrupts = InterruptMode::kMsix,
                                 .vectors = 1,
                                 .limits = {.interrupts = {.per_second = 1}}};
  Device::Dependencies with = With();
  with.alarm = nullptr;
  EXPECT_THAT(std::string(Device::Create(config, with).status().message()),
              ::testing::StartsWith("limits.interrupts: expected no limit"));
  EXPECT_EQ(
      Device::Create({.limits = {.rings = {.per_second = 1, .burst = 0}}}, {})
          .status()
          .message(),
      "limits.rings.burst: expected 1..1000000, got 0");
}

// Without a clock of the embedder's it is the machine's: a burst is spent, and
// later there is more.
TEST_F(DeviceLimitsTest, TheMachinesClock) {
  auto device = Device::Create(
      {.interrupts = InterruptMode::kMsix,
       .vectors = 1,
       .id = kOwn,
       .limits = {.rings = {.per_second = RateLimit::kMost, .burst = 1}}},
      {.interrupts = &sink_});
  ASSERT_TRUE(device.ok());
  const auto bell = Connect(**device, {1, 0});
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (bell->signals < 3 && std::chrono::steady_clock::now() < deadline) {
    Ring(**device, {1, 0});
  }
  EXPECT_EQ(bell->signals, 3);
}

// The access path allocates nothing, limits included.
TEST_F(DeviceLimitsTest, NothingIsAllocated) {
  const auto device =
      Make({.rings = {.per_second = 10, .burst = 2},
            .interrupts = {.per_second = 10, .burst = 1},
            .may_ring = {{{.peer = 1}, {.peer = 2, .vector = 0}}}});
  const auto bell = Connect(*device, {1, 0});
  const uint64_t before = allocations;
  for (int i = 0; i < 5; ++i) {
    Ring(*device, {1, 0});
    Ring(*device, {2, 1});
    device->OnPeerInterrupt(1);
  }
  Pass(*device, kSecond);
  EXPECT_EQ(allocations, before);
}

// Any interrupts at any times: none is lost, none comes twice, and in any time
// t no more than rate * t + burst are delivered. When there is a token for it,
// one comes at once.
RC_GTEST_FIXTURE_PROP(DeviceLimitsTest, DeliversAllAtItsRate, ()) {
  const RateLimit limit = {.per_second = *rc::gen::element<uint32_t>(1, 7, 100),
                           .burst = *rc::gen::inRange<uint32_t>(1, 4)};
  const int vectors = *rc::gen::element(1, 3, 70);
  const auto device = Make({.interrupts = limit}, vectors);
  std::vector<int64_t> times;
  std::map<int, int64_t> waiting;  // When each began to.
  bool early = false;
  const auto take = [&] {
    for (const int vector : sink_.vectors) {
      times.push_back(clock_.Now());
      early |= waiting.erase(vector) == 0;
    }
    sink_.vectors.clear();
  };
  sink_.on_deliver = take;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int64_t>>>(
      rc::gen::pair(rc::gen::inRange(0, vectors),
                    rc::gen::oneOf(rc::gen::just<int64_t>(0),
                                   rc::gen::inRange<int64_t>(0, kSecond))));
  for (const auto& [vector, pause] : steps) {
    waiting.emplace(vector, clock_.Now());
    device->OnPeerInterrupt(static_cast<Vector>(vector));
    Pass(*device, pause);
    // Each of those that wait has one before it at most once.
    const int64_t patience = (kSecond / limit.per_second + 1) * (vectors + 1);
    for (const auto& [unused, since] : waiting) {
      RC_ASSERT(clock_.Now() - since <= patience);
    }
  }
  Pass(*device, kSecond * (vectors + 1));
  RC_ASSERT(waiting.empty());
  RC_ASSERT(!early);
  for (size_t first = 0; first < times.size(); ++first) {
    for (size_t last = first; last < times.size(); ++last) {
      const double seconds =
          static_cast<double>(times[last] - times[first]) / kSecond;
      RC_ASSERT(static_cast<double>(last - first + 1) <=
                limit.per_second * seconds + limit.burst + 1e-6);
    }
  }
}

// vCPUs that ring at once share one rate.
TEST_F(DeviceLimitsTest, ThreadsShareARate) {
  const auto device = Make({.rings = {.per_second = 1, .burst = 5000}});
  const auto bell = Connect(*device, {1, 0});
  std::vector<std::thread> vcpus;
  for (int i = 0; i < 3; ++i) {
    vcpus.emplace_back([&] {
      for (int ring = 0; ring < 4000; ++ring) Ring(*device, {1, 0});
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  EXPECT_EQ(bell->signals, 5000);
  EXPECT_EQ(device->count(RingResult::kOverRate), 7000u);
}

}  // namespace
}  // namespace ivshmem
