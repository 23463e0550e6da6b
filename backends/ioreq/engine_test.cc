// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/engine.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/fake_transport.h"
#include "backends/ioreq/request.h"
#include "backends/linux/living_threads.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::ioreq {
namespace {

using ::testing::HasSubstr;
using Wait = Engine::Options::Wait;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr uint64_t kBase = 0x1000;
constexpr uint64_t kSize = 0x1000;
// A write here blocks until the test lets it go.
constexpr uint64_t kBlocks = 0x800;

Request ReadOf(uint64_t offset) {
  return {.kind = Request::Kind::kMemory,
          .direction = Request::Direction::kRead,
          .address = kBase + offset,
          .size = 4};
}

Request WriteOf(uint64_t offset, uint64_t value) {
  return {.kind = Request::Kind::kMemory,
          .direction = Request::Direction::kWrite,
          .address = kBase + offset,
          .size = 4,
          .value = value};
}

// Reads the offset in each byte. Breaks the rule that handlers do not block.
class Handler : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(offset));
  }
  void Write(uint64_t offset, absl::Span<const uint8_t>) noexcept override {
    ++writes_;
    if (offset != kBlocks) return;
    absl::MutexLock lock(&mutex_);
    ++blocked_;
    mutex_.Await(absl::Condition(
        +[](Handler* self) { return self->passes_ > 0; }, this));
    --passes_;
    --blocked_;
  }

  // Lets `count` of those go that block or will.
  void Release(int count) {
    absl::MutexLock lock(&mutex_);
    passes_ += count;
  }
  bool AwaitBlocked(int count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, count] { return blocked_ == count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kLong);
  }
  int writes() const { return writes_; }

 private:
  std::atomic<int> writes_{0};
  absl::Mutex mutex_;
  int blocked_ = 0;
  int passes_ = 0;
};

// A handler at kBase, and a transport.
class World {
 public:
  explicit World(int slots) : transport(slots) {
    auto claimed =
        dispatcher.space(Space::kMemory).Claim(kBase, kSize, handler);
    EXPECT_TRUE(claimed.ok());
    claim = *std::move(claimed);
  }

