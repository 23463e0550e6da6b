// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/status_socket.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/linux/unix_socket.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"
#include "server/status_document.h"

namespace ivshmem::server {
namespace {

using Json = nlohmann::json;

class StatusSocketTest : public ServerTest {
 protected:
  void StartStatus(StatusSocket::Options options) {
    auto listener = unix_socket::Listen(status_path_, 0600);
    ASSERT_TRUE(listener.ok());
    status_listener_ = *std::move(listener);
    auto status =
        StatusSocket::Start(*loop_, status_listener_.get(), std::move(options));
    ASSERT_TRUE(status.ok()) << status.status();
    status_ = *std::move(status);
  }
  // More than a socket's buffer holds.
  static std::string Large() {
    std::string large = "a piece of a large document";
    while (large.size() < 4000000) large += large;
    return large;
  }
  UniqueFd Ask() const {
    auto socket = unix_socket::Connect(status_path_, std::nullopt);
    EXPECT_TRUE(socket.ok()) << socket.status();
    return *std::move(socket);
  }
  // All that comes until the end.
  std::string ReadAll(const UniqueFd& socket) {
    std::string all;
    EXPECT_TRUE(Until([&] {
      while (true) {
        std::vector<uint8_t> piece(65536);
        const auto received =
            unix_socket::Receive(socket.get(), absl::MakeSpan(piece));
        if (!received.ok() ||
            received->condition == unix_socket::Condition::kClosed) {
          return true;
        }
        if (received->condition != unix_socket::Condition::kOk) return false;
        all.append(piece.begin(), piece.begin() + received->bytes);
      }
    }));
    return all;
  }

  const std::string status_path_ = directory_.File("status");
  UniqueFd status_listener_;
  std::unique_ptr<StatusSocket> status_;
};

// Who connects gets the document, and then the end.
TEST_F(StatusSocketTest, GivesTheDocument) {
  int asked = 0;
  StartStatus(
      {.document = [&] { return "document " + std::to_string(++asked); }});
  EXPECT_EQ(ReadAll(Ask()), "document 1");
  EXPECT_EQ(ReadAll(Ask()), "document 2");
}

// A document that is larger than a socket's buffer comes whole.
TEST_F(StatusSocketTest, GivesALargeDocumentWhole) {
  StartStatus({.document = Large});
  EXPECT_TRUE(ReadAll(Ask()) == Large());
}

// Readers that do not read are few at a time, and go when the patience ends.
TEST_F(StatusSocketTest, SlowReadersCostLittle) {
  std::string document = Large();
  StartStatus({.document = [&] { return document; },
               .patience = absl::Milliseconds(300)});
  std::vector<UniqueFd> silent;
  const int before = OpenDescriptors();
  for (int i = 0; i < 3 * StatusSocket::kMostReaders; ++i) {
    silent.push_back(Ask());
  }
  // They have 24 descriptors themselves, and of the server's 16: connections
  // and clocks.
  const int all = before + 3 * StatusSocket::kMostReaders;
  ASSERT_TRUE(Until([&] {
    const int open = OpenDescriptors();
    EXPECT_LE(open, all + 2 * StatusSocket::kMostReaders + 1);
    return open == all + 2 * StatusSocket::kMostReaders;
  }));
  ASSERT_TRUE(Until([&] { return OpenDescriptors() == all; }));
  document = "short";
  EXPECT_EQ(ReadAll(Ask()), document);
  // What a reader says is not listened to.
  const UniqueFd talking = Ask();
  ASSERT_TRUE(unix_socket::SendMessages(talking.get(),
                                        std::vector<unix_socket::Message>(8))
                  .ok());
  EXPECT_EQ(ReadAll(talking), document);
}

// Who goes without reading leaves nothing.
TEST_F(StatusSocketTest, ReadersMayGo) {
  StartStatus({.document = Large});
  const int before = OpenDescriptors();
  for (int i = 0; i < 100; ++i) {
    Ask();
    Settle();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// The document says what the server's status says.
TEST_F(StatusSocketTest, DocumentsAServer) {
  Start({.vectors = 2, .max_peers = 3});
  const auto client = Join();
  Join().reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  Settle();
  const Json json = Json::parse(StatusDocument(
      server_->status(),
      {.socket = "/so\xffket", .memory = "memfd", .memory_size = 4096}));
  EXPECT_EQ(json["socket"], "/so\ufffdket");
  EXPECT_EQ(json["memory"], "memfd");
  EXPECT_EQ(json["memory_size"], 4096);
  EXPECT_EQ(json["vectors"], 2);
  EXPECT_EQ(json["max_peers"], 3);
  EXPECT_EQ(json["counters"]["joined"], 2);
  EXPECT_EQ(json["counters"]["left"]["hung up"], 1);
  EXPECT_EQ(json["counters"]["left"]["stalled"], 0);
  EXPECT_EQ(json["counters"]["refused"]["full"], 0);
  // Greetings of 3; of itself; of the other and itself; of the other, and that
  // it has gone.
  EXPECT_EQ(json["counters"]["messages"], 2 * 3 + 2 + 4 + 3);
  ASSERT_EQ(json["peers"].size(), 1);
  EXPECT_EQ(json["peers"][0]["peer"], 0);
  EXPECT_EQ(json["peers"][0]["pid"], getpid());
  EXPECT_GT(json["peers"][0]["unread_bytes"], 0);
  EXPECT_EQ(json["peers"][0]["queued"], 0);
}

}  // namespace
}  // namespace ivshmem::server
