// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/in_flight.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/revocable.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// Says when it is destroyed.
std::shared_ptr<const void> Flagging(std::atomic<bool>& gone) {
  return {static_cast<const void*>(&gone),
          [&gone](const void*) { gone = true; }};
}

// A call of another thread that lasts until it is told to end.
class LongCall {
 public:
  explicit LongCall(InFlight& owner)
      : thread_([this, &owner] {
          const InFlight::Call call(owner);
          begun_.Notify();
          end_.WaitForNotification();
        }) {
    begun_.WaitForNotification();
  }
  ~LongCall() {
    End();
    thread_.join();
  }
  void End() {
    if (!end_.HasBeenNotified()) end_.Notify();
  }

 private:
  absl::Notification begun_;
  absl::Notification end_;
  std::thread thread_;
};

TEST(InFlightTest, WithoutCallsARetiredObjectGoesAtOnce) {
  InFlight in_flight;
  for (int i = 0; i < 5; ++i) {
    std::atomic<bool> gone{false};
    in_flight.Retire(Flagging(gone));
    EXPECT_TRUE(gone);
  }
}

TEST(InFlightTest, ACallThatWasUnderWayKeepsARetiredObject) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  LongCall call(in_flight);
  in_flight.Retire(Flagging(gone));  // Returns although the call is stuck.
  EXPECT_FALSE(gone);
  std::atomic<bool> gone_later{false};
  in_flight.Retire(Flagging(gone_later));
  EXPECT_FALSE(gone);
  EXPECT_FALSE(gone_later);
  call.End();
  // The next one that finds no call takes all with it.
  for (int i = 0; i < 1000 && !(gone && gone_later); ++i) {
    std::atomic<bool> ignored{false};
    in_flight.Retire(Flagging(ignored));
    in_flight.Retire(std::make_shared<int>(0));
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(gone);
  EXPECT_TRUE(gone_later);
}

// A call that began after the object was retired cannot have it.
TEST(InFlightTest, ALaterCallKeepsNothing) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  std::optional<LongCall> first(std::in_place, in_flight);
  in_flight.Retire(Flagging(gone));
  LongCall second(in_flight);
  first.reset();
  in_flight.Retire(std::make_shared<int>(0));
  EXPECT_TRUE(gone);
}

// Retiring from inside a call neither waits for it nor pulls the object away
// from under it.
TEST(InFlightTest, RetireInsideACall) {
  InFlight in_flight;
  std::atomic<bool> gone{false};
  {
    const InFlight::Call outer(in_flight);
    const InFlight::Call inner(in_flight);
    in_flight.Retire(Flagging(gone));
    EXPECT_FALSE(gone);
  }
  in_flight.Retire(std::make_shared<int>(0));
  EXPECT_TRUE(gone);
}

TEST(InFlightTest, CloseWaitsForOtherThreads) {
  InFlight in_flight;
  LongCall call(in_flight);
  std::atomic<bool> closed{false};
  std::thread closer([&] {
    in_flight.Close();
    closed = true;
  });
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_FALSE(closed);
  call.End();
  closer.join();
  EXPECT_TRUE(closed);
}

TEST(InFlightTest, CloseAbandonsTheCallersOwnCalls) {
  auto in_flight = std::make_unique<InFlight>();
  InFlight other;
  const InFlight::Call outer(*in_flight);
  const InFlight::Call between(other);
  const InFlight::Call inner(*in_flight);
  in_flight.reset();
  EXPECT_TRUE(outer.abandoned());
  EXPECT_TRUE(inner.abandoned());
  EXPECT_FALSE(between.abandoned());
}

// Calls that go on beginning do not hold up a Close(): only those under way do.
TEST(InFlightTest, NewCallsDoNotStarveClose) {
  InFlight in_flight;
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) const InFlight::Call call(in_flight);
    });
  }
  for (int i = 0; i < 20; ++i) in_flight.Close();
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

// Readers follow a pointer that a writer replaces all the time; what they see
// is alive.
TEST(InFlightTest, NobodySeesADestroyedObject) {
  struct Value {
    ~Value() { alive = 0; }
    std::atomic<uint32_t> alive{0xa11fe};
  };
  InFlight in_flight;
  auto current = std::make_shared<Value>();
  std::atomic<Value*> published{current.get()};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> dead{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const InFlight::Call call(in_flight);
        Value* value = published.load();
        for (int turn = 0; turn < 3; ++turn) {
          if (value->alive != 0xa11fe) ++dead;
        }
      }
    });
  }
  for (int i = 0; i < 3000; ++i) {
    auto next = std::make_shared<Value>();
    published = next.get();
    in_flight.Retire(std::exchange(current, next));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(dead, 0u);
}

TEST(RevocableTest, LeadsNowhereOnceRevoked) {
  int object = 1;
  Revocable<int> way(object);
  EXPECT_TRUE(way.With([](int& value) { value = 2; }));
  EXPECT_EQ(object, 2);
  way.Revoke();
  EXPECT_FALSE(way.With([](int& value) { value = 3; }));
  EXPECT_EQ(object, 2);
}

TEST(RevocableTest, MayBeRevokedFromInside) {
  int object = 1;
  Revocable<int> way(object);
  EXPECT_TRUE(way.With([&way](int&) { way.Revoke(); }));
  EXPECT_FALSE(way.With([](int&) {}));
}

TEST(RevocableTest, RevokeWaitsForWhoIsInside) {
  int object = 1;
  Revocable<int> way(object);
  absl::Notification inside;
  absl::Notification leave;
  std::thread user([&] {
    way.With([&](int& value) {
      inside.Notify();
      leave.WaitForNotification();
      value = 2;
    });
  });
  inside.WaitForNotification();
  std::thread leaver([&] {
    absl::SleepFor(absl::Milliseconds(20));
    leave.Notify();
  });
  way.Revoke();
  EXPECT_EQ(object, 2);
  user.join();
  leaver.join();
}

}  // namespace
}  // namespace ivshmem
