// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/device.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/settle.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

class Sink : public InterruptSink, public LevelListener {
 public:
  InterruptResult Deliver(Vector vector) noexcept override {
    vectors.push_back(vector);
    if (on_deliver) on_deliver();
    return result;
  }
  void LevelMayHaveChanged() noexcept override {
    level_kicks.fetch_add(1);
    if (on_level) on_level();
  }
  std::vector<Vector> vectors;
  std::atomic<int> level_kicks{0};
  InterruptResult result = InterruptResult::kDelivered;
  std::function<void()> on_deliver;
  std::function<void()> on_level;
};

class Bell : public Notifier {
 public:
  explicit Bell(std::function<void()> on_signal = nullptr)
      : on_signal_(std::move(on_signal)) {}
  Outcome Signal() noexcept override {
    ++signals;
    if (on_signal_) std::exchange(on_signal_, nullptr)();
    return Outcome::kSignalled;
  }
  int signals = 0;

 private:
  std::function<void()> on_signal_;
};

class Events : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    seen.push_back(event);
    if (on_event) on_event(event);
  }
  std::vector<DeviceEvent> seen;
  std::function<void(const DeviceEvent&)> on_event;
};

class DeviceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> Make(const Device::Config& config) {
    auto device = Device::Create(
        config, {.interrupts = &sink_, .level = &sink_, .events = &events_});
    EXPECT_TRUE(device.ok()) << device.status();
    return device.ok() ? *std::move(device) : nullptr;
  }
  static Device::Config Msix(int vectors = 2, std::optional<PeerId> id = 3) {
    return {.interrupts = InterruptMode::kMsix, .vectors = vectors, .id = id};
  }
  static Device::Config Intx() {
    return {.dialect = kRevision0,
            .interrupts = InterruptMode::kIntx,
            .vectors = 1,
            .id = 3};
  }
  static void Ring(Device& device, PeerId peer, Vector vector) {
    device.Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }

  Sink sink_;
  Events events_;
};

// "IVPosition Register: if the device is not configured for interrupts, this is
// zero. Else, it is the device's ID."
TEST_F(DeviceTest, Position) {
  EXPECT_EQ(Make(Msix())->Read(kPositionOffset, 4), 3u);
  EXPECT_EQ(Make({.id = 3})->Read(kPositionOffset, 4), 0u);
  EXPECT_EQ(Make(Msix(2, std::nullopt))->Read(kPositionOffset, 4), 0u);
  // ACRN and the flat device show it whatever they are configured for.
  EXPECT_EQ(Make({.dialect = kAcrn, .id = 3})->Read(kPositionOffset, 4), 3u);
  EXPECT_EQ(Make({.dialect = kQemuFlat, .id = 3})->Read(kPositionOffset, 4),
            3u);
}

// "Before QEMU 2.6.0, the register may read -1 for a short while."
TEST_F(DeviceTest, Revision0PositionBeforeSetUp) {
  Device::Config config = Intx();
  config.id.reset();
  const auto device = Make(config);
  EXPECT_EQ(device->Read(kPositionOffset, 4), 0xffffffffu);
  device->SetId(65535);
  EXPECT_EQ(device->Read(kPositionOffset, 4), 65535u);
  EXPECT_EQ(device->id(), 65535);
  device->SetId(std::nullopt);
  EXPECT_EQ(device->Read(kPositionOffset, 4), 0xffffffffu);
}

// "Writing this register requests to interrupt a peer"; its own id is one.
TEST_F(DeviceTest, RingsPeersAndItself) {
  const auto device = Make(Msix());
  const auto peer = std::make_shared<Bell>();
  const auto own = std::make_shared<Bell>();
  ASSERT_TRUE(device->peers().Connect(7, 1, peer).ok());
  ASSERT_TRUE(device->peers().Connect(3, 0, own).ok());
  Ring(*device, 7, 1);
  Ring(*device, 3, 0);
  Ring(*device, 7, 0);
  Ring(*device, 8, 0);
  EXPECT_EQ(peer->signals, 1);
  EXPECT_EQ(own->signals, 1);
  EXPECT_EQ(device->count(RingResult::kDelivered), 2u);
  EXPECT_EQ(device->count(RingResult::kNoSuchVector), 1u);
  EXPECT_EQ(device->count(RingResult::kNoSuchPeer), 1u);
  ASSERT_EQ(events_.seen.size(), 4u);
  EXPECT_EQ(events_.seen[2].kind, DeviceEvent::Kind::kRing);
  EXPECT_EQ(events_.seen[2].doorbell, (Doorbell{7, 0}));
  EXPECT_EQ(events_.seen[2].ring, RingResult::kNoSuchVector);
}

