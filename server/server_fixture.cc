// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/server_fixture.h"

#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "backends/linux/identity.h"

namespace ivshmem::server {

ShortDirectory::ShortDirectory() : path_("/tmp/ivshmem.XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

ShortDirectory::~ShortDirectory() { std::filesystem::remove_all(path_); }

ServerTest::ServerTest()
    : path_(directory_.File("socket")),
      loop_(*EventLoop::Create()),
      memory_(*MemoryObject::Memfd(4096)) {}

ServerTest::~ServerTest() = default;

void ServerTest::Start(Server::Options options) {
  vectors_ = options.vectors;
  if (!listener_.valid()) {
    auto listener = unix_socket::Listen(path_, 0777);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  auto server = Server::Start(*loop_, listener_.get(), memory_.fd(),
                              std::move(options), &events_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

bool ServerTest::Until(const std::function<bool()>& condition,
                       absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > end) return false;
    loop_->Dispatch(absl::Milliseconds(10));
  }
  return true;
}

void ServerTest::Settle() {
  while (loop_->Dispatch(absl::Milliseconds(1)) > 0) {
  }
}

std::unique_ptr<TestClient> ServerTest::Connect(
    const std::optional<std::string>& identity) {
  std::optional<std::string> name;
  if (identity.has_value()) name = IdentityName(*identity);
  auto socket = unix_socket::Connect(path_, name);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return std::make_unique<TestClient>(socket.ok() ? *std::move(socket)
                                                  : UniqueFd());
}

std::unique_ptr<TestClient> ServerTest::Join(
    const std::optional<std::string>& identity) {
  auto client = Connect(identity);
  EXPECT_TRUE(Until([&] {
    client->Read();
    return client->closed() || (client->id().has_value() &&
                                client->peers().contains(*client->id()) &&
                                client->peers().at(*client->id()) == vectors_);
  }));
  EXPECT_TRUE(client->error().ok()) << client->error();
  return client;
}

bool ServerTest::UntilAllKnow(
    const std::vector<std::unique_ptr<TestClient>>& clients,
    absl::Duration patience) {
  std::vector<pollfd> sockets;
  for (const auto& client : clients) {
    sockets.push_back({.fd = client->fd(), .events = POLLIN, .revents = 0});
  }
  const auto all_told = [&] {
    bool all = true;
    // Of a thousand, few have something to read.
    poll(sockets.data(), sockets.size(), 0);
    for (size_t i = 0; i < clients.size(); ++i) {
      const auto& client = clients[i];
      if (sockets[i].revents != 0) client->Read();
      EXPECT_TRUE(client->error().ok()) << client->error();
      EXPECT_FALSE(client->closed());
      if (!client->error().ok() || client->closed()) return false;
      all = all && client->joined() &&
            client->peers().size() == clients.size() &&
            client->vectors() == clients.size() * vectors_;
    }
    return all;
  };
  return Until(all_told, patience) &&
         std::all_of(clients.begin(), clients.end(), [&](const auto& client) {
           return std::all_of(
               client->peers().begin(), client->peers().end(),
               [&](const auto& peer) { return peer.second == vectors_; });
         });
}

}  // namespace ivshmem::server
