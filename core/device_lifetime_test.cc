// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// "What leads outside is called outside locks and may call back, even destroy
// the device. The destructor waits for calls out that other threads have under
// way; nothing is called afterwards." That nothing of a device is touched once
// it is gone is for the sanitizers to see.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "core/device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// Everything that a device calls. Each call does what was put into `on_...`,
// once.
class World : public InterruptSink,
              public LevelListener,
              public PeerTable::Listener,
              public DeviceEvents {
 public:
  InterruptResult Deliver(Vector) noexcept override {
    Run(on_deliver);
    return InterruptResult::kDelivered;
  }
  void LevelMayHaveChanged() noexcept override { Run(on_level); }
  void PeersChanged() noexcept override { Run(on_peers); }
  void OnEvent(const DeviceEvent&) noexcept override {
    ++events;
    Run(on_event);
  }

  void Run(std::function<void()>& once) {
    ++calls;
    RunOnce(once);
  }
  static void RunOnce(std::function<void()>& once) {
    if (const auto run = std::exchange(once, nullptr)) run();
  }

  std::function<void()> on_deliver;
  std::function<void()> on_level;
  std::function<void()> on_peers;
  std::function<void()> on_event;
  std::atomic<int> calls{0};  // Of any kind.
  std::atomic<int> events{0};
};

class Bell : public Notifier {
 public:
  explicit Bell(std::function<void()> on_signal = nullptr)
      : on_signal_(std::move(on_signal)) {}
  Outcome Signal() noexcept override {
    ++signals;
    World::RunOnce(on_signal_);
    return Outcome::kSignalled;
  }
  int signals = 0;

 private:
  std::function<void()> on_signal_;
};

class DeviceLifetimeTest : public ::testing::Test {
 protected:
  DeviceLifetimeTest() { Make(); }

  void Make(const Dialect& dialect = kRevision1,
            InterruptMode mode = InterruptMode::kMsix) {
    auto device = Device::Create(
        {.dialect = dialect, .interrupts = mode, .vectors = 1, .id = 3},
        {.interrupts = &world_,
         .level = &world_,
         .peers = &world_,
         .events = &world_});
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
  }
  std::shared_ptr<Bell> Connect(PeerId peer,
                                std::function<void()> on_signal = nullptr) {
    auto bell = std::make_shared<Bell>(std::move(on_signal));
    EXPECT_TRUE(device_->peers().Connect(peer, 0, bell).ok());
    return bell;
  }
  static void Ring(Device& device, PeerId peer) {
    device.Write(kDoorbellOffset, 4, Doorbell{peer, 0}.Encode());
  }
  std::function<void()> Destroy() {
    return [this] { device_.reset(); };
  }
  // How often the device had called by then.
  std::function<void()> DestroyAndCount(int& calls) {
    return [this, &calls] {
      device_.reset();
      calls = world_.calls;
    };
  }

  World world_;
  std::unique_ptr<Device> device_;
};

TEST_F(DeviceLifetimeTest, ANotifierCallsBack) {
  Connect(7, [this] {
    Ring(*device_, 8);
    device_->Reset();
    device_->OnPeerInterrupt(0);
    device_->SetId(4);
    device_->peers().Disconnect(7);
  });
  Ring(*device_, 7);
  EXPECT_EQ(device_->count(RingResult::kNoSuchPeer), 1u);
  EXPECT_EQ(device_->count(RingResult::kDelivered), 1u);
  EXPECT_EQ(device_->id(), 4);
}

TEST_F(DeviceLifetimeTest, ASinkCallsBack) {
  const auto bell = Connect(7);
  world_.on_deliver = [this] {
    Ring(*device_, 7);
    EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
    device_->Reset();
  };
  EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(device_->count(InterruptResult::kDelivered), 2u);
}

// A guest's handler that runs inside the change of the level, and changes it.
TEST_F(DeviceLifetimeTest, ALevelListenerCallsBack) {
  Make(kRevision0, InterruptMode::kIntx);
  device_->Write(kMaskOffset, 4, 1);
  world_.on_level = [this] { EXPECT_EQ(device_->Read(kStatusOffset, 4), 1u); };
  EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_FALSE(device_->interrupt_level());
}

TEST_F(DeviceLifetimeTest, DestroyedByWhatItRings) {
  const auto bell = Connect(7, Destroy());
  const int events = world_.events;
  Ring(*device_, 7);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(device_, nullptr);
  EXPECT_EQ(world_.events, events) << "nothing is called afterwards";
}

