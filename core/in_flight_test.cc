// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/in_flight.h"

#include <pthread.h>
#include <time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// An object that says when it is destroyed.
std::shared_ptr<const void> Flagging(std::atomic<bool>& gone) {
  return {static_cast<const void*>(&gone),
          [&gone](const void*) { gone = true; }};
}

void RetireSomething(InFlight& in_flight) {
  in_flight.Retire(std::make_shared<int>(0));
}

// A call of another thread that lasts until it is told to end, and before that
// does what it is told.
class LongCall {
 public:
  explicit LongCall(InFlight& owner, std::function<void()> last = nullptr)
      : thread_([this, &owner, last = std::move(last)] {
          const InFlight::Call call(owner);
          begun_.Notify();
          end_.WaitForNotification();
          if (last) last();
        }) {
    begun_.WaitForNotification();
  }
  ~LongCall() { End(); }
  // Returns when the call is over.
  void End() {
    if (!thread_.joinable()) return;
    end_.Notify();
    thread_.join();
  }

 private:
  absl::Notification begun_;
  absl::Notification end_;
  std::thread thread_;
};

// "Before this returns when there is none" that could be using it.
TEST(InFlightTest, WithoutCallsARetiredObjectGoesAtOnce) {
  InFlight in_flight;
  for (int i = 0; i < 5; ++i) {
    std::atomic<bool> gone{false};
    in_flight.Retire(Flagging(gone));
    EXPECT_TRUE(gone);
    const InFlight::Call past(in_flight);
  }
}

// "Never for a stuck one": Retire() returns, and the object stays however often
// others are retired.
TEST(InFlightTest, ACallThatWasUnderWayKeepsARetiredObject) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  std::atomic<bool> gone_later{false};
  LongCall call(in_flight);
  in_flight.Retire(Flagging(gone));
  in_flight.Retire(Flagging(gone_later));
  for (int i = 0; i < 4; ++i) RetireSomething(in_flight);
  EXPECT_FALSE(gone);
  EXPECT_FALSE(gone_later);
  call.End();
  EXPECT_FALSE(gone) << "nobody has looked";
  RetireSomething(in_flight);  // "While a later Retire() runs."
  EXPECT_TRUE(gone);
  EXPECT_TRUE(gone_later);
}

// A call that began after the object was retired cannot have it, and does not
// keep it.
TEST(InFlightTest, ALaterCallKeepsNothing) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  LongCall first(in_flight);
  in_flight.Retire(Flagging(gone));
  LongCall second(in_flight);
  RetireSomething(in_flight);
  EXPECT_FALSE(gone);
  first.End();
  RetireSomething(in_flight);
  EXPECT_TRUE(gone);
}

// Calls that overlap without end never are all over at one moment; what they
// cannot have goes all the same.
TEST(InFlightTest, AnUnbrokenChainOfCallsKeepsNothingForEver) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  auto older = std::make_unique<LongCall>(in_flight);
  in_flight.Retire(Flagging(gone));
  for (int i = 0; i < 3; ++i) {
    auto newer = std::make_unique<LongCall>(in_flight);
    older = std::move(newer);  // Ends the one before.
    RetireSomething(in_flight);
  }
  EXPECT_TRUE(gone);
}

// "Nor for one of this thread": retiring from inside a call neither waits for
// it nor pulls the object away from under it.
TEST(InFlightTest, RetireInsideACall) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  {
    const InFlight::Call outer(in_flight);
    {
      const InFlight::Call inner(in_flight);
      in_flight.Retire(Flagging(gone));
    }
    RetireSomething(in_flight);
    EXPECT_FALSE(gone) << "the outer one is still under way";
  }
  RetireSomething(in_flight);
  EXPECT_TRUE(gone);
}

// "It waits a moment for short calls of other threads": one that ends while
// Retire() runs has not kept the object for later. What ends it here is another
// object, which nobody has looked at since the call that used it was over:
// Retire() destroys that one first.
TEST(InFlightTest, RetireWaitsForAShortCall) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  std::unique_ptr<LongCall> short_call;
  LongCall first(in_flight);
  in_flight.Retire({static_cast<const void*>(&gone),
                    [&short_call](const void*) { short_call->End(); }});
  short_call = std::make_unique<LongCall>(in_flight);
  first.End();
  in_flight.Retire(Flagging(gone));
  EXPECT_TRUE(gone);
}

// A call out of one object says nothing about what another one retires.
TEST(InFlightTest, ObjectsAreApart) {
  InFlight in_flight;
  InFlight other;
  std::atomic<bool> gone{false};
  const InFlight::Call call(other);
  in_flight.Retire(Flagging(gone));
  EXPECT_TRUE(gone);
}

// "While a later ... Close() runs", and at the latest when the owner goes.
TEST(InFlightTest, CloseTakesAllThatIsRetired) {
  std::atomic<bool> gone{false};
  std::atomic<bool> gone_later{false};
  {
    InFlight in_flight;
    {
      const InFlight::Call call(in_flight);
      in_flight.Retire(Flagging(gone));
    }
    in_flight.Close();
    EXPECT_TRUE(gone);
    const InFlight::Call call(in_flight);
    in_flight.Retire(Flagging(gone_later));
    EXPECT_FALSE(gone_later);
  }
  EXPECT_TRUE(gone_later);
}

