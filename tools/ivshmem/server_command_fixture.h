// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SERVER_COMMAND_FIXTURE_H_
#define IVSHMEM_TOOLS_IVSHMEM_SERVER_COMMAND_FIXTURE_H_

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/identity.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"
#include "server/test_client.h"
#include "tools/ivshmem/test_process.h"

namespace ivshmem::tool {

// `ivshmem server` as a process, and clients of it.
class ServerCommandTest : public testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  ~ServerCommandTest() override { shm_unlink(shm_.c_str()); }

  [[nodiscard]] static bool Until(const std::function<bool()>& condition) {
    const absl::Time end = absl::Now() + absl::Seconds(50);
    while (!condition()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  Arguments With(const Arguments& more) const {
    Arguments all = {"server", "--socket", socket_};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // Starts a server and waits until it listens.
  std::unique_ptr<Process> Serve(const Arguments& more = {},
                                 Process::Options options = {}) {
    auto process = std::make_unique<Process>(With(more), std::move(options));
    EXPECT_TRUE(Until([&] { return Listens(); })) << process->err();
    return process;
  }
  // Whether a socket is there, without a connection that the server would see.
  bool Listens() const {
    const UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    socket_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return connect(probe.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) != 0 &&
           errno == EPROTOTYPE;
  }

  // Joins and is told of itself.
  std::unique_ptr<server::TestClient> Join(
      const std::optional<std::string>& identity = std::nullopt) const {
    std::optional<std::string> name;
    if (identity.has_value()) name = IdentityName(*identity);
    absl::StatusOr<UniqueFd> socket;
    EXPECT_TRUE(Until([&] {
      socket = unix_socket::Connect(socket_, name);
      return socket.ok();
    })) << socket.status();
    auto client = std::make_unique<server::TestClient>(
        socket.ok() ? *std::move(socket) : UniqueFd());
    EXPECT_TRUE(Until([&] {
      client->Read();
      return client->closed() ||
             (client->joined() && client->peers().contains(*client->id()));
    }));
    return client;
  }

  // How it ends, which must be with status 2 and one line.
  static std::string Error(const Arguments& arguments,
                           Process::Options options = {}) {
    Process process(arguments, std::move(options));
    EXPECT_EQ(process.Wait(), 2);
    std::string line = process.err();
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_EQ(process.out(), "");
    return line;
  }

  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static bool ShmExists(const std::string& name) {
    return std::filesystem::exists("/dev/shm/" + name);
  }

  const server::ShortDirectory directory_;
  const std::string socket_ = directory_.File("socket");
  const std::string state_ = directory_.File("state");
  // Other tests run at the same time, with the same process ids in their
  // sandboxes.
  const std::string shm_ = "ivshmem_test_" + RandomIdentity();
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SERVER_COMMAND_FIXTURE_H_
