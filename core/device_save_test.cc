// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What has become of interrupts when a device is saved: of those that its
// notifiers hold, and of those that a limit defers.

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/virtual_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PeerId kOwn = 3;

// Holds a signal until somebody takes it.
class Bell : public Notifier {
 public:
  Outcome Signal() noexcept override { return Outcome::kSignalled; }
  bool TakeSignals() noexcept override { return std::exchange(held, false); }

  bool held = true;
};

class Sink : public InterruptSink {
 public:
  InterruptResult Deliver(Vector vector) noexcept override {
    vectors.push_back(vector);
    if (on_deliver) on_deliver();
    return InterruptResult::kDelivered;
  }

  std::vector<int> vectors;
  std::function<void()> on_deliver;
};

class DeviceSaveTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> Make(const Limits& limits, int vectors = 4) {
    auto device = Device::Create(
        {.interrupts = InterruptMode::kMsix,
         .vectors = vectors,
         .id = kOwn,
         .limits = limits},
        {.interrupts = &sink_, .clock = &clock_, .alarm = &clock_});
    EXPECT_TRUE(device.ok()) << device.status();
    return *std::move(device);
  }

  static std::shared_ptr<Bell> Connect(Device& device, Doorbell doorbell) {
    auto bell = std::make_shared<Bell>();
    EXPECT_TRUE(
        device.peers().Connect(doorbell.peer, doorbell.vector, bell).ok());
    return bell;
  }

  // Of all results.
  static uint64_t Interrupts(const Device& device) {
    uint64_t all = 0;
    for (int i = 0; i < static_cast<int>(InterruptResult::kCount); ++i) {
      all += device.count(static_cast<InterruptResult>(i));
    }
    return all;
  }

  // Lets a second pass, in which the alarm may go off.
  void PassASecond(Device& device) {
    clock_.Advance(1'000'000'000);
    if (clock_.TakeDue()) device.DeliverDeferred();
  }

  const Limits ten_a_second_ = {.interrupts = {.per_second = 10, .burst = 1}};
  Sink sink_;
  VirtualClock clock_;
};

// "Signals that the notifiers of its own vectors hold become interrupts": of
// each of these, and of no other peer or vector.
TEST_F(DeviceSaveTest, TakesSignalsOfItsOwnVectors) {
  const auto device = Make({}, 2);
  const auto first = Connect(*device, {kOwn, 0});
  const auto last = Connect(*device, {kOwn, 1});
  const auto surplus = Connect(*device, {kOwn, 2});
  const auto other = Connect(*device, {kOwn + 1, 0});
  device->Save();
  EXPECT_FALSE(first->held);
  EXPECT_FALSE(last->held);
  EXPECT_TRUE(surplus->held);
  EXPECT_TRUE(other->held);
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 1));
  EXPECT_EQ(Interrupts(*device), 2u);
}

// A device without an id has no vectors of its own, whoever is connected.
TEST_F(DeviceSaveTest, TakesNoSignalsWithoutAnId) {
  const auto device = Make({});
  device->SetId(std::nullopt);
  const auto lowest = Connect(*device, {0, 0});
  const auto former = Connect(*device, {kOwn, 0});
  const auto highest = Connect(*device, {65535, 0});
  device->Save();
  EXPECT_TRUE(lowest->held);
  EXPECT_TRUE(former->held);
  EXPECT_TRUE(highest->held);
  EXPECT_THAT(sink_.vectors, IsEmpty());
}

// What is deferred when the device is saved is delivered before: no rate keeps
// an interrupt from the state. So is what the notifiers of its vectors hold.
TEST_F(DeviceSaveTest, LeavesNothingDeferred) {
  const auto device = Make(ten_a_second_);
  const auto own = Connect(*device, {kOwn, 3});
  device->OnPeerInterrupt(0);
  device->OnPeerInterrupt(1);
  device->Save();
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 1, 3));
  EXPECT_EQ(device->count(InterruptResult::kDelivered), 3u);
  EXPECT_EQ(device->count(InterruptResult::kDeferred), 2u);
  EXPECT_EQ(Interrupts(*device), 5u);
  PassASecond(*device);
  EXPECT_EQ(sink_.vectors.size(), 3u);
}

// Not even when all its vectors are.
TEST_F(DeviceSaveTest, WithAllVectorsDeferred) {
  const auto device = Make(ten_a_second_);
  device->OnPeerInterrupt(0);
  for (const Vector vector : {3, 2, 1, 0}) device->OnPeerInterrupt(vector);
  device->Save();
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 0, 1, 2, 3));
  PassASecond(*device);
  EXPECT_EQ(sink_.vectors.size(), 5u);
}

// However long peers ring from inside the sink, what came before is delivered,
// a vector each at most, and Save() returns; the rest comes with the alarm.
TEST_F(DeviceSaveTest, IsBounded) {
  const auto device = Make(ten_a_second_, 2);
  device->OnPeerInterrupt(0);
  device->OnPeerInterrupt(0);
  device->OnPeerInterrupt(1);
  sink_.vectors.clear();
  sink_.on_deliver = [&] { device->OnPeerInterrupt(0); };
  device->Save();
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 1));
  sink_.on_deliver = nullptr;
  PassASecond(*device);
  EXPECT_THAT(sink_.vectors, ElementsAre(0, 1, 0));
}

}  // namespace
}  // namespace ivshmem
