// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_SERVER_FIXTURE_H_
#define IVSHMEM_SERVER_SERVER_FIXTURE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "gtest/gtest.h"
#include "server/server.h"
#include "server/test_client.h"

namespace ivshmem::server {

// What must happen has so long; nothing waits for it to pass.
inline constexpr absl::Duration kPatience = absl::Seconds(50);

// A directory of its own, with a path short enough for sockets.
class ShortDirectory {
 public:
  ShortDirectory();
  ~ShortDirectory();

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// What a server told, in order.
class RecordedEvents : public ServerEvents {
 public:
  void OnJoined(PeerId peer, const Credentials& /*who*/) override {
    joined.push_back(peer);
  }
  void OnLeft(PeerId peer, const Credentials& /*who*/, Departure why) override {
    left.emplace_back(peer, why);
  }
  void OnAway(PeerId peer, const Credentials& /*who*/) override {
    away.push_back(peer);
  }
  void OnReturned(PeerId peer, const Credentials& /*who*/) override {
    returned.push_back(peer);
  }
  void OnRefused(const Credentials& /*who*/, Refusal why) override {
    refused.push_back(why);
  }
  void OnTrouble(const absl::Status& why) override { trouble.push_back(why); }

  std::vector<PeerId> joined;
  std::vector<PeerId> away;
  std::vector<PeerId> returned;
  std::vector<std::pair<PeerId, Departure>> left;
  std::vector<Refusal> refused;
  std::vector<absl::Status> trouble;
};

// A server whose loop the test drives.
class ServerTest : public testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  void Start(Server::Options options);
  void StopServer() { server_.reset(); }

  // Runs the loop until `condition` holds.
  [[nodiscard]] bool Until(const std::function<bool()>& condition,
                           absl::Duration patience = kPatience);
  // Runs the loop until there is nothing to do.
  void Settle();

  // A client that has connected and reads when it is told to.
  std::unique_ptr<TestClient> Connect(
      const std::optional<std::string>& identity = std::nullopt);
  // One that has read its greeting and knows itself.
  std::unique_ptr<TestClient> Join(
      const std::optional<std::string>& identity = std::nullopt);
  // Runs the loop until all of them know all of them, and nobody else.
  [[nodiscard]] bool UntilAllKnow(
      const std::vector<std::unique_ptr<TestClient>>& clients,
      absl::Duration patience = kPatience);

  const ShortDirectory directory_;
  const std::string path_;
  std::unique_ptr<EventLoop> loop_;
  const MemoryObject memory_;
  RecordedEvents events_;
  int vectors_ = 1;
  UniqueFd listener_;
  std::unique_ptr<Server> server_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_SERVER_FIXTURE_H_