  std::unique_ptr<Engine> Start(const Engine::Options& options = {}) {
    auto engine = Engine::Start(transport, dispatcher, options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }

  Handler handler;
  FakeTransport transport;
  Dispatcher dispatcher{nullptr, nullptr};
  RegistrationPtr claim;
};

// Of how the leader waits.
class EngineTest : public ::testing::TestWithParam<Wait> {
 protected:
  static Engine::Options Options(
      absl::Duration patience = absl::Milliseconds(1)) {
    return {.wait = GetParam(), .patience = patience};
  }
};

INSTANTIATE_TEST_SUITE_P(Waits, EngineTest,
                         ::testing::Values(Wait::kBlock, Wait::kPoll));

// What a slot asks is answered there, one request after the other.
TEST_P(EngineTest, AnswersRequests) {
  World world(3);
  const auto engine = world.Start(Options());
  for (int round = 0; round < 20; ++round) {
    for (int slot = 0; slot < 3; ++slot) {
      EXPECT_EQ(world.transport.Do(slot, ReadOf(0x10 + slot)),
                0x01010101u * (0x10 + slot));
      EXPECT_EQ(world.transport.Do(slot, WriteOf(4, 7)), 7u);
    }
  }
  EXPECT_EQ(world.handler.writes(), 60);
  EXPECT_TRUE(engine->status().ok());
}

// Every slot is answered, whatever is in it.
TEST_P(EngineTest, AnswersWhatNobodyKnows) {
  World world(1);
  const auto engine = world.Start(Options());
  EXPECT_EQ(world.transport.Do(0, {}), ~uint64_t{0});
  EXPECT_EQ(world.dispatcher.counts().malformed, 1u);
}

// Many vCPUs at once: each gets its own answer.
TEST_P(EngineTest, ManySlotsAtOnce) {
  constexpr int kSlots = 8;
  constexpr int kRounds = 300;
  World world(kSlots);
  const auto engine = world.Start(Options());
  std::vector<std::thread> vcpus;
  std::atomic<int> wrong{0};
  for (int slot = 0; slot < kSlots; ++slot) {
    vcpus.emplace_back([&, slot] {
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t offset = static_cast<uint8_t>(slot * 16 + round % 16);
        if (world.transport.Do(slot, ReadOf(offset)) != 0x01010101 * offset) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(world.transport.completed(), uint64_t{kSlots * kRounds});
}

// A handler that blocks holds its own vCPU only; more of them do neither, as
// long as a slot is left.
TEST_P(EngineTest, BlockedHandlersHoldNobodyElse) {
  constexpr int kSlots = 4;
  World world(kSlots);
  const auto engine = world.Start(Options());
  for (int blocked = 1; blocked < kSlots; ++blocked) {
    world.transport.Issue(blocked, WriteOf(kBlocks, 1));
    ASSERT_TRUE(world.handler.AwaitBlocked(blocked));
    for (int round = 0; round < 10; ++round) {
      ASSERT_EQ(world.transport.Do(0, ReadOf(2)), 0x02020202u);
    }
  }
  world.handler.Release(kSlots - 1);
  for (int slot = 1; slot < kSlots; ++slot) {
    EXPECT_EQ(world.transport.Await(slot), 1u);
  }
  // Again, with the threads that have come back.
  for (int round = 0; round < 3; ++round) {
    for (int slot = 0; slot < kSlots; ++slot) {
      world.transport.Issue(slot, WriteOf(kBlocks, 2));
    }
    ASSERT_TRUE(world.handler.AwaitBlocked(kSlots));
    world.handler.Release(kSlots);
    for (int slot = 0; slot < kSlots; ++slot) {
      EXPECT_EQ(world.transport.Await(slot), 2u);
    }
  }
}

// One thread for each slot and one more, however often handlers block.
TEST_P(EngineTest, ThreadsAreBounded) {
  constexpr int kSlots = 3;
  World world(kSlots);
  const int before = LivingThreads();
  const auto engine = world.Start(Options());
  for (int round = 0; round < 5; ++round) {
    for (int slot = 0; slot < kSlots; ++slot) {
      world.transport.Issue(slot, WriteOf(kBlocks, 1));
    }
    ASSERT_TRUE(world.handler.AwaitBlocked(kSlots));
    // All slots are begun, so that nothing is looked at; a leader that waits
    // has relieved the last.
    const int waits = world.transport.waits();
    const absl::Time deadline = absl::Now() + kLong;
    while (GetParam() == Wait::kBlock && world.transport.waits() == waits &&
           absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_LE(LivingThreads() - before, kSlots + 1);
    world.handler.Release(kSlots);
    for (int slot = 0; slot < kSlots; ++slot) world.transport.Await(slot);
  }
}

// The end waits for a handler that is running, whose request is completed.
TEST_P(EngineTest, StopCompletesWhatIsBegun) {
  World world(2);
  auto engine = world.Start(Options());
  world.transport.Issue(0, WriteOf(kBlocks, 3));
  ASSERT_TRUE(world.handler.AwaitBlocked(1));
  std::atomic<bool> ended{false};
  std::thread stopper([&] {
    engine = nullptr;
    ended = true;
  });
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_FALSE(ended);
  world.handler.Release(1);
  stopper.join();
  EXPECT_EQ(world.transport.Await(0, absl::ZeroDuration()), 3u);
}

// All that was asked before the end is answered, by then.
TEST_P(EngineTest, StopAnswersWhatWaits) {
  for (int round = 0; round < 50; ++round) {
    World world(4);
    auto engine = world.Start(Options());
    for (int slot = 0; slot < 4; ++slot) {
      world.transport.Issue(slot, ReadOf(1));
    }
    engine = nullptr;
    for (int slot = 0; slot < 4; ++slot) {
      ASSERT_EQ(world.transport.Await(slot, absl::ZeroDuration()), 0x01010101u)
          << round;
    }
  }
}

// Also when a handler blocks for long as the last are answered.
TEST_P(EngineTest, StopIsRelievedToo) {
  World world(2);
  auto engine = world.Start(Options());
  world.transport.Issue(0, WriteOf(kBlocks, 3));
  world.transport.Issue(1, ReadOf(1));
  std::thread stopper([&] { engine = nullptr; });
  EXPECT_EQ(world.transport.Await(1), 0x01010101u);
  world.handler.Release(1);
  stopper.join();
  EXPECT_EQ(world.transport.Await(0, absl::ZeroDuration()), 3u);
}

// Stopping under load: every request is answered once or was never begun.
TEST_P(EngineTest, StopUnderLoad) {
  constexpr int kSlots = 4;
  for (int round = 0; round < 20; ++round) {
    World world(kSlots);
    auto engine = world.Start(Options(absl::Microseconds(100)));
    std::atomic<bool> stop{false};
    std::vector<std::thread> vcpus;
    for (int slot = 0; slot < kSlots; ++slot) {
      vcpus.emplace_back([&, slot] {
        while (!stop) {
          world.transport.Issue(slot, ReadOf(1));
          while (!stop && !world.transport.Await(slot, absl::Milliseconds(1))) {
          }
        }
      });
    }
    while (world.transport.completed() < 100) std::this_thread::yield();
    engine = nullptr;
    stop = true;
    for (std::thread& vcpu : vcpus) vcpu.join();
  }
}

// A handler that blocks again and again, while others go on, at a patience so
// short that leaders change all the time.
TEST_P(EngineTest, LeadersChangeUnderLoad) {
  constexpr int kSlots = 4;
  World world(kSlots);
  const auto engine = world.Start(Options(absl::Microseconds(100)));
  std::atomic<bool> stop{false};
  std::vector<std::thread> vcpus;
  for (int slot = 1; slot < kSlots; ++slot) {
    vcpus.emplace_back([&, slot] {
      while (!stop) world.transport.Do(slot, ReadOf(slot));
    });
  }
  for (int round = 0; round < 30; ++round) {
    world.transport.Issue(0, WriteOf(kBlocks, 1));
    ASSERT_TRUE(world.handler.AwaitBlocked(1));
    const uint64_t before = world.transport.completed();
    while (world.transport.completed() < before + 20) {
      std::this_thread::yield();
    }
    world.handler.Release(1);
    ASSERT_EQ(world.transport.Await(0), 1u);
  }
  stop = true;
  for (std::thread& vcpu : vcpus) vcpu.join();
}

// The relief sleeps when nothing comes for a while, and is there again when a
// handler blocks.
TEST_P(EngineTest, AReliefThatSleptIsThere) {
  World world(2);
  const auto engine = world.Start(Options(absl::Microseconds(100)));
  for (int round = 0; round < 5; ++round) {
    absl::SleepFor(absl::Milliseconds(20));
    world.transport.Issue(0, WriteOf(kBlocks, 1));
    EXPECT_EQ(world.transport.Do(1, ReadOf(3)), 0x03030303u);
    world.handler.Release(1);
    EXPECT_EQ(world.transport.Await(0), 1u);
  }
}

// A transport that fails: what waits is answered, the engine says why it ends.
TEST(EngineFailureTest, SaysWhyTheTransportFailed) {
  World world(2);
  auto engine = world.Start();
  EXPECT_EQ(world.transport.Do(0, ReadOf(1)), 0x01010101u);
  world.transport.Fail(absl::UnavailableError("the VM is gone"));
  const absl::Time deadline = absl::Now() + kLong;
  while (engine->status().ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(engine->status(), absl::UnavailableError("the VM is gone"));
  engine = nullptr;
}

TEST(EngineFailureTest, AnswersWhatWaitedWhenTheTransportFailed) {
  World world(2);
  world.transport.Fail(absl::UnavailableError("the VM is gone"));
  world.transport.Issue(1, ReadOf(1));
  const auto engine = world.Start();
  EXPECT_EQ(world.transport.Await(1), 0x01010101u);
}

// As long as a request is not completed the transport's wait returns at once:
// the leader does not wait all the time.
TEST(EngineRestTest, AnUnfinishedRequestIsNotSpunOn) {
  World world(2);
  const auto engine = world.Start();
  world.transport.Issue(0, WriteOf(kBlocks, 1));
  ASSERT_TRUE(world.handler.AwaitBlocked(1));
  absl::SleepFor(absl::Milliseconds(20));  // For the relief to lead.
  const absl::Time began = absl::Now();
  const int before = world.transport.waits();
  absl::SleepFor(absl::Milliseconds(100));
  const int waits = world.transport.waits() - before;
  // Each rest is of a millisecond by now, or longer.
  EXPECT_LE(waits, absl::ToInt64Milliseconds(absl::Now() - began) + 20);
  while (world.transport.waits() == before && absl::Now() < began + kLong) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_GT(world.transport.waits(), before);
  world.handler.Release(1);
  EXPECT_EQ(world.transport.Await(0), 1u);
}

// Patience has a lower limit; the error names it.
TEST(EngineOptionsTest, PatienceIsChecked) {
  World world(1);
  const auto engine = Engine::Start(world.transport, world.dispatcher,
                                    {.patience = absl::Microseconds(99)});
  EXPECT_TRUE(absl::IsInvalidArgument(engine.status()));
  EXPECT_THAT(engine.status().message(),
              HasSubstr("patience: expected at least 100us, got 99us"));
}

// Signals stay the embedder's: all are blocked in the engine's threads, except
// faults.
TEST(EngineOptionsTest, SignalsAreBlocked) {
  class Looks : public MmioHandler {
   public:
    void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
      sigset_t mask;
      pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      bytes[0] = sigismember(&mask, SIGTERM) == 1 ? 1 : 0;
      bytes[1] = sigismember(&mask, SIGSEGV) == 1 ? 1 : 0;
    }
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}
  };
  World world(1);
  Looks looks;
  const auto claim =
      world.dispatcher.space(Space::kMemory).Claim(0x9000, 4, looks);
  const auto engine = world.Start();
  Request request = ReadOf(0);
  request.address = 0x9000;
  request.size = 2;
  EXPECT_EQ(world.transport.Do(0, request), 0x0001u);
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGTERM), 0);
}

}  // namespace
}  // namespace ivshmem::ioreq
