// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/device.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace {
std::atomic<uint64_t> allocations{0};
std::atomic<int64_t> alive{0};  // Those that have not been freed.

void Free(void* memory) noexcept {
  if (memory != nullptr) --alive;
  std::free(memory);
}
}  // namespace

// Counts, so that a test can say that the access path allocates nothing, and
// that nothing is left.
void* operator new(size_t size) {
  ++allocations;
  ++alive;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }

namespace ivshmem {
namespace {

class Sink : public InterruptSink, public LevelListener {
 public:
  Sink() { vectors.reserve(1000); }
  InterruptResult Deliver(Vector vector) noexcept override {
    vectors.push_back(vector);
    return result;
  }
  void LevelMayHaveChanged() noexcept override { ++level_kicks; }

  std::vector<Vector> vectors;
  int level_kicks = 0;
  InterruptResult result = InterruptResult::kDelivered;
};

class Bell : public Notifier {
 public:
  Outcome Signal() noexcept override {
    ++signals;
    return outcome;
  }
  int signals = 0;
  Outcome outcome = Outcome::kSignalled;
};

class Events : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    seen.push_back(event);
  }
  std::vector<DeviceEvent> seen;
};

Device::Config Config(const Dialect& dialect, InterruptMode interrupts,
                      int vectors, std::optional<PeerId> id) {
  return {dialect, interrupts, vectors, id};
}

Device::Config Msix(int vectors = 2, std::optional<PeerId> id = 3) {
  return Config(kRevision1, InterruptMode::kMsix, vectors, id);
}

class DeviceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> Make(const Device::Config& config) {
    auto device = Device::Create(
        config, {.interrupts = &sink_, .level = &sink_, .events = &events_});
    EXPECT_TRUE(device.ok()) << device.status();
    return device.ok() ? *std::move(device) : nullptr;
  }
  static std::shared_ptr<Bell> Connect(Device& device, PeerId peer,
                                       Vector vector) {
    auto bell = std::make_shared<Bell>();
    EXPECT_TRUE(device.peers().Connect(peer, vector, bell).ok());
    return bell;
  }
  static void Ring(Device& device, PeerId peer, Vector vector) {
    device.Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }

  Sink sink_;
  Events events_;
};

// Mask and Status are stored; "reading the register clears it"; "whatever
// dialect and specification do not define reads 0 and writes nothing".
// Clause: mask-status, status-clears
// Differs: status-acrn
TEST_F(DeviceTest, ReadsAndWritesTheRegisters) {
  const auto device = Make(Msix());
  device->Write(kMaskOffset, 4, 0x12345678);
  device->Write(kStatusOffset, 4, 0x9abcdef0);
  EXPECT_EQ(device->Read(kMaskOffset, 4), 0x12345678u);
  EXPECT_EQ(device->Read(kMaskOffset, 4), 0x12345678u);
  device->Write(kMaskOffset, 1, 0xff);
  device->Write(kMaskOffset + 1, 4, 0xff);
  device->Write(kMaskOffset, 3, 0xff);
  device->Write(256, 4, 0xff);
  EXPECT_EQ(device->Read(kMaskOffset, 2), 0u);
  EXPECT_EQ(device->Read(kStatusOffset, 1), 0u) << "and clears nothing";
  EXPECT_EQ(device->Read(kMaskOffset, 8), 0x9abcdef012345678u);
  EXPECT_EQ(device->Read(kStatusOffset, 4), 0u) << "the read has cleared it";
  EXPECT_EQ(device->Read(kDoorbellOffset, 4), 0u) << "write-only";
}

// "Writing this register requests to interrupt a peer. The written value's high
// 16 bits are the ID of the peer, and its low 16 bits select a vector"; the
// device's own id is a peer as any other.
// Clause: doorbell-fields
TEST_F(DeviceTest, RingsPeersAndItself) {
  const auto device = Make(Msix());
  const auto peer = Connect(*device, 7, 1);
  const auto own = Connect(*device, 3, 0);
  Ring(*device, 7, 1);
  Ring(*device, 3, 0);
  Ring(*device, 7, 1 | 0x100);  // QEMU would ring vector 1.
  EXPECT_EQ(peer->signals, 1);
  EXPECT_EQ(own->signals, 1);
}

