// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/executor.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ExecutorTest, RunsWorkInOrderWhenTold) {
  Executor executor;
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) executor.Run([&ran, i] { ran.push_back(i); });
  EXPECT_THAT(ran, IsEmpty());
  EXPECT_EQ(executor.pending(), 3u);
  EXPECT_TRUE(executor.RunOne());
  EXPECT_THAT(ran, ElementsAre(0));
  EXPECT_EQ(executor.RunAll(), 2u);
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
  EXPECT_FALSE(executor.RunOne());
  EXPECT_EQ(executor.RunAll(), 0u);
}

TEST(ExecutorTest, WorkMayAddAndRunWork) {
  Executor executor;
  std::vector<int> ran;
  executor.Run([&] {
    ran.push_back(0);
    executor.Run([&] { ran.push_back(2); });
    EXPECT_TRUE(executor.RunOne());
  });
  executor.Run([&] { ran.push_back(1); });
  EXPECT_EQ(executor.RunAll(), 2u);
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST(ExecutorTest, DropsWhatItDidNotRun) {
  auto held = std::make_shared<int>(0);
  {
    Executor executor;
    executor.Run([held] { ++*held; });
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST(ExecutorTest, WorkIsDestroyedAsSoonAsItHasRun) {
  Executor executor;
  auto held = std::make_shared<int>(0);
  executor.Run([held] { ++*held; });
  executor.RunAll();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 1);
}

}  // namespace
}  // namespace ivshmem::mock
