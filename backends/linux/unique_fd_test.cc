// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/unique_fd.h"

#include <fcntl.h>

#include <type_traits>
#include <utility>

#include "backends/linux/open_fds.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

int OpenSomething() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// A descriptor has one owner.
static_assert(!std::is_copy_constructible_v<UniqueFd>);
static_assert(!std::is_copy_assignable_v<UniqueFd>);

// One that owns nothing says so, and closes nothing.
TEST(UniqueFdTest, OwnsNothingAtFirst) {
  const auto before = OpenFds();
  {
    const UniqueFd fd;
    EXPECT_FALSE(fd.valid());
    EXPECT_EQ(fd.get(), -1);
  }
  EXPECT_EQ(OpenFds(), before);
}

// Descriptor 0 is one like any other.
TEST(UniqueFdTest, ZeroIsValid) {
  UniqueFd fd(0);
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(fd.Release(), 0);
}

// Its destructor closes what it owns.
TEST(UniqueFdTest, Closes) {
  const auto before = OpenFds();
  {
    const UniqueFd fd(OpenSomething());
    ASSERT_TRUE(fd.valid());
    EXPECT_EQ(OpenFds().size(), before.size() + 1);
  }
  EXPECT_EQ(OpenFds(), before);
}

// Who releases it owns it.
TEST(UniqueFdTest, ReleasedIsNotClosed) {
  const auto before = OpenFds();
  int released;
  {
    UniqueFd fd(OpenSomething());
    released = fd.Release();
    EXPECT_FALSE(fd.valid());
  }
  EXPECT_TRUE(OpenFds().contains(released));
  close(released);
  EXPECT_EQ(OpenFds(), before);
}

// A reset closes the old one and owns the new one, if any.
TEST(UniqueFdTest, ResetClosesTheOldOne) {
  const auto before = OpenFds();
  const int first = OpenSomething();
  const int second = OpenSomething();
  UniqueFd fd(first);
  fd.Reset(second);
  EXPECT_EQ(fd.get(), second);
  EXPECT_FALSE(OpenFds().contains(first));
  EXPECT_TRUE(OpenFds().contains(second));
  fd.Reset();
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(OpenFds(), before);
}

// A move hands over; the target closes what it owned before.
TEST(UniqueFdTest, MovesHandOver) {
  const auto before = OpenFds();
  {
    const int number = OpenSomething();
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.get(), number);
    UniqueFd third(OpenSomething());
    third = std::move(second);
    EXPECT_FALSE(second.valid());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(third.get(), number);
    EXPECT_EQ(OpenFds().size(), before.size() + 1);
  }
  EXPECT_EQ(OpenFds(), before);
}

// A move to itself changes nothing.
TEST(UniqueFdTest, MoveToItself) {
  UniqueFd fd(OpenSomething());
  const int number = fd.get();
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(OpenFds().contains(number));
}

}  // namespace
}  // namespace ivshmem
