// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Region io fds: what a client may signal instead of writing the doorbell.

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "backends/linux/event_fd.h"
#include "backends/vfio_user/model_fixture.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "gtest/gtest.h"
#include "testing/vfio_user/client.h"

namespace ivshmem::vfio_user {
namespace {

// For clients that ask: a doorbell's value for each vector of each peer.
TEST_F(ModelTest, GivesIoFdsForConnectedPairs) {
  const auto peers = Events(3);
  auto& table = model_->device().peers();
  ASSERT_TRUE(table.Connect(9, 0, peers[0]).ok());
  ASSERT_TRUE(table.Connect(9, 1, peers[1]).ok());
  ASSERT_TRUE(table.Connect(11, 0, peers[2]).ok());
  const auto ask = [&](uint32_t argsz, uint32_t region) {
    return client_->Ask(GET_REGION_IO_FDS,
                        Payload().U32(argsz).U32(0).U32(region).U32(0));
  };
  auto answer = ask(16, kBar0);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->payload,
            std::vector<uint8_t>(Payload().U32(136).U32(0).U32(0).U32(3)));
  EXPECT_TRUE(answer->fds.empty());
  answer = ask(136, kBar0);
  ASSERT_TRUE(answer.has_value());
  Payload expected;
  expected.U32(136).U32(0).U32(0).U32(3);
  const uint32_t values[] = {9 << 16, 9 << 16 | 1, 11 << 16};
  for (uint32_t i = 0; i < 3; ++i) {
    expected.U64(12).U64(4).U32(i).U32(0).U32(1).U32(0).U64(values[i]);
  }
  EXPECT_EQ(answer->payload, std::vector<uint8_t>(expected));
  ASSERT_EQ(answer->fds.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const uint64_t one = 1;
    ASSERT_EQ(write(answer->fds[i].get(), &one, 8), 8);
    EXPECT_TRUE(peers[i]->Drain());
  }
  answer = ask(4096, kBar2);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->payload,
            std::vector<uint8_t>(Payload().U32(16).U32(0).U32(2).U32(0)));
  // There are no flags.
  answer = client_->Ask(GET_REGION_IO_FDS,
                        Payload().U32(136).U32(1).U32(kBar0).U32(0));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error, static_cast<uint32_t>(EINVAL));
}

// A peer of the same process has no event to give.
TEST_F(ModelTest, GivesNoIoFdsOfPeersWithoutEvents) {
  class Call : public Notifier {
   public:
    Outcome Signal() noexcept override { return Outcome::kSignalled; }
  };
  auto& table = model_->device().peers();
  ASSERT_TRUE(table.Connect(9, 0, std::make_shared<Call>()).ok());
  ASSERT_TRUE(table.Connect(9, 1, *EventFd::Create()).ok());
  const auto answer =
      client_->Ask(GET_REGION_IO_FDS, Payload().U32(4096).U32(0).U32(0).U32(0));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->fds.size(), 1u);
  EXPECT_EQ(answer->payload, std::vector<uint8_t>(Payload()
                                                      .U32(56)
                                                      .U32(0)
                                                      .U32(0)
                                                      .U32(1)
                                                      .U64(12)
                                                      .U64(4)
                                                      .U32(0)
                                                      .U32(0)
                                                      .U32(1)
                                                      .U32(0)
                                                      .U64(9 << 16 | 1)));
}

class NoIdTest : public ModelTest {
 protected:
  NoIdTest() { options_.device.id = {}; }
};

// A device that has no id yet rings nobody: neither by the doorbell nor by what
// would stand for it.
TEST_F(NoIdTest, RingsNobody) {
  const auto peer = *EventFd::Create();
  ASSERT_TRUE(model_->device().peers().Connect(9, 0, peer).ok());
  const auto answer =
      client_->Ask(GET_REGION_IO_FDS, Payload().U32(4096).U32(0).U32(0).U32(0));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->fds.empty());
  client_->Write(kBar0, 12, 9 << 16, 4);
  EXPECT_FALSE(peer->Drain());
}

// At most as many as a message may have.
TEST_F(ModelTest, GivesSixteenIoFdsAtMost) {
  const auto peer = *EventFd::Create();
  for (Vector v = 0; v < 20; ++v) {
    ASSERT_TRUE(model_->device().peers().Connect(9, v, peer).ok());
  }
  const std::vector<uint8_t> request = Payload().U32(4096).U32(0).U32(0).U32(0);
  auto answer = client_->Ask(GET_REGION_IO_FDS, request);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->fds.size(), 16u);
  client_.reset();
  client_ = std::make_unique<Client>(served_->path());
  client_->Greet(1, R"({"capabilities":{"max_msg_fds":3}})");
  answer = client_->Ask(GET_REGION_IO_FDS, request);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->fds.size(), 3u);
}

}  // namespace
}  // namespace ivshmem::vfio_user
