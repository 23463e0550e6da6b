// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/counters.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

enum class Fruit : uint8_t { kApple, kPear, kPlum, kCount };

TEST(CountersTest, StartAtZeroAndAreApart) {
  Counters<Fruit> counters;
  Counters<Fruit> others;
  for (int i = 0; i < 3; ++i) counters.Add(Fruit::kPear);
  counters.Add(Fruit::kPlum);
  EXPECT_EQ(counters.Get(Fruit::kApple), 0u);
  EXPECT_EQ(counters.Get(Fruit::kPear), 3u);
  EXPECT_EQ(counters.Get(Fruit::kPlum), 1u);
  EXPECT_EQ(others.Get(Fruit::kPear), 0u);
}

// No count is lost, by more threads than there are shards, and a sum taken
// meanwhile never falls.
TEST(CountersTest, CountsEachKindOfEachThread) {
  constexpr int kThreads = kShards + 4;
  Counters<Fruit> counters;
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    for (uint64_t last = 0; !stop;) {
      const uint64_t sum = counters.Get(Fruit::kApple);
      EXPECT_GE(sum, last);
      last = sum;
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) counters.Add(Fruit::kApple);
      counters.Add(Fruit::kPear);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  reader.join();
  EXPECT_EQ(counters.Get(Fruit::kApple), 1000u * kThreads);
  EXPECT_EQ(counters.Get(Fruit::kPear), uint64_t{kThreads});
  EXPECT_EQ(counters.Get(Fruit::kPlum), 0u);
}

// "Threads do not share a cache line": kShards threads in a row get shards of
// their own, and a thread keeps its shard.
TEST(ShardsTest, ThreadsTakeThemInTurn) {
  std::vector<bool> taken(kShards);
  for (size_t t = 0; t < kShards; ++t) {
    std::thread([&taken] {
      const size_t shard = ThreadShard();
      ASSERT_LT(shard, kShards);
      EXPECT_EQ(ThreadShard(), shard);
      EXPECT_FALSE(taken[shard]);
      taken[shard] = true;
    }).join();
  }
}

}  // namespace
}  // namespace ivshmem
