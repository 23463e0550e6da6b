// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Limits (core/limits.h) where the kernel would ring and interrupt past the
// device: real guests on KVM, whether it is asked to do so or not. That memory
// is read-only: kvm_read_only_test.cc.

#include <chrono>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/linux/server_link.h"
#include "core/clock.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/limits.h"
#include "core/peer_table.h"
#include "core/virtual_clock.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr int64_t kTick = 100'000'000;  // Between two tokens of kTenASecond.

constexpr RateLimit TenASecond(uint32_t burst) {
  return {.per_second = 10, .burst = burst};
}

// Whether doorbells and interrupts go through the kernel where they may.
using Paths = std::tuple<bool, bool>;

class KvmLimits : public ::testing::TestWithParam<Paths> {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
  }

  static bool io_event_fd() { return std::get<0>(GetParam()); }
  static bool irqfd() { return std::get<1>(GetParam()); }

  std::unique_ptr<KvmPciGuest> Join(const Limits& limits = {},
                                    Clock* clock = nullptr) {
    return std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{.vectors = 2,
                             .io_event_fd = io_event_fd(),
                             .irqfd = irqfd(),
                             .limits = limits,
                             .clock = clock});
  }

  // Both know each other, and what is to be bound is.
  static void Meet(KvmPciGuest& a, KvmPciGuest& b) {
    ASSERT_TRUE(a.Knows(b.id(), 1));
    ASSERT_TRUE(b.Knows(a.id(), 1));
    ASSERT_TRUE(a.Knows(a.id(), 1));  // Each is told of itself last.
    ASSERT_TRUE(b.Knows(b.id(), 1));
    a.Settle();
    b.Settle();
  }

  static uint64_t Count(KvmPciGuest& guest, RingResult result) {
    return guest.device().device().count(result);
  }
  static uint64_t Count(KvmPciGuest& guest, InterruptResult result) {
    return guest.device().device().count(result);
  }

  VirtualClock clock_;
  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
};

INSTANTIATE_TEST_SUITE_P(
    Paths, KvmLimits, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param) ? "IoEventFd" : "Trapped",
                          std::get<1>(info.param) ? "Irqfd" : "Signalled");
    });

// Rings are limited: no doorbell is bound, each ring traps, those above the
// rate are lost and counted, and the rate comes back. The guest's interrupts,
// which nothing limits, go by the kernel as ever.
TEST_P(KvmLimits, RingsAboveTheRateAreLost) {
  constexpr uint32_t kBurst = 3;
  const auto b = Join();
  const auto a = Join({.rings = TenASecond(kBurst)}, &clock_);
  Meet(*a, *b);
  EXPECT_EQ(a->vm().io_event_fds(), 0);
  EXPECT_EQ(a->vm().irqfds(), irqfd() ? 2 : 0);
  EXPECT_EQ(b->vm().io_event_fds(), io_event_fd() ? 4 : 0);

  const uint64_t exits = a->exits();
  for (uint32_t i = 1; i <= kBurst; ++i) {
    a->Ring(b->id(), 1);
    ASSERT_TRUE(b->guest().InterruptsBecome(1, i));
  }
  a->Ring(b->id(), 1, 200);
  EXPECT_EQ(a->exits() - exits, kBurst + 200);
  EXPECT_EQ(Count(*a, RingResult::kDelivered), kBurst);
  EXPECT_EQ(Count(*a, RingResult::kOverRate), 200u);

  // What was refused does not come with what is delivered next.
  clock_.Advance(kTick);
  a->Ring(b->id(), 0, 2);
  ASSERT_TRUE(b->guest().InterruptsBecome(0, 1));
  b->Settle();
  EXPECT_EQ(b->guest().interrupts(0), 1u);
  EXPECT_EQ(b->guest().interrupts(1), kBurst);
  EXPECT_EQ(Count(*a, RingResult::kDelivered), kBurst + 1);
  EXPECT_EQ(Count(*a, RingResult::kOverRate), 201u);

  b->Ring(a->id(), 1);
  EXPECT_TRUE(a->guest().InterruptsBecome(1, 1));
}

