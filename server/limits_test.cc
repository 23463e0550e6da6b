// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/limits.h"

#include <sys/resource.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The limits of this process are lowered for a test and raised again.
class LimitsTest : public testing::Test {
 protected:
  LimitsTest() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~LimitsTest() override { setrlimit(RLIMIT_NOFILE, &before_); }

  void SetLimits(rlim_t soft, rlim_t hard) {
    const rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  rlimit before_;
};

// A connection and an event for each vector, for each peer.
TEST(DescriptorsNeededTest, GrowWithPeersAndVectors) {
  EXPECT_EQ(DescriptorsNeeded(11, 1) - DescriptorsNeeded(10, 1), 2);
  EXPECT_EQ(DescriptorsNeeded(11, 64) - DescriptorsNeeded(10, 64), 65);
  EXPECT_GE(DescriptorsNeeded(65536, 2048), uint64_t{65536} * 2049);
}

// The soft limit is raised as far as it goes.
TEST_F(LimitsTest, RaisesTheSoftLimit) {
  SetLimits(100, 5000);
  const auto peers = FitDescriptors(std::nullopt, 1);
  ASSERT_TRUE(peers.ok()) << peers.status();
  EXPECT_EQ(*peers, kDefaultMaxPeers);
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, 5000);
}

// The default adapts to what the limit allows, and what it allows fits.
TEST_F(LimitsTest, ReducesTheDefault) {
  SetLimits(1000, 1000);
  const auto peers = FitDescriptors(std::nullopt, 9);
  ASSERT_TRUE(peers.ok()) << peers.status();
  EXPECT_LT(*peers, 100);
  EXPECT_GT(*peers, 80);
  EXPECT_LE(DescriptorsNeeded(*peers, 9), 1000);
  EXPECT_GT(DescriptorsNeeded(*peers + 1, 9), 1000);
}

// A number that was asked for is served or refused, never reduced.
TEST_F(LimitsTest, RefusesWhatDoesNotFit) {
  SetLimits(1000, 1000);
  const auto fitting = FitDescriptors(std::nullopt, 9);
  ASSERT_TRUE(fitting.ok());
  EXPECT_EQ(*FitDescriptors(*fitting, 9), *fitting);
  const auto peers = FitDescriptors(*fitting + 1, 9);
  ASSERT_EQ(peers.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(peers.status().message()),
              AllOf(HasSubstr("--max-peers " + std::to_string(*fitting + 1)),
                    HasSubstr("9 vectors"), HasSubstr("1000"),
                    HasSubstr("LimitNOFILE")));
}

// Where there is no room for a single peer, the default is an error too.
TEST_F(LimitsTest, RefusesALimitWithoutRoomForAnybody) {
  SetLimits(1000, 1000);
  EXPECT_FALSE(FitDescriptors(std::nullopt, 2048).ok());
  SetLimits(20, 20);
  EXPECT_FALSE(FitDescriptors(std::nullopt, 1).ok());
}

}  // namespace
}  // namespace ivshmem::server