// "If the device is not configured for interrupts, the write is ignored. If the
// interrupt hasn't completed setup, the write is ignored."
// Clause: doorbell-unconfigured, doorbell-setup
TEST_F(DeviceTest, DoesNotRingUnlessConfigured) {
  for (const Device::Config& config :
       {Device::Config{.id = 3}, Msix(2, std::nullopt)}) {
    const auto device = Make(config);
    const auto bell = Connect(*device, 7, 0);
    Ring(*device, 7, 0);
    EXPECT_EQ(bell->signals, 0);
    EXPECT_EQ(device->count(RingResult::kNotConfigured), 1u);
    EXPECT_EQ(events_.seen.back().ring, RingResult::kNotConfigured);
  }
}

// Each reason why a ring does not arrive is told and counted by itself.
// Clause: doorbell-absent-peer, doorbell-absent-vector
TEST_F(DeviceTest, CountsRingsByResult) {
  const auto device = Make(Msix());
  const auto bell = Connect(*device, 7, 0);
  Ring(*device, 7, 0);
  bell->outcome = Notifier::Outcome::kFull;
  Ring(*device, 7, 0);
  bell->outcome = Notifier::Outcome::kFailed;
  Ring(*device, 7, 0);
  Ring(*device, 8, 0);
  Ring(*device, 7, 1);
  device->SetId(std::nullopt);
  Ring(*device, 7, 0);
  events_.seen.erase(events_.seen.begin() + 5);  // Of the id.
  const std::array<RingResult, 6> results = {
      RingResult::kDelivered,     RingResult::kCarrierFull,
      RingResult::kCarrierFailed, RingResult::kNoSuchPeer,
      RingResult::kNoSuchVector,  RingResult::kNotConfigured};
  ASSERT_EQ(events_.seen.size(), results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(device->count(results[i]), 1u) << i;
    EXPECT_EQ(events_.seen[i].kind, DeviceEvent::Kind::kRing) << i;
    EXPECT_EQ(events_.seen[i].ring, results[i]) << i;
  }
  EXPECT_EQ(events_.seen[4].doorbell, (Doorbell{7, 1}));
}

// QEMU's device splits an access inside the doorbell: each piece rings.
// Differs: qemu-narrow-access
TEST_F(DeviceTest, OneAccessMayRingTwice) {
  Device::Config config = Msix();
  config.dialect = kQemu;
  const auto device = Make(config);
  const auto first = Connect(*device, 0, 1);
  const auto second = Connect(*device, 0, 2);
  device->Write(13, 4, 0x000201);  // Byte 1 at 13, word 2 at 14.
  EXPECT_EQ(first->signals, 1);
  EXPECT_EQ(second->signals, 1);
  EXPECT_EQ(device->count(RingResult::kDelivered), 2u);
  EXPECT_EQ(events_.seen.size(), 2u) << "and no more";
}

// An access of 8 bytes is two of 4: at IVPosition, the second one rings, once.
// Clause: access
TEST_F(DeviceTest, APairOfDwordsRingsOnce) {
  const auto device = Make(Msix());
  const auto bell = Connect(*device, 7, 1);
  device->Write(kPositionOffset, 8, uint64_t{0x70001} << 32 | 5);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(events_.seen.size(), 1u) << "nobody else is rung";
  EXPECT_EQ(device->Read(kPositionOffset, 4), 3u);
}

