// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the benchmark's clients take for a loss. A benchmark that does not
// notice one measures nothing.

#include "bench/joining_client.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "backends/linux/unique_fd.h"
#include "bench/measured.h"
#include "bench/one_message.h"
#include "gtest/gtest.h"

namespace ivshmem::bench {
namespace {

constexpr bool kFd = true;  // With a descriptor.

struct Sent {
  int64_t number;
  bool fd = false;
};

class JoiningClientTest : public testing::Test {
 protected:
  JoiningClientTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    server_ = UniqueFd(ends[0]);
    client_.emplace(UniqueFd(ends[1]), Shape{.clients = 2, .vectors = 2});
  }

  // Of the last read.
  absl::Status Tell(const std::vector<Sent>& messages) {
    for (const Sent& message : messages) {
      if (message.fd) {
        EXPECT_TRUE(
            one_.Send(server_.get(), message.number, event_.get()).ok());
      } else {
        EXPECT_EQ(send(server_.get(), &message.number, 8, 0), 8);
      }
    }
    return client_->Read(one_);
  }

  const UniqueFd event_{eventfd(0, EFD_CLOEXEC)};
  UniqueFd server_;
  std::optional<JoiningClient> client_;
  OneMessage one_;
};

const Sent kVersion = {0};
const Sent kId = {1};
const Sent kMemory = {-1, kFd};
const Sent kOther = {0, kFd};
const Sent kOwn = {1, kFd};

TEST_F(JoiningClientTest, IsCompleteWithTheLastMessage) {
  EXPECT_TRUE(Tell({kVersion, kId, kMemory, kOther, kOther, kOwn}).ok());
  EXPECT_FALSE(client_->complete());
  EXPECT_TRUE(Tell({kOwn}).ok());
  EXPECT_TRUE(client_->complete());
}

TEST_F(JoiningClientTest, OneTooManyIsNotOwed) {
  EXPECT_TRUE(
      absl::IsDataLoss(Tell({kVersion, kId, kMemory, kOther, kOther, kOther})));
}

TEST_F(JoiningClientTest, OneWithoutItsDescriptorIsNotOwed) {
  EXPECT_TRUE(absl::IsDataLoss(Tell({kVersion, kId, kMemory, {0}})));
  EXPECT_FALSE(client_->complete());
}

TEST_F(JoiningClientTest, WhoIsNotThereIsNotOwed) {
  EXPECT_TRUE(absl::IsDataLoss(Tell({kVersion, kId, kMemory, {2, kFd}})));
}

TEST_F(JoiningClientTest, EachMessageOfTheGreetingIsOwed) {
  EXPECT_TRUE(absl::IsDataLoss(Tell({{1}})));
}

TEST_F(JoiningClientTest, TheMemoryComesWithADescriptor) {
  EXPECT_TRUE(absl::IsDataLoss(Tell({kVersion, kId, {-1}})));
}

TEST_F(JoiningClientTest, AnIdThatNobodyHasIsNotOwed) {
  EXPECT_TRUE(absl::IsDataLoss(Tell({kVersion, {2}})));
}

TEST_F(JoiningClientTest, HangingUpIsAnError) {
  EXPECT_TRUE(Tell({kVersion, kId, kMemory}).ok());
  server_.Reset();
  EXPECT_TRUE(absl::IsOutOfRange(client_->Read(one_)));
}

}  // namespace
}  // namespace ivshmem::bench
