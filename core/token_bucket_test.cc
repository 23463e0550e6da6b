// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/token_bucket.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int TakeAll(TokenBucket& bucket, int64_t now) {
  int taken = 0;
  while (bucket.Take(now)) ++taken;
  return taken;
}

// The bucket is full at first, whatever time it is, and holds no more than
// `burst`.
TEST(TokenBucketTest, IsFullAtFirst) {
  for (const int64_t now : {std::numeric_limits<int64_t>::min() / 2, -kSecond,
                            int64_t{0}, 1000 * kSecond}) {
    TokenBucket bucket({.per_second = 10, .burst = 3});
    EXPECT_EQ(bucket.Wait(now), 0);
    EXPECT_EQ(TakeAll(bucket, now), 3);
  }
}

// A token comes every 1/per_second, not sooner.
TEST(TokenBucketTest, FillsAtItsRate) {
  TokenBucket bucket({.per_second = 10, .burst = 2});
  EXPECT_EQ(TakeAll(bucket, 0), 2);
  EXPECT_EQ(bucket.Wait(0), kSecond / 10);
  EXPECT_EQ(bucket.Wait(kSecond / 10 - 1), 1);
  EXPECT_FALSE(bucket.Take(kSecond / 10 - 1));
  EXPECT_EQ(TakeAll(bucket, kSecond / 10), 1);
  EXPECT_EQ(TakeAll(bucket, 100 * kSecond), 2);
}

// The greatest limits there are overflow nothing.
TEST(TokenBucketTest, GreatestLimits) {
  TokenBucket slow({.per_second = 1, .burst = RateLimit::kMost});
  EXPECT_EQ(TakeAll(slow, 0), static_cast<int>(RateLimit::kMost));
  EXPECT_EQ(slow.Wait(0), kSecond);
  TokenBucket fast({.per_second = RateLimit::kMost, .burst = 1});
  EXPECT_TRUE(fast.Take(0));
  EXPECT_EQ(fast.Wait(0), 1000);
}

// Any takes at any times come to what a bucket comes to whose content is
// counted, and so to no more than rate * t + burst in any time t, rates that do
// not divide a second included.
RC_GTEST_PROP(TokenBucketProperty, IsABucket, ()) {
  const RateLimit limit = {.per_second = *rc::gen::inRange<uint32_t>(1, 2000),
                           .burst = *rc::gen::inRange<uint32_t>(1, 6)};
  const int64_t interval = (kSecond + limit.per_second - 1) / limit.per_second;
  const auto steps = *rc::gen::container<std::vector<int64_t>>(rc::gen::oneOf(
      rc::gen::just<int64_t>(0), rc::gen::inRange<int64_t>(0, 3 * interval)));
  TokenBucket bucket(limit);
  int64_t now = 0;
  int64_t content = limit.burst * interval;
  std::vector<int64_t> taken;
  for (const int64_t step : steps) {
    now += step;
    content = std::min(limit.burst * interval, content + step);
    RC_ASSERT(bucket.Wait(now) == std::max<int64_t>(0, interval - content));
    const bool expected = content >= interval;
    RC_ASSERT(bucket.Take(now) == expected);
    if (!expected) continue;
    content -= interval;
    taken.push_back(now);
  }
  for (size_t first = 0; first < taken.size(); ++first) {
    for (size_t last = first; last < taken.size(); ++last) {
      const double seconds =
          static_cast<double>(taken[last] - taken[first]) / kSecond;
      RC_ASSERT(static_cast<double>(last - first + 1) <=
                limit.per_second * seconds + limit.burst + 1e-6);
    }
  }
}

// Threads together take what there is and no more.
TEST(TokenBucketTest, ThreadsShareIt) {
  constexpr uint32_t kBurst = 20000;
  TokenBucket bucket({.per_second = 1, .burst = kBurst});
  std::atomic<uint32_t> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { taken += TakeAll(bucket, 0); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kBurst);
}

}  // namespace
}  // namespace ivshmem