// A peer's ring goes to the bus by its vector; one that the device does not
// have is dropped, told and counted.
// Clause: vectors
TEST_F(DeviceTest, InterruptsByVector) {
  for (const auto& config :
       {Msix(2), Config(kQemuFlat, InterruptMode::kLine, 2, 3)}) {
    sink_.vectors.clear();
    const auto device = Make(config);
    EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDelivered);
    EXPECT_EQ(device->OnPeerInterrupt(2), InterruptResult::kNoSuchVector);
    EXPECT_EQ(device->OnPeerInterrupt(65535), InterruptResult::kNoSuchVector);
    sink_.result = InterruptResult::kHeld;
    EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kHeld);
    EXPECT_EQ(events_.seen.back().kind, DeviceEvent::Kind::kInterrupt);
    EXPECT_EQ(events_.seen.back().interrupt, InterruptResult::kHeld);
    sink_.result = InterruptResult::kDisabled;
    EXPECT_EQ(device->OnPeerInterrupt(1), InterruptResult::kDisabled);
    EXPECT_EQ(events_.seen.back().doorbell.vector, 1);
    sink_.result = InterruptResult::kDelivered;
    EXPECT_EQ(sink_.vectors, (std::vector<Vector>{1, 0, 1}));
    EXPECT_EQ(device->count(InterruptResult::kDelivered), 1u);
    EXPECT_EQ(device->count(InterruptResult::kHeld), 1u);
    EXPECT_EQ(device->count(InterruptResult::kDisabled), 1u);
    EXPECT_EQ(device->count(InterruptResult::kNoSuchVector), 2u);
  }
}

// Clause: plain
TEST_F(DeviceTest, NoInterruptsWithoutConfiguration) {
  const auto device = Make({.id = 3});
  EXPECT_EQ(device->OnPeerInterrupt(0), InterruptResult::kNotConfigured);
  EXPECT_EQ(device->count(InterruptResult::kNotConfigured), 1u);
  EXPECT_TRUE(sink_.vectors.empty());
  EXPECT_EQ(sink_.level_kicks, 0);
}

// Reset: "Mask and Status 0; IVPosition kept", and so are the peers.
// Clause: reset
TEST_F(DeviceTest, Reset) {
  const auto device = Make(Msix());
  const auto bell = Connect(*device, 7, 0);
  device->Write(kMaskOffset, 4, 5);
  device->Write(kStatusOffset, 4, 5);
  device->Reset();
  EXPECT_EQ(device->Read(kMaskOffset, 8), 0u);
  EXPECT_EQ(device->Read(kPositionOffset, 4), 3u);
  Ring(*device, 7, 0);
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(events_.seen.front().kind, DeviceEvent::Kind::kReset);
}

// "Accesses allocate nothing", nor do interrupts.
TEST_F(DeviceTest, TheAccessPathAllocatesNothing) {
  auto device = Device::Create(Msix(), {.interrupts = &sink_});
  ASSERT_TRUE(device.ok());
  const auto bell = Connect(**device, 7, 0);
  Ring(**device, 7, 0);
  const uint64_t before = allocations;
  for (uint32_t i = 0; i < 100; ++i) {
    for (const uint64_t offset : {0, 4, 8, 12, 16, 1}) {
      (*device)->Read(offset, 4);
      (*device)->Write(offset, 4, i << 16);
    }
    Ring(**device, 7, 0);
    (*device)->OnPeerInterrupt(static_cast<Vector>(i % 4));
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(bell->signals, 100);
}

// What an event's kind does not name is 0.
TEST_F(DeviceTest, EventsSayNothingElse) {
  const auto device = Make(Msix());
  device->OnPeerInterrupt(1);
  ASSERT_EQ(events_.seen.back().kind, DeviceEvent::Kind::kInterrupt);
  EXPECT_EQ(events_.seen.back().doorbell, (Doorbell{0, 1}));
  EXPECT_EQ(events_.seen.back().address, 0u);
}

// A device that goes takes all memory with it that its peers' places took.
TEST(DeviceMemoryTest, NothingIsLeft) {
  const int64_t before = alive;
  {
    const auto device = Device::Create({.id = 3}, {});
    ASSERT_TRUE(device.ok());
    for (const PeerId peer : {0, 300, 65535}) {
      ASSERT_TRUE(
          (*device)->peers().Connect(peer, 0, std::make_shared<Bell>()).ok());
    }
    EXPECT_GT(alive, before);
  }
  EXPECT_EQ(alive, before);
}

}  // namespace
}  // namespace ivshmem
