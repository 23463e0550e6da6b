// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/listening_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/linux/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;

class ListeningSocketTest : public testing::Test {
 protected:
  // What a process that was killed leaves behind.
  void LeaveStaleSocket() {
    const auto fd = unix_socket::Listen(path_, 0777);
    ASSERT_TRUE(fd.ok()) << fd.status();
  }
  bool Connects() const {
    return unix_socket::Connect(path_, std::nullopt).ok();
  }
  static std::string Error(const absl::StatusOr<ListeningSocket>& socket) {
    EXPECT_EQ(socket.status().code(), absl::StatusCode::kAlreadyExists)
        << socket.status();
    return std::string(socket.status().message());
  }

  const ShortDirectory directory_;
  const std::string path_ = directory_.File("socket");
  const std::string lock_ = path_ + ".lock";
};

// Clients can connect; the file has the mode that was asked for, and both files
// go with the object.
// Clause: server-socket
TEST_F(ListeningSocketTest, ListensAndCleansUp) {
  {
    const auto socket = ListeningSocket::Listen(path_, 0621);
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_EQ(socket->path(), path_);
    EXPECT_TRUE(Connects());
    struct stat file;
    ASSERT_EQ(stat(path_.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & ALLPERMS, 0621u);
    EXPECT_TRUE(fs::exists(lock_));
  }
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// A second server on a live socket is refused, and the first does not notice.
TEST_F(ListeningSocketTest, RefusesASecondServer) {
  const auto first = ListeningSocket::Listen(path_, 0600);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Error(ListeningSocket::Listen(path_, 0600)),
              HasSubstr(path_ + ": another server serves it"));
  EXPECT_TRUE(Connects());
  EXPECT_TRUE(fs::exists(lock_));
  EXPECT_FALSE(ListeningSocket::Listen(path_, 0600).ok());
}

// A server that knows nothing of locks, as QEMU's, is not disturbed either: it
// does not even see a connection.
TEST_F(ListeningSocketTest, RefusesASocketThatAnotherProgramServes) {
  const auto live = unix_socket::Listen(path_, 0777);
  ASSERT_TRUE(live.ok());
  EXPECT_THAT(Error(ListeningSocket::Listen(path_, 0600)),
              HasSubstr("another process serves this socket"));
  EXPECT_FALSE(unix_socket::Accept(live->get())->valid());
  EXPECT_TRUE(Connects());
  EXPECT_FALSE(fs::exists(lock_));
}

// Nor is one whose queue of connections is full, or whose socket is of another
// type.
TEST_F(ListeningSocketTest, RefusesASocketOfAnotherKind) {
  const UniqueFd other(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(
      bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  EXPECT_THAT(Error(ListeningSocket::Listen(path_, 0600)),
              HasSubstr("another process serves this socket"));
  EXPECT_TRUE(fs::exists(path_));
}

// What a killed server left is taken over.
TEST_F(ListeningSocketTest, TakesOverAStaleSocket) {
  LeaveStaleSocket();
  ASSERT_FALSE(Connects());
  const auto socket = ListeningSocket::Listen(path_, 0600);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(Connects());
}

// ... also by a process that was killed and could remove neither file.
TEST_F(ListeningSocketTest, TakesOverWhatAKilledServerLeft) {
  const pid_t child = fork();
  if (child == 0) {
    const auto socket = ListeningSocket::Listen(path_, 0600);
    _exit(socket.ok() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(fs::exists(path_) && fs::exists(lock_));
  EXPECT_TRUE(ListeningSocket::Listen(path_, 0600).ok());
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// Other files are somebody's data.
TEST_F(ListeningSocketTest, TouchesNoOtherFile) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(Error(ListeningSocket::Listen(path_, 0600)),
              HasSubstr("expected a socket or nothing, got another file"));
  EXPECT_EQ(fs::file_size(path_), 8);
  fs::remove(path_);
  fs::create_symlink("/dev/null", path_);
  EXPECT_FALSE(ListeningSocket::Listen(path_, 0600).ok());
  EXPECT_TRUE(fs::is_symlink(path_));
  fs::remove(path_);
  fs::create_symlink("/etc/passwd", lock_);
  EXPECT_FALSE(ListeningSocket::Listen(path_, 0600).ok());
  EXPECT_TRUE(fs::is_symlink(lock_));
}

// A socket that somebody else has put there meanwhile is not removed at the
// end.
TEST_F(ListeningSocketTest, RemovesOnlyItsOwnSocket) {
  auto socket = std::make_optional(ListeningSocket::Listen(path_, 0600));
  ASSERT_TRUE(socket->ok());
  fs::remove(path_);
  const auto other = unix_socket::Listen(path_, 0777);
  ASSERT_TRUE(other.ok());
  socket.reset();
  EXPECT_TRUE(Connects());
}

// Of many that start at once on a stale socket, one wins, each time.
TEST_F(ListeningSocketTest, OneOfManyStartersWins) {
  for (int round = 0; round < 50; ++round) {
    LeaveStaleSocket();
    std::vector<std::optional<absl::StatusOr<ListeningSocket>>> sockets(4);
    std::vector<std::thread> starters;
    for (auto& socket : sockets) {
      starters.emplace_back(
          [&] { socket.emplace(ListeningSocket::Listen(path_, 0600)); });
    }
    for (std::thread& starter : starters) starter.join();
    int won = 0;
    for (const auto& socket : sockets) won += (*socket).ok() ? 1 : 0;
    ASSERT_EQ(won, 1) << "round " << round;
    ASSERT_TRUE(Connects());
    sockets.clear();
    ASSERT_TRUE(fs::is_empty(directory_.path()));
  }
}

// While others start and end on the same path, never do two serve at a time.
TEST_F(ListeningSocketTest, NeverTwoAtATime) {
  std::atomic<int> serving = 0;
  std::atomic<int> served = 0;
  std::vector<std::thread> starters;
  for (int i = 0; i < 4; ++i) {
    starters.emplace_back([&] {
      for (int round = 0; round < 1000; ++round) {
        const auto socket = ListeningSocket::Listen(path_, 0600);
        if (!socket.ok()) continue;
        EXPECT_EQ(++serving, 1);
        ++served;
        EXPECT_TRUE(Connects());
        --serving;
      }
    });
  }
  for (std::thread& starter : starters) starter.join();
  EXPECT_GT(served, 0);
}

// A listening socket that was handed in is served, and stays where it is.
TEST_F(ListeningSocketTest, AdoptsAListeningSocket) {
  auto listener = unix_socket::Listen(path_, 0600);
  ASSERT_TRUE(listener.ok());
  const int flags = fcntl(listener->get(), F_GETFL);
  ASSERT_EQ(fcntl(listener->get(), F_SETFL, flags & ~O_NONBLOCK), 0);
  {
    const auto socket = ListeningSocket::Adopt(*std::move(listener));
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_EQ(socket->path(), path_);
    EXPECT_NE(fcntl(socket->fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_TRUE(fs::exists(path_));
}

// What is no listening stream socket is refused.
TEST_F(ListeningSocketTest, AdoptsNothingElse) {
  std::vector<UniqueFd> others;
  others.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
  others.emplace_back(socket(AF_UNIX, SOCK_STREAM, 0));
  others.emplace_back(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  listen(others.back().get(), 1);
  others.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
  listen(others.back().get(), 1);
  others.emplace_back();
  for (UniqueFd& other : others) {
    const auto socket = ListeningSocket::Adopt(std::move(other));
    EXPECT_EQ(socket.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(socket.status().message()),
                HasSubstr("expected a listening UNIX stream socket"));
  }
}

// A path that does not fit a socket's address is named.
TEST_F(ListeningSocketTest, RefusesPathsOutOfRange) {
  for (const std::string& path : {std::string(), std::string(108, 'x')}) {
    const auto socket = ListeningSocket::Listen(path, 0600);
    EXPECT_EQ(socket.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(socket.status().message()),
                HasSubstr("expected 1 to 107 bytes"));
  }
}

}  // namespace
}  // namespace ivshmem::server