// Interrupts are limited: no vector is routed; those above the rate merge, and
// each of their vectors comes once more when there is a token, in turn. None is
// lost.
TEST_P(KvmLimits, InterruptsAboveTheRateComeLater) {
  constexpr uint32_t kBurst = 2;
  const auto a = Join();
  const auto b = Join({.interrupts = TenASecond(kBurst)}, &clock_);
  Meet(*a, *b);
  EXPECT_EQ(b->vm().irqfds(), 0);
  EXPECT_EQ(b->vm().io_event_fds(), io_event_fd() ? 4 : 0);
  EXPECT_EQ(a->vm().irqfds(), irqfd() ? 2 : 0);

  for (uint32_t i = 1; i <= kBurst; ++i) {
    a->Ring(b->id(), 1);
    ASSERT_TRUE(b->guest().InterruptsBecome(1, i));
  }
  const uint64_t exits = a->exits();
  a->Ring(b->id(), 1, 50);
  a->Ring(b->id(), 0, 50);
  // The one who rings pays nothing for the limit.
  EXPECT_EQ(a->exits() - exits, io_event_fd() ? 0 : 100);
  b->Settle();
  const uint64_t deferred = Count(*b, InterruptResult::kDeferred);
  EXPECT_GE(deferred, 2u);  // The eventfd has merged some.
  EXPECT_LE(deferred, 100u);
  EXPECT_EQ(Count(*b, InterruptResult::kDelivered), kBurst);
  EXPECT_EQ(b->guest().interrupts(0), 0u);
  EXPECT_EQ(b->guest().interrupts(1), kBurst);

  const auto all = [&] {
    return b->guest().interrupts(0) + b->guest().interrupts(1);
  };
  for (uint32_t i = 1; i <= 2; ++i) {
    clock_.Advance(kTick);
    ASSERT_TRUE(Becomes([&] { return all() == kBurst + i; }));
    b->Settle();
    EXPECT_EQ(all(), kBurst + i) << "no more than one at a time";
  }
  EXPECT_EQ(b->guest().interrupts(0), 1u);
  EXPECT_EQ(b->guest().interrupts(1), kBurst + 1);
  EXPECT_EQ(Count(*b, InterruptResult::kDelivered), kBurst + 2);

  // Once each: nothing is left, and what is rung then comes at once.
  clock_.Advance(10 * kTick);
  a->Ring(b->id(), 0);
  ASSERT_TRUE(b->guest().InterruptsBecome(0, 2));
  EXPECT_EQ(b->guest().interrupts(1), kBurst + 1);
  EXPECT_EQ(Count(*b, InterruptResult::kDeferred), deferred);
}

// By the machine's clock: a peer rings as fast as it can. The guest gets no
// more than the rate, and the last ring of each vector is not lost.
TEST_P(KvmLimits, APeerRingsWithoutEnd) {
  constexpr uint32_t kRate = 10;
  constexpr uint32_t kBurst = 1;
  constexpr uint32_t kRings = 20'000;
  const auto a = Join();
  const auto b =
      Join({.interrupts = {.per_second = kRate, .burst = kBurst}}, nullptr);
  Meet(*a, *b);
  const auto begin = std::chrono::steady_clock::now();
  a->Ring(b->id(), 1, kRings);
  a->Ring(b->id(), 0);
  ASSERT_TRUE(Becomes([&] { return b->guest().interrupts(0) == 1; }));
  // Not as many as were delivered: a vCPU that the machine keeps waiting takes
  // two of one vector as one.
  const uint32_t taken = b->guest().interrupts(0) + b->guest().interrupts(1);
  b->Settle();  // What was taken has been counted.
  const uint64_t came = Count(*b, InterruptResult::kDelivered);
  EXPECT_LE(taken, came);
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begin;
  EXPECT_LE(static_cast<double>(came), kRate * took.count() + kBurst);
  EXPECT_GE(b->guest().interrupts(1), 1u);
  EXPECT_GT(Count(*b, InterruptResult::kDeferred), 0u);
  // The next that is rung comes, too: the alarm does not go to sleep.
  const uint32_t before = b->guest().interrupts(1);
  a->Ring(b->id(), 1);
  EXPECT_TRUE(Becomes([&] { return b->guest().interrupts(1) > before; }));
}

// Whom the list does not name the guest does not ring, itself included, be it
// in the kernel or by a trap; the others are bound as ever. The same where BAR0
// has moved, and for the device that is restored.
TEST_P(KvmLimits, OnlyAllowedRingsArrive) {
  const auto b = Join();
  const auto a =
      Join({.may_ring = std::vector<AllowedRings>{{b->id(), Vector{1}}}});
  Meet(*a, *b);
  uint32_t arrived = 0;
  uint64_t refused = 0;
  const auto check = [&] {
    SCOPED_TRACE(arrived);
    EXPECT_EQ(a->vm().io_event_fds(), io_event_fd() ? 1 : 0);
    uint64_t exits = a->exits();
    a->Ring(b->id(), 0, 20);
    a->Ring(a->id(), 1, 20);
    EXPECT_EQ(a->exits() - exits, 40u);
    refused += 40;
    EXPECT_EQ(Count(*a, RingResult::kNotAllowed), refused);
    exits = a->exits();
    a->Ring(b->id(), 1);
    EXPECT_EQ(a->exits() - exits, io_event_fd() ? 0 : 1);
    ASSERT_TRUE(b->guest().InterruptsBecome(1, ++arrived));
    a->Settle();
    b->Settle();
    EXPECT_EQ(b->guest().interrupts(0), 0u);
    EXPECT_EQ(a->guest().interrupts(1), 0u);
  };
  check();
  a->MoveBar0(0xe0800000);
  a->Settle();
  check();
  a->SaveAndRestore();
  ASSERT_TRUE(a->Knows(b->id(), 1));
  a->Settle();
  refused = 0;  // Counters are not the state's.
  check();
  // Its own interrupts are nobody's ring.
  b->Ring(a->id(), 1);
  EXPECT_TRUE(a->guest().InterruptsBecome(1, 1));
}

}  // namespace
}  // namespace ivshmem
