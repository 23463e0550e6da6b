// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Many clients at once: each is told everything, however long it takes.

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "server/server.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

class StormTest : public ServerTest {
 protected:
  void Storm(int count, int vectors) {
    Start({.vectors = vectors, .max_peers = count});
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int i = 0; i < count; ++i) {
      // The queue of connections may be full.
      auto socket = unix_socket::Connect(path_, std::nullopt);
      while (!socket.ok() && absl::IsResourceExhausted(socket.status())) {
        loop_->Dispatch(absl::ZeroDuration());
        socket = unix_socket::Connect(path_, std::nullopt);
      }
      ASSERT_TRUE(socket.ok()) << socket.status();
      clients.push_back(std::make_unique<TestClient>(
          *std::move(socket), TestClient::Vectors::kClose));
    }
    ASSERT_TRUE(UntilAllKnow(clients, absl::Minutes(10)));
    Settle();
    const Status status = server_->status();
    EXPECT_EQ(status.counts.joined, static_cast<uint64_t>(count));
    EXPECT_TRUE(events_.left.empty());
    EXPECT_EQ(status.delivery.messages,
              static_cast<uint64_t>(count) * (3 + count * vectors));
  }
};

// QEMU's server loses messages from 300 clients of one vector on ...
TEST_F(StormTest, ThousandClientsOfOneVector) { Storm(1000, 1); }

// ... and from 100 of 4.
TEST_F(StormTest, HundredClientsOf64Vectors) { Storm(100, 64); }

// Clients that come and go while others do, reading or not, leave those that
// stay with the truth.
TEST_F(StormTest, ComingAndGoingLeavesThoseWhoStayWithTheTruth) {
  Start({.vectors = 4, .max_peers = 200});
  std::vector<std::unique_ptr<TestClient>> stay;
  std::vector<std::unique_ptr<TestClient>> go;
  for (int i = 0; i < 600; ++i) {
    (i % 30 == 0 ? stay : go).push_back(Connect());
    if (i % 3 == 0) loop_->Dispatch(absl::ZeroDuration());
    if (i % 5 == 0) go.resize(go.size() / 2);
    if (i % 7 == 0) {
      for (const auto& client : go) client->Read(i % 11);
    }
    if (i % 13 == 0) stay[i % stay.size()]->Read();
  }
  go.clear();
  ASSERT_TRUE(UntilAllKnow(stay));
  EXPECT_TRUE(events_.refused.empty());
}

}  // namespace
}  // namespace ivshmem::server
