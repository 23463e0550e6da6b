// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// Interrupts from many threads against vCPUs that mask, move and gate them.
// Meant for TSan as well.
namespace ivshmem::pci {
namespace {

constexpr int kVectors = 3;
constexpr int kDeliveries = 20000;  // By each thread.
constexpr Msix::Gates kOpen = {.enabled = true, .bus_master = true};

void SetMask(Msix& msix, int vector, bool masked) {
  Write<uint32_t>(msix, vector * 16 + 12, masked ? 1 : 0);
}

// The n-th message of a vector. Address and data belong together, so that one
// that is put together from two shows.
constexpr MsiMessage MessageOf(int vector, uint32_t n) {
  const uint32_t tag = static_cast<uint32_t>(vector) << 16 | (n & 0xffff);
  return {.address = uint64_t{~tag} << 32 | tag, .data = tag};
}

class CountingSink : public MsiSink {
 public:
  void Send(const MsiMessage& message) noexcept override {
    const int vector = static_cast<int>(message.data >> 16 & 0xff);
    if (vector >= kVectors || message != MessageOf(vector, message.data)) {
      ++torn;
      return;
    }
    ++sent[vector];
  }

  std::array<std::atomic<int>, kVectors> sent = {};
  std::atomic<int> torn{0};
};

void Program(Msix& msix, int vector, uint32_t n) {
  const MsiMessage message = MessageOf(vector, n);
  Write<uint64_t>(msix, vector * 16, message.address);
  Write<uint32_t>(msix, vector * 16 + 8, message.data);
}

class MsixStressTest : public ::testing::Test {
 protected:
  MsixStressTest() {
    for (int vector = 0; vector < kVectors; ++vector) {
      Program(msix_, vector, 0);
      SetMask(msix_, vector, false);
    }
    msix_.SetGates(kOpen);
  }

  // Runs `disturb(i)` for i = 0, 1, ... until `deliverers` threads have each
  // delivered all vectors kDeliveries times.
  void Run(int deliverers, const std::function<void(uint32_t)>& disturb) {
    std::atomic<int> running{deliverers};
    std::vector<std::thread> threads;
    for (int t = 0; t < deliverers; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kDeliveries; ++i) {
          for (int vector = 0; vector < kVectors; ++vector) {
            if (msix_.Deliver(vector) != Msix::Outcome::kDisabled) {
              ++accepted_[vector];
            }
          }
        }
        --running;
      });
    }
    for (uint32_t i = 0; running > 0; ++i) disturb(i);
    for (std::thread& thread : threads) thread.join();
  }

  // Nothing that may fire may still wait, or it would wait for ever. To be
  // asked when all threads are done: who opens a gate fires what waited
  // afterwards.
  void ExpectNothingStuck() {
    for (int vector = 0; vector < kVectors; ++vector) {
      EXPECT_FALSE(msix_.Route(vector).has_value() && msix_.pending(vector))
          << vector;
    }
  }

  // Everything open, nothing may be left behind, and nothing was invented.
  void ExpectAllSent() {
    ExpectNothingStuck();
    msix_.SetGates(kOpen);
    for (int vector = 0; vector < kVectors; ++vector) {
      SetMask(msix_, vector, false);
      EXPECT_FALSE(msix_.pending(vector)) << vector;
      EXPECT_GE(sink_.sent[vector], accepted_[vector] > 0 ? 1 : 0) << vector;
      EXPECT_LE(sink_.sent[vector], accepted_[vector]) << vector;
      const int before = sink_.sent[vector];
      EXPECT_EQ(msix_.Deliver(vector), Msix::Outcome::kSent);
      EXPECT_EQ(sink_.sent[vector], before + 1);
    }
    EXPECT_EQ(sink_.torn, 0);
  }

  CountingSink sink_;
  Msix msix_{kVectors, &sink_, nullptr};
  std::array<std::atomic<int>, kVectors> accepted_ = {};
};

