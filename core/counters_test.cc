// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/counters.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

enum class Fruit : uint8_t { kApple, kPear, kCount };

TEST(CountersTest, CountsEachKindOfEachThread) {
  Counters<Fruit> counters;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {  // More than there are shards.
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) counters.Add(Fruit::kApple);
      counters.Add(Fruit::kPear);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counters.Get(Fruit::kApple), 12000u);
  EXPECT_EQ(counters.Get(Fruit::kPear), 12u);
}

}  // namespace
}  // namespace ivshmem
