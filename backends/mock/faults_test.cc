// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/faults.h"

#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

const absl::Status kFirst = absl::InternalError("first");
const absl::Status kSecond = absl::UnavailableError("second");

TEST(FaultsTest, NothingFailsUnasked) {
  Faults faults;
  EXPECT_TRUE(faults.Next(Operation::kMap).ok());
  EXPECT_EQ(faults.calls(Operation::kMap), 1u);
}

TEST(FaultsTest, FailsTheNthCallFromNowAndNoOther) {
  Faults faults;
  EXPECT_TRUE(faults.Next(Operation::kMap).ok());
  faults.FailNth(Operation::kMap, 2, kFirst);
  faults.FailNth(Operation::kMap, 3, kSecond);
  EXPECT_TRUE(faults.Next(Operation::kMap).ok());
  EXPECT_EQ(faults.Next(Operation::kMap), kFirst);
  EXPECT_EQ(faults.Next(Operation::kMap), kSecond);
  EXPECT_TRUE(faults.Next(Operation::kMap).ok());
  EXPECT_EQ(faults.calls(Operation::kMap), 5u);
}

TEST(FaultsTest, OperationsCountApart) {
  Faults faults;
  for (Operation operation :
       {Operation::kClaim, Operation::kMap, Operation::kBindDoorbell,
        Operation::kBindRoute}) {
    faults.FailNth(operation, 1, kFirst);
    EXPECT_EQ(faults.Next(operation), kFirst);
    EXPECT_TRUE(faults.Next(operation).ok());
    EXPECT_EQ(faults.calls(operation), 2u);
  }
}

TEST(FaultsTest, FailsAllUntilCleared) {
  Faults faults;
  faults.FailAll(Operation::kClaim, kFirst);
  faults.FailNth(Operation::kClaim, 2, absl::OkStatus());
  EXPECT_EQ(faults.Next(Operation::kClaim), kFirst);
  EXPECT_TRUE(faults.Next(Operation::kClaim).ok());
  EXPECT_EQ(faults.Next(Operation::kClaim), kFirst);
  EXPECT_TRUE(faults.Next(Operation::kMap).ok());
  faults.FailNth(Operation::kClaim, 1, kSecond);
  faults.Clear();
  EXPECT_TRUE(faults.Next(Operation::kClaim).ok());
}

}  // namespace
}  // namespace ivshmem::mock