TEST_F(MsixStressTest, NothingGatesAndAllIsSent) {
  Run(4, [](uint32_t) { std::this_thread::yield(); });
  for (int vector = 0; vector < kVectors; ++vector) {
    EXPECT_EQ(sink_.sent[vector], 4 * kDeliveries);
  }
  ExpectAllSent();
}

// One vCPU masks and unmasks, another drives the gates, a third looks on.
TEST_F(MsixStressTest, MasksAndGates) {
  std::atomic<bool> done{false};
  std::thread gates([&] {
    for (uint32_t i = 0; !done; ++i) {
      msix_.SetGates({.enabled = i % 7 != 0,
                      .function_mask = i % 3 == 0,
                      .bus_master = i % 5 != 0});
    }
  });
  std::thread reader([&] {
    while (!done) {
      Read<uint64_t>(msix_, 0x800);
      for (int vector = 0; vector < kVectors; ++vector) {
        Read<uint64_t>(msix_, vector * 16 + 8);
        msix_.Route(vector);
      }
    }
  });
  Run(3, [&](uint32_t i) {
    SetMask(msix_, static_cast<int>(i % kVectors), i / 3 % 2 == 0);
  });
  done = true;
  gates.join();
  reader.join();
  ExpectAllSent();
}

// "Software must not modify an entry while it is unmasked", and masks it for
// that. No interrupt may then go out with half of the old and half of the new
// message, be it through Deliver(), a claim or Route().
TEST_F(MsixStressTest, MessagesAreWhole) {
  std::atomic<bool> done{false};
  std::atomic<int> torn_routes{0};
  std::thread reader([&] {
    while (!done) {
      for (int vector = 0; vector < kVectors; ++vector) {
        const auto route = msix_.Route(vector);
        if (route.has_value() && *route != MessageOf(vector, route->data)) {
          ++torn_routes;
        }
      }
    }
  });
  Run(3, [&](uint32_t i) {
    for (int vector = 0; vector < kVectors; ++vector) {
      SetMask(msix_, vector, true);
      Program(msix_, vector, i);
      SetMask(msix_, vector, false);
    }
  });
  done = true;
  reader.join();
  EXPECT_EQ(torn_routes, 0);
  ExpectAllSent();
}

// A delivery that begins after a mask write is over is kept, and its pending
// bit stays set until the unmask, whatever other threads are in the middle of.
TEST_F(MsixStressTest, AMaskHoldsForWhatBeginsAfterIt) {
  int fired = 0;
  int vanished = 0;
  const auto ring_masked = [&](int vector) {
    for (int i = 0; i < 3; ++i) {
      if (msix_.Deliver(vector) != Msix::Outcome::kPending) ++fired;
      std::this_thread::yield();
      if (!msix_.pending(vector)) ++vanished;
    }
  };
  Run(3, [&](uint32_t i) {
    const int vector = static_cast<int>(i % kVectors);
    if (i % 2 == 0) {
      SetMask(msix_, vector, true);
      ring_masked(vector);
      SetMask(msix_, vector, false);
    } else {
      msix_.SetGates(
          {.enabled = true, .function_mask = true, .bus_master = true});
      ring_masked(vector);
      msix_.SetGates(kOpen);
    }
    accepted_[vector] += 3;
  });
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(vanished, 0);
  ExpectAllSent();
}

// A reset loses what it finds, and nothing that comes afterwards.
TEST_F(MsixStressTest, Resets) {
  Run(3, [&](uint32_t i) {
    const int vector = static_cast<int>(i % kVectors);
    SetMask(msix_, vector, true);
    if (i % 16 == 0) msix_.Reset();
    Program(msix_, vector, i);
    SetMask(msix_, vector, false);
  });
  ExpectNothingStuck();
  msix_.Reset();
  for (int vector = 0; vector < kVectors; ++vector) {
    Program(msix_, vector, 0);
    SetMask(msix_, vector, false);
    EXPECT_EQ(msix_.Deliver(vector), Msix::Outcome::kSent);
    ++accepted_[vector];
  }
  ExpectAllSent();
}

}  // namespace
}  // namespace ivshmem::pci