// "If the device is not configured for interrupts, the write is ignored. If the
// interrupt hasn't completed setup, the write is ignored."
TEST_F(DeviceTest, DoesNotRingUnlessConfigured) {
  for (const Device::Config& config :
       {Device::Config{.id = 3}, Msix(2, std::nullopt)}) {
    const auto device = Make(config);
    const auto bell = std::make_shared<Bell>();
    ASSERT_TRUE(device->peers().Connect(7, 0, bell).ok());
    Ring(*device, 7, 0);
    EXPECT_EQ(bell->signals, 0);
    EXPECT_EQ(device->count(RingResult::kNotConfigured), 1u);
  }
}

// A vector above those that the device has is dropped, counted and told.
TEST_F(DeviceTest, InterruptsOfItsVectors) {
  const auto device = Make(Msix(2));
  EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDelivered);
  EXPECT_EQ(device->OnPeerInterrupt(2), InterruptResult::kNoSuchVector);
  EXPECT_EQ(device->OnPeerInterrupt(65535), InterruptResult::kNoSuchVector);
  sink_.result = InterruptResult::kHeld;
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kHeld);
  EXPECT_EQ(sink_.vectors, (std::vector<Vector>{1, 0}));
  EXPECT_EQ(device->count(InterruptResult::kNoSuchVector), 2u);
  EXPECT_EQ(device->count(InterruptResult::kHeld), 1u);
  EXPECT_EQ(events_.seen.back().interrupt, InterruptResult::kHeld);
  EXPECT_EQ(Make({.id = 3})->OnPeerInterrupt(0),
            InterruptResult::kNotConfigured);
}

// "MSI-X, where the two gate nothing": an interrupt leaves Status alone.
TEST_F(DeviceTest, MsixLeavesStatusAlone) {
  Device::Config config = Msix();
  config.dialect = kRevision0;
  const auto device = Make(config);
  device->Write(kMaskOffset, 4, ~uint64_t{0});
  device->OnPeerInterrupt(0);
  EXPECT_EQ(device->Read(kStatusOffset, 4), 0u);
  EXPECT_FALSE(device->interrupt_level());
  EXPECT_EQ(sink_.level_kicks, 0);
}

// "INTx is asserted when the bit-wise AND of Status and Mask is non-zero";
// "The device is not capable to communicate the interrupt vector".
TEST_F(DeviceTest, IntxLevel) {
  const auto device = Make(Intx());
  EXPECT_EQ(device->OnPeerInterrupt(9), InterruptResult::kHeld);
  EXPECT_FALSE(device->interrupt_level());
  EXPECT_EQ(sink_.level_kicks, 0);
  device->Write(kMaskOffset, 4, 1);
  EXPECT_TRUE(device->interrupt_level());
  EXPECT_EQ(sink_.level_kicks, 1);
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(sink_.level_kicks, 1) << "the level did not change";
  EXPECT_EQ(device->Read(kStatusOffset, 4), 1u);
  EXPECT_FALSE(device->interrupt_level());
  EXPECT_EQ(sink_.level_kicks, 2);
  EXPECT_TRUE(sink_.vectors.empty());
  device->Write(kMaskOffset, 4, 2);
  device->Write(kStatusOffset, 4, 2);  // Software may set bits as well.
  EXPECT_TRUE(device->interrupt_level());
}

// Reset: Mask and Status 0; the id and the peers stay.
TEST_F(DeviceTest, Reset) {
  const auto device = Make(Intx());
  const auto bell = std::make_shared<Bell>();
  ASSERT_TRUE(device->peers().Connect(7, 0, bell).ok());
  device->Write(kMaskOffset, 4, 1);
  device->OnPeerInterrupt(0);
  ASSERT_TRUE(device->interrupt_level());
  device->Reset();
  EXPECT_FALSE(device->interrupt_level());
  EXPECT_EQ(sink_.level_kicks, 2);
  EXPECT_EQ(device->Read(kMaskOffset, 4), 0u);
  EXPECT_EQ(device->Read(kPositionOffset, 4), 3u);
  Ring(*device, 7, 0);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(events_.seen[1].kind, DeviceEvent::Kind::kReset);
}

