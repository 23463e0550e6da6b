// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// "Any thread": calls begin and end while others retire and close.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/in_flight.h"
#include "core/revocable.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kAlive = 0xa11fe;

struct Value {
  explicit Value(std::atomic<int>& living) : living(living) { ++living; }
  ~Value() {
    // Written without a guard: TSan tells whether each use comes before it.
    alive = 0;
    --living;
  }
  std::atomic<int>& living;
  uint32_t alive = kAlive;
};

// Readers follow pointers that two writers replace all the time; what they see
// is alive, and what is replaced does not pile up.
TEST(InFlightStress, NobodySeesADestroyedObject) {
  std::atomic<int> living{0};
  std::atomic<uint64_t> dead{0};
  {
    InFlight in_flight;
    std::array<std::atomic<const Value*>, 2> published = {};
    std::atomic<bool> stop{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
      readers.emplace_back([&] {
        for (uint32_t turn = 0; !stop; ++turn) {
          const InFlight::Call call(in_flight);
          const Value* value = published[turn % 2].load();
          if (value != nullptr && value->alive != kAlive) ++dead;
          const InFlight::Call nested(in_flight);
          if (value != nullptr && value->alive != kAlive) ++dead;
        }
      });
    }
    std::vector<std::thread> writers;
    for (std::atomic<const Value*>& place : published) {
      writers.emplace_back([&] {
        std::shared_ptr<Value> current;
        for (int i = 0; i < 3000; ++i) {
          auto next = std::make_shared<Value>(living);
          place = next.get();
          // Some from inside a call, as a notifier that disconnects itself.
          if (i % 16 == 0) {
            const InFlight::Call call(in_flight);
            in_flight.Retire(std::exchange(current, std::move(next)));
          } else {
            in_flight.Retire(std::exchange(current, std::move(next)));
          }
        }
        place = nullptr;
        in_flight.Retire(std::move(current));
      });
    }
    for (std::thread& writer : writers) writer.join();
    stop = true;
    for (std::thread& reader : readers) reader.join();
    in_flight.Retire(std::make_shared<int>(0));
    EXPECT_EQ(living, 0);
  }
  EXPECT_EQ(dead, 0u);
}

// "A call that begins meanwhile is not waited for, however many come."
TEST(InFlightStress, NewCallsDoNotStarveClose) {
  InFlight in_flight;
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        const InFlight::Call call(in_flight);
      }
    });
  }
  for (int i = 0; i < 20; ++i) in_flight.Close();
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

// Several close at once, some from inside calls of their own: none waits for
// the others' ends.
TEST(InFlightStress, ClosesAtOnce) {
  for (int run = 0; run < 100; ++run) {
    InFlight in_flight;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&in_flight, t] {
        if (t == 0) {
          in_flight.Close();
          return;
        }
        const InFlight::Call call(in_flight);
        in_flight.Retire(std::make_shared<int>(0));
        in_flight.Close();
        EXPECT_TRUE(call.abandoned());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// "When this returns, no other thread is in With() with the object, and none
// will be": the object is destroyed at once, unguarded.
TEST(RevocableStress, NobodyIsInsideARevokedObject) {
  for (int run = 0; run < 40; ++run) {
    std::atomic<int> living{0};
    auto object = std::make_unique<Value>(living);
    const auto way = std::make_shared<Revocable<Value>>(*object);
    std::atomic<uint64_t> dead{0};
    std::atomic<int> ready{0};
    std::vector<std::thread> users;
    for (int t = 0; t < 2; ++t) {
      users.emplace_back([&] {
        ++ready;
        while (way->With([&dead](Value& value) {
          if (value.alive != kAlive) ++dead;
        })) {
        }
      });
    }
    while (ready < 2) std::this_thread::yield();
    way->Revoke();
    object.reset();
    for (std::thread& user : users) user.join();
    EXPECT_EQ(dead, 0u);
  }
}

}  // namespace
}  // namespace ivshmem
