// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How connections come about and who is at their ends. What they carry has
// tests of its own.

#include "backends/linux/unix_socket.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "backends/linux/descriptor_limit.h"
#include "backends/linux/identity.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::unix_socket {
namespace {

using ::testing::HasSubstr;

class UnixSocketTest : public testing::Test {
 protected:
  UnixSocketTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/socket";
  }
  ~UnixSocketTest() override {
    unlink(path_.c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
    EXPECT_EQ(OpenFds(), before_);
  }

  static mode_t ModeOf(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(lstat(path.c_str(), &status), 0);
    return status.st_mode;
  }

  static void ExpectFresh(int fd) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  }

  // A name that no other test has.
  static std::string Name() {
    return absl::StrCat("ivshmem-test-", RandomIdentity());
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::string directory_ = "/tmp/ivshmem.XXXXXX";
  std::string path_;
};

// Who connects is accepted; all three sockets are non-blocking and closed on
// exec.
TEST_F(UnixSocketTest, Connects) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  ExpectFresh(listener->get());
  const absl::StatusOr<UniqueFd> client = Connect(path_, {});
  ASSERT_TRUE(client.ok()) << client.status();
  ExpectFresh(client->get());
  const absl::StatusOr<UniqueFd> server = Accept(listener->get());
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(server->valid());
  ExpectFresh(server->get());
  ASSERT_EQ(send(client->get(), "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(recv(server->get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
}

// Without anybody who waits there is no connection, and nobody waits for one.
TEST_F(UnixSocketTest, NobodyToAccept) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::StatusOr<UniqueFd> none = Accept(listener->get());
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->valid());
}