TEST_F(DeviceTest, CreateErrorsNameTheField) {
  const auto error = [this](const Device::Config& config, bool sinks = true) {
    Device::Dependencies dependencies;
    if (sinks) dependencies = {.interrupts = &sink_, .level = &sink_};
    const auto device = Device::Create(config, dependencies);
    EXPECT_FALSE(device.ok());
    return std::string(device.status().message());
  };
  EXPECT_EQ(error(Msix(0)), "vectors: expected 1..2048, got 0");
  EXPECT_EQ(error(Msix(2049)), "vectors: expected 1..2048, got 2049");
  EXPECT_EQ(error({.vectors = 1}), "vectors: expected 0, got 1");
  EXPECT_EQ(error({.dialect = kQemuFlat,
                   .interrupts = InterruptMode::kLine,
                   .vectors = 65}),
            "vectors: expected 1..64, got 65");
  EXPECT_EQ(error({.dialect = kRevision0,
                   .interrupts = InterruptMode::kIntx,
                   .vectors = 2}),
            "vectors: expected 1, got 2");
  EXPECT_EQ(error({.interrupts = InterruptMode::kIntx, .vectors = 1}),
            "interrupts: expected MSI-X or none of dialect rev1 (only rev0 has "
            "INTx), got INTx");
  EXPECT_EQ(error(Msix(), false),
            "interrupts: expected a sink for a device with vectors, got none");
  EXPECT_EQ(error(Intx(), false),
            "level: expected a listener for a device with INTx, got none");
}

// What the device calls may call back in, and even destroy it: nothing of it is
// touched afterwards (the sanitizers watch).
TEST_F(DeviceTest, ReentrantNotifier) {
  const auto device = Make(Msix());
  const auto bell = std::make_shared<Bell>([&] {
    Ring(*device, 8, 0);
    device->Reset();
    device->peers().Disconnect(7);
  });
  ASSERT_TRUE(device->peers().Connect(7, 0, bell).ok());
  Ring(*device, 7, 0);
  EXPECT_EQ(device->count(RingResult::kNoSuchPeer), 1u);
  EXPECT_EQ(device->count(RingResult::kDelivered), 1u);
}

TEST_F(DeviceTest, DestroyedByWhatItRings) {
  auto device = Make({.dialect = kQemu,
                      .interrupts = InterruptMode::kMsix,
                      .vectors = 1,
                      .id = 3});
  const auto bell = std::make_shared<Bell>([&device] { device.reset(); });
  ASSERT_TRUE(device->peers().Connect(0, 0, bell).ok());
  // Two rings in one access: after the first there is no device.
  device->Write(13, 4, 0);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(device, nullptr);
}

TEST_F(DeviceTest, DestroyedByItsEvents) {
  for (const auto& act : std::vector<std::function<void(Device&)>>{
           [](Device& device) { Ring(device, 9, 0); },
           [](Device& device) { device.OnPeerInterrupt(0); },
           [](Device& device) { device.SetId(4); },
           [](Device& device) { device.Reset(); }}) {
    auto device = Make(Msix());
    events_.on_event = [&device](const DeviceEvent&) { device.reset(); };
    act(*device);
    EXPECT_EQ(device, nullptr);
    events_.on_event = nullptr;
  }
}

TEST_F(DeviceTest, DestroyedByItsSinks) {
  auto device = Make(Msix());
  sink_.on_deliver = [&device] { device.reset(); };
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(device, nullptr);

  device = Make(Intx());
  device->Write(kMaskOffset, 4, 1);
  sink_.on_level = [&device] { device.reset(); };
  device->OnPeerInterrupt(0);
  EXPECT_EQ(device, nullptr);
}

// The destructor waits for what other threads have under way.
TEST_F(DeviceTest, DestructionWaits) {
  auto device = Make(Msix());
  std::atomic<bool> inside{false};
  std::atomic<bool> left{false};
  const auto bell = std::make_shared<Bell>([&] {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    left = true;
  });
  ASSERT_TRUE(device->peers().Connect(7, 0, bell).ok());
  std::thread ringer([raw = device.get()] { Ring(*raw, 7, 0); });
  while (!inside) std::this_thread::yield();
  device.reset();
  EXPECT_TRUE(left);
  ringer.join();
}

// Whatever several vCPUs and peers do at once, a line that follows the level
// through a Settler ends where the level is.
TEST_F(DeviceTest, LineEndsWhereTheLevelIs) {
  const auto device = Make(Intx());
  Settler settler;
  bool line = false;
  sink_.on_level = [&] {
    settler.Kick([&] { line = device->interrupt_level(); });
  };
  events_.on_event = nullptr;
  for (int run = 0; run < 30; ++run) {
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->Write(kMaskOffset, 4, i % 2);
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->Read(kStatusOffset, 4);
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->Write(kStatusOffset, 4, 1);
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(line, device->interrupt_level());
  }
}

}  // namespace
}  // namespace ivshmem
