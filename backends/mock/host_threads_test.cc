// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Everything at once, for the thread sanitizer.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "backends/mock/host.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

constexpr int kRounds = 500;
constexpr uint64_t kClaim = 0x1000;
constexpr uint64_t kDoorbell = kClaim + 0xc;
constexpr uint64_t kMemory = 0x2000;
constexpr pci::MsiMessage kMessage = {.address = 0xfee00000, .data = 0x41};

struct CountingHandler : MmioHandler {
  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    for (uint8_t& byte : bytes) byte = 0;
    ++calls;
  }
  void Write(uint64_t, absl::Span<const uint8_t>) noexcept override { ++calls; }
  std::atomic<uint64_t> calls{0};
};

void RunAll(const std::vector<std::function<void()>>& bodies) {
  std::vector<std::thread> threads;
  for (const auto& body : bodies) {
    threads.emplace_back([&body] {
      for (int i = 0; i < kRounds; ++i) body();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(HostThreadsTest, AccessesMeetRegistrationsThatComeAndGo) {
  Host host({.keep = 100});
  CountingHandler handler;
  const EventHandle event = host.events().Create();
  RunAll({
      [&] {  // A vCPU at the registers.
        host.space().Write32(kDoorbell, 1);
        host.space().Read32(kClaim);
      },
      [&] {  // A vCPU in the shared memory, and over its edges.
        host.space().Write32(kMemory, 1);
        host.space().Read<uint64_t>(kMemory - 4);
        host.space().Write<uint64_t>(kMemory + 12, 0);
      },
      [&] {  // BARs that move.
        auto claim = host.space().Claim(kClaim, 0x100, handler);
        auto bound = host.accelerator().Bind(kDoorbell, 1, event);
        EXPECT_TRUE(claim.ok() && bound.ok());
      },
      [&] {  // Memory that is gone as soon as it is unmapped.
        auto memory = std::make_unique<std::array<uint8_t, 16>>();
        auto mapping =
            host.space().Map(kMemory, {.data = memory->data(), .size = 16},
                             MemoryAccess::kReadWrite);
        EXPECT_TRUE(mapping.ok());
        mapping->reset();
        memory->fill(0x55);
      },
      [&] {  // A vector that is masked and unmasked.
        auto route = host.router().Bind(event, kMessage);
        EXPECT_TRUE(route.ok());
      },
  });
}

TEST(HostThreadsTest, NoSignalIsLost) {
  Host host;
  CountingHandler handler;
  const EventHandle event = host.events().Create();
  auto claim = host.space().Claim(kClaim, 0x100, handler);
  auto bound = host.accelerator().Bind(kDoorbell, 1, event);
  auto route = host.router().Bind(event, kMessage);
  ASSERT_TRUE(claim.ok() && bound.ok() && route.ok());
  EventNotifier notifier(host.events(), event);
  const auto ring = [&] { host.space().Write32(kDoorbell, 1); };
  const auto miss = [&] { host.space().Write32(kDoorbell, 2); };
  const auto signal = [&] { notifier.Signal(); };
  RunAll({ring, ring, miss, signal});
  EXPECT_EQ(host.msi().count(), 3u * kRounds);
  EXPECT_EQ(handler.calls, 1u * kRounds);
  EXPECT_EQ(host.space().counts(),
            (AddressSpace::Counts{.claimed = 1u * kRounds,
                                  .accelerated = 2u * kRounds}));
}

// The guest sees what another guest wrote before it rang.
TEST(HostThreadsTest, MemoryIsOrderedAsOnX86) {
  Host one;
  Host two;
  alignas(8) std::array<uint8_t, 16> memory = {};
  const SharedMemory shared = {.data = memory.data(), .size = memory.size()};
  auto first = one.space().Map(kMemory, shared, MemoryAccess::kReadWrite);
  auto second = two.space().Map(kMemory, shared, MemoryAccess::kReadWrite);
  ASSERT_TRUE(first.ok() && second.ok());
  std::thread writer([&] {
    for (uint32_t i = 1; i <= kRounds; ++i) {
      one.space().Write32(kMemory, i);
      one.space().Write32(kMemory + 4, i);
    }
  });
  for (uint32_t seen = 0; seen < kRounds;) {
    seen = two.space().Read32(kMemory + 4);
    ASSERT_GE(two.space().Read32(kMemory), seen);
  }
  writer.join();
}

TEST(HostThreadsTest, WorkIsTakenFromAnyThread) {
  Host host;
  std::atomic<int> ran{0};
  const auto give = [&] { host.executor().Run([&ran] { ++ran; }); };
  RunAll({give, give});
  EXPECT_EQ(host.executor().RunAll(), 2u * kRounds);
  EXPECT_EQ(ran, 2 * kRounds);
}

}  // namespace
}  // namespace ivshmem::mock