// Two rings in one access: after the first there is no device.
TEST_F(DeviceLifetimeTest, DestroyedByTheFirstOfTwoRings) {
  Make(kQemu);
  const auto bell = Connect(0, Destroy());
  device_->Write(13, 4, 0);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(device_, nullptr);
}

// ... also from deeper down, in a ring inside a ring.
TEST_F(DeviceLifetimeTest, DestroyedFromANestedRing) {
  const auto inner = Connect(8, Destroy());
  const auto outer = Connect(7, [this] { Ring(*device_, 8); });
  Ring(*device_, 7);
  EXPECT_EQ(inner->signals, 1);
  EXPECT_EQ(device_, nullptr);
}

TEST_F(DeviceLifetimeTest, DestroyedByItsEvents) {
  for (const auto& act : std::vector<std::function<void(Device&)>>{
           [](Device& device) { Ring(device, 9); },
           [](Device& device) { device.OnPeerInterrupt(0); },
           [](Device& device) { device.SetId(4); },
           [](Device& device) { device.Reset(); }}) {
    Make();
    int calls = 0;
    world_.on_event = DestroyAndCount(calls);
    act(*device_);
    EXPECT_EQ(device_, nullptr);
    EXPECT_EQ(world_.calls, calls) << "nothing is called afterwards";
  }
}

TEST_F(DeviceLifetimeTest, DestroyedByItsSink) {
  world_.on_deliver = Destroy();
  EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(device_, nullptr);
  EXPECT_EQ(world_.events, 0);
}

// By all that changes the level: an interrupt, a read, a write, a reset.
TEST_F(DeviceLifetimeTest, DestroyedByItsLevelListener) {
  for (int what = 0; what < 4; ++what) {
    Make(kRevision0, InterruptMode::kIntx);
    device_->Write(kMaskOffset, 4, 1);
    if (what > 0) device_->OnPeerInterrupt(0);
    int calls = 0;
    world_.on_level = DestroyAndCount(calls);
    if (what == 0) {
      EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
    } else if (what == 1) {
      EXPECT_EQ(device_->Read(kStatusOffset, 4), 1u);
    } else if (what == 2) {
      device_->Write(kMaskOffset, 4, 0);
    } else {
      device_->Reset();
    }
    EXPECT_EQ(device_, nullptr) << what;
    EXPECT_EQ(world_.calls, calls) << "nothing is called afterwards";
  }
}

TEST_F(DeviceLifetimeTest, DestroyedByItsPeersListener) {
  for (const auto& act : std::vector<std::function<void(Device&)>>{
           [](Device& device) { device.SetId(4); },
           [](Device& device) { device.peers().Disconnect(7); },
           [](Device& device) { device.peers().DisconnectAll(); },
           [](Device& device) {
             EXPECT_TRUE(
                 device.peers().Connect(1, 0, std::make_shared<Bell>()).ok());
           }}) {
    Make();
    Connect(7);
    world_.on_peers = Destroy();
    act(*device_);
    EXPECT_EQ(device_, nullptr);
  }
}

// "The destructor waits for calls out that other threads have under way": a
// ring, an interrupt, an event.
class DestructionWaits : public DeviceLifetimeTest,
                         public ::testing::WithParamInterface<int> {};

TEST_P(DestructionWaits, ForACallOut) {
  absl::Notification inside;
  absl::Notification leave;
  std::atomic<bool> left{false};
  const auto stay = [&] {
    inside.Notify();
    leave.WaitForNotification();
    left = true;
  };
  std::shared_ptr<Bell> bell;
  if (GetParam() == 0) bell = Connect(7, stay);
  if (GetParam() == 1) world_.on_deliver = stay;
  if (GetParam() == 2) world_.on_event = stay;
  std::thread caller([device = device_.get()] {
    if (GetParam() == 0) Ring(*device, 7);
    if (GetParam() == 1) device->OnPeerInterrupt(0);
    if (GetParam() == 2) device->Reset();
  });
  inside.WaitForNotification();
  absl::Notification destroyed;
  std::thread destroyer([&] {
    device_.reset();
    EXPECT_TRUE(left);
    destroyed.Notify();
  });
  EXPECT_FALSE(
      destroyed.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  leave.Notify();
  destroyer.join();
  caller.join();
}

INSTANTIATE_TEST_SUITE_P(All, DestructionWaits, ::testing::Values(0, 1, 2));

// The device's own notifiers go with it, and not before their last ring.
TEST_F(DeviceLifetimeTest, NotifiersGoWithTheDevice) {
  std::weak_ptr<Bell> bell = Connect(7);
  EXPECT_FALSE(bell.expired());
  device_.reset();
  EXPECT_TRUE(bell.expired());
}

}  // namespace
}  // namespace ivshmem