// Out of descriptors, Accept says so; the connection waits until there are
// some.
TEST_F(UnixSocketTest, AcceptWithoutDescriptors) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  const absl::StatusOr<UniqueFd> client = Connect(path_, {});
  ASSERT_TRUE(client.ok()) << client.status();
  {
    const DescriptorLimit limit(0);
    EXPECT_EQ(Accept(listener->get()).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
  const absl::StatusOr<UniqueFd> server = Accept(listener->get());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(server->valid());
}

// What is no listener is an error.
TEST_F(UnixSocketTest, AcceptFromNoListener) {
  EXPECT_FALSE(Accept(-1).ok());
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(Accept(file.get()).ok());
}

// The file has exactly the permission bits that were asked for, whatever the
// umask, which stays what it was.
TEST_F(UnixSocketTest, Mode) {
  for (const mode_t mask : {0, 022, 077, 0777}) {
    for (const mode_t mode : {0600, 0660, 0666, 0777, 0000}) {
      const mode_t before = umask(mask);
      const absl::StatusOr<UniqueFd> listener = Listen(path_, mode);
      EXPECT_EQ(umask(before), mask);
      ASSERT_TRUE(listener.ok()) << listener.status();
      EXPECT_EQ(ModeOf(path_), S_IFSOCK | mode) << std::oct << mask;
      unlink(path_.c_str());
    }
  }
}

// What makes that so from the first moment: Linux gives the file of a socket
// the socket's own bits, without the umask's.
TEST_F(UnixSocketTest, KernelTakesTheModeOfTheSocket) {
  const mode_t before = umask(0);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(fchmod(fd.get(), 0600), 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  umask(before);
  EXPECT_EQ(ModeOf(path_), S_IFSOCK | mode_t{0600});
}

// So where the umask takes nothing, the mode is never changed afterwards: there
// is no moment in which it is another.
TEST_F(UnixSocketTest, ModeFromTheFirstMoment) {
  const UniqueFd events(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(inotify_add_watch(events.get(), directory_.c_str(), IN_ATTRIB), 0);
  const mode_t before = umask(0);
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  umask(before);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::array<char, 4096> buffer;
  EXPECT_EQ(read(events.get(), buffer.data(), buffer.size()), -1);
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);  // That would have been seen.
  EXPECT_GT(read(events.get(), buffer.data(), buffer.size()), 0);
}

// Permission bits are all that a mode is.
TEST_F(UnixSocketTest, WrongMode) {
  for (const mode_t mode : {01000, 04755, 010600}) {
    const absl::Status status = Listen(path_, mode).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("socket mode"));
    EXPECT_NE(access(path_.c_str(), F_OK), 0);
  }
}

// Whatever exists at the path is left alone: a file, and a socket, be it in use
// or not.
TEST_F(UnixSocketTest, ListenWhereSomethingExists) {
  std::ofstream(path_) << "precious";
  absl::Status status = Listen(path_, 0600).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_THAT(status.message(), HasSubstr(path_));
  EXPECT_TRUE(S_ISREG(ModeOf(path_)));
  unlink(path_.c_str());

  absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (int i = 0; i < 2; ++i) {
    status = Listen(path_, 0666).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
    EXPECT_EQ(ModeOf(path_), S_IFSOCK | mode_t{0600});
    listener->Reset();
  }
}

TEST_F(UnixSocketTest, ListenInNoFolder) {
  const absl::Status status = Listen(directory_ + "/no/socket", 0600).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(status.message(), HasSubstr("/no/socket"));
}

// A path has 1 to 107 bytes, none of them zero.
TEST_F(UnixSocketTest, LengthsOfPaths) {
  const std::string longest = directory_ + "/" + std::string(106 - 19, 'x');
  ASSERT_EQ(longest.size(), 107U);
  {
    const absl::StatusOr<UniqueFd> listener = Listen(longest, 0600);
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_EQ(ModeOf(longest), S_IFSOCK | mode_t{0600});
    const absl::StatusOr<UniqueFd> client = Connect(longest, {});
    EXPECT_TRUE(client.ok()) << client.status();
    unlink(longest.c_str());
  }
  for (const std::string& path :
       {longest + "x", std::string(5000, 'x'), std::string(),
        std::string("\0abstract", 9), path_ + std::string("\0x", 2)}) {
    for (const absl::Status& status :
         {Listen(path, 0600).status(), Connect(path, {}).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
      EXPECT_THAT(status.message(),
                  HasSubstr("socket path: expected 1 to 107 bytes"));
      EXPECT_THAT(status.message(), HasSubstr(absl::StrCat(path.size())));
    }
  }
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

// Why there is no connection: no file, nobody who listens (any more, or there
// is no socket at all), a listener whose queue is full.
TEST_F(UnixSocketTest, ConnectErrors) {
  absl::Status status = Connect(path_, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(status.message(), HasSubstr(path_));

  std::ofstream(path_) << "no socket";
  status = Connect(path_, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  unlink(path_.c_str());

  EXPECT_TRUE(Listen(path_, 0600).ok());  // Closed again.
  status = Connect(path_, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr(path_ + ": nobody listens"));
  unlink(path_.c_str());

  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ(listen(listener->get(), 0), 0);
  std::vector<UniqueFd> clients;
  absl::StatusOr<UniqueFd> client = Connect(path_, {});
  while (client.ok() && clients.size() < 10) {
    clients.push_back(*std::move(client));
    client = Connect(path_, {});
  }
  EXPECT_EQ(client.status().code(), absl::StatusCode::kResourceExhausted)
      << client.status();
  EXPECT_THAT(client.status().message(), HasSubstr(path_));
  // A later try succeeds.
  EXPECT_TRUE(Accept(listener->get())->valid());
  EXPECT_TRUE(Connect(path_, {}).ok());
}

// A queue has room for many who come at once.
TEST_F(UnixSocketTest, Queue) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 100; ++i) {
    absl::StatusOr<UniqueFd> client = Connect(path_, {});
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
  }
}

// A client may have a name, which the server sees; without one it is "".
TEST_F(UnixSocketTest, Names) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  for (const std::string& name :
       {std::string(), Name(), std::string("\0\0x", 3) + Name(),
        Name() + std::string(107 - Name().size(), 'x')}) {
    const absl::StatusOr<UniqueFd> client =
        name.empty() ? Connect(path_, {}) : Connect(path_, name);
    ASSERT_TRUE(client.ok()) << client.status();
    const absl::StatusOr<UniqueFd> server = Accept(listener->get());
    EXPECT_EQ(PeerName(server->get()), name);
    // The server's own name is a path, not an abstract one.
    EXPECT_EQ(PeerName(client->get()), "");
  }
  EXPECT_EQ(PeerName(listener->get()), "");
  EXPECT_EQ(PeerName(-1), "");
}

// A name is one socket's at a time.
TEST_F(UnixSocketTest, NameIsTaken) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  const std::string name = Name();
  absl::StatusOr<UniqueFd> first = Connect(path_, name);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status status = Connect(path_, name).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_THAT(status.message(), HasSubstr(name));
  EXPECT_TRUE(Connect(path_, Name()).ok());
  first->Reset();
  EXPECT_TRUE(Connect(path_, name).ok());
}

// A name has 1 to 107 bytes.
TEST_F(UnixSocketTest, LengthsOfNames) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  for (const std::string& name : {std::string(), std::string(108, 'x')}) {
    const absl::Status status = Connect(path_, name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.message(),
                HasSubstr("socket name: expected 1 to 107 bytes"));
  }
}

// Who made the connection.
TEST_F(UnixSocketTest, Credentials) {
  const absl::StatusOr<UniqueFd> listener = Listen(path_, 0600);
  const absl::StatusOr<UniqueFd> client = Connect(path_, {});
  const absl::StatusOr<UniqueFd> server = Accept(listener->get());
  for (const int fd : {client->get(), server->get()}) {
    const absl::StatusOr<struct Credentials> peer = PeerCredentials(fd);
    ASSERT_TRUE(peer.ok()) << peer.status();
    EXPECT_EQ(peer->pid, getpid());
    EXPECT_EQ(peer->uid, geteuid());
    EXPECT_EQ(peer->gid, getegid());
  }
  EXPECT_FALSE(PeerCredentials(-1).ok());
}

}  // namespace
}  // namespace ivshmem::unix_socket