// What is destroyed may call and retire in turn: no lock is held then.
TEST(InFlightTest, ADestructorCallsBack) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  const auto talkative = [&](const void*) {
    const InFlight::Call call(in_flight);
    in_flight.Retire(Flagging(gone));
  };
  in_flight.Retire({static_cast<const void*>(&gone), talkative});
  in_flight.Close();
  EXPECT_TRUE(gone);
}

// "Waits for the calls of other threads that are under way."
TEST(InFlightTest, CloseWaitsForOtherThreads) {
  InFlight in_flight;
  std::atomic<bool> left{false};
  std::atomic<bool> closed{false};
  bool in_time = false;
  LongCall call(in_flight, [&] { left = true; });
  absl::Notification closing;
  absl::Notification done;
  std::thread closer([&] {
    closing.Notify();
    in_flight.Close();
    in_time = left;
    closed = true;
    done.Notify();
  });
  closing.WaitForNotification();
  EXPECT_FALSE(done.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  EXPECT_FALSE(closed);
  call.End();
  closer.join();
  EXPECT_TRUE(in_time);
}

// ... also when it is called from inside a call, for which it does not wait.
TEST(InFlightTest, CloseInsideACallWaitsForTheOthersOnly) {
  InFlight in_flight;
  std::atomic<bool> left{false};
  LongCall other(in_flight, [&] { left = true; });
  absl::Notification inside;
  std::thread closer([&] {
    const InFlight::Call own(in_flight);
    inside.Notify();
    in_flight.Close();
    EXPECT_TRUE(left);
    EXPECT_TRUE(own.abandoned());
  });
  inside.WaitForNotification();
  other.End();
  closer.join();
}

// "Calls that begin meanwhile do not hold it up": this one after its first
// step. That Close() is under way can be seen by the time that its thread has
// worked.
TEST(InFlightTest, CloseDoesNotWaitForLaterCalls) {
  InFlight in_flight;
  LongCall earlier(in_flight);
  absl::Notification done;
  std::thread closer([&] {
    in_flight.Close();
    done.Notify();
  });
  clockid_t worked;
  ASSERT_EQ(pthread_getcpuclockid(closer.native_handle(), &worked), 0);
  for (timespec time = {}; time.tv_sec == 0 && time.tv_nsec < 5'000'000;) {
    absl::SleepFor(absl::Milliseconds(1));
    ASSERT_EQ(clock_gettime(worked, &time), 0);
  }
  LongCall later(in_flight);
  earlier.End();
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
  later.End();
  closer.join();
}

// "Abandons those of this thread", all of them, and of this owner only.
TEST(InFlightTest, CloseAbandonsTheCallersOwnCalls) {
  auto in_flight = std::make_unique<InFlight>();
  InFlight other;
  const InFlight::Call outer(*in_flight);
  const InFlight::Call between(other);
  { const InFlight::Call past(*in_flight); }
  const InFlight::Call inner(*in_flight);
  EXPECT_FALSE(outer.abandoned());
  in_flight.reset();
  EXPECT_TRUE(outer.abandoned());
  EXPECT_TRUE(inner.abandoned());
  EXPECT_FALSE(between.abandoned());
}

// An abandoned call counts no longer, neither for others that close nor as one
// that retires from inside.
TEST(InFlightTest, AnAbandonedCallCountsNoLonger) {
  InFlight in_flight;
  const InFlight::Call call(in_flight);
  in_flight.Close();
  EXPECT_TRUE(call.abandoned());
  std::atomic<bool> gone{false};
  in_flight.Retire(Flagging(gone));
  EXPECT_TRUE(gone);
  std::thread([&in_flight] { in_flight.Close(); }).join();
}

// Closing bars nobody: the owner does. A call that begins later is as any.
TEST(InFlightTest, CallsAfterCloseAreAsAny) {
  InFlight in_flight;
  in_flight.Close();
  in_flight.Close();
  std::atomic<bool> gone{false};
  {
    const InFlight::Call call(in_flight);
    EXPECT_FALSE(call.abandoned());
    in_flight.Retire(Flagging(gone));
    EXPECT_FALSE(gone);
  }
  RetireSomething(in_flight);
  EXPECT_TRUE(gone);
}

// More threads than there are shards, each in a call.
TEST(InFlightTest, EveryThreadCounts) {
  InFlight in_flight;
  std::vector<std::unique_ptr<LongCall>> calls;
  for (size_t i = 0; i < 2 * kShards + 1; ++i) {
    calls.push_back(std::make_unique<LongCall>(in_flight));
  }
  std::atomic<bool> gone{false};
  in_flight.Retire(Flagging(gone));
  while (!calls.empty()) {
    RetireSomething(in_flight);
    EXPECT_FALSE(gone) << calls.size() << " calls are left";
    calls.pop_back();
  }
  RetireSomething(in_flight);
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace ivshmem
