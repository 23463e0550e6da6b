// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Memory that came from elsewhere: nothing about it may be trusted.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;

class MemoryObjectAdoptTest : public testing::Test {
 protected:
  ~MemoryObjectAdoptTest() override { EXPECT_EQ(OpenFds(), before_); }

  // A memfd that may be sealed.
  static UniqueFd Memory(off_t size) {
    UniqueFd fd(memfd_create("test", MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(fd.get(), size), 0);
    return fd;
  }

  static void ExpectInvalid(UniqueFd fd, std::optional<uint64_t> size,
                            const std::string& message) {
    const int number = fd.get();
    const absl::Status status =
        MemoryObject::Adopt(std::move(fd), size).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.message(), HasSubstr("memory: "));
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_FALSE(OpenFds().contains(number));
  }

  const std::map<int, std::string> before_ = OpenFds();
};

// It has the size that it has, existed before, and is the same memory.
TEST_F(MemoryObjectAdoptTest, TakesMemory) {
  UniqueFd fd = Memory(3 * kPage);
  ASSERT_EQ(pwrite(fd.get(), "x", 1, 3 * kPage - 1), 1);
  const int number = fd.get();
  const absl::StatusOr<MemoryObject> object =
      MemoryObject::Adopt(std::move(fd));
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->fd(), number);
  EXPECT_EQ(object->size(), 3 * kPage);
  EXPECT_FALSE(object->created());
  EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(object->Map()->view().data[3 * kPage - 1], 'x');
}

// An object is known again, whoever opened it.
TEST_F(MemoryObjectAdoptTest, Identity) {
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(kPage);
  const std::string again = absl::StrCat("/proc/self/fd/", object->fd());
  const absl::StatusOr<MemoryObject> other =
      MemoryObject::Adopt(UniqueFd(open(again.c_str(), O_RDWR | O_CLOEXEC)));
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(other->identity() == object->identity());
  EXPECT_TRUE(other->sealed());
}

// Sealed means that nobody can shrink it; other seals are not that.
TEST_F(MemoryObjectAdoptTest, Sealed) {
  struct Case {
    int seals;
    bool sealed;
  };
  for (const auto& [seals, sealed] :
       {Case{0, false}, Case{F_SEAL_GROW, false}, Case{F_SEAL_SEAL, false},
        Case{F_SEAL_SHRINK, true}, Case{F_SEAL_SHRINK | F_SEAL_GROW, true}}) {
    UniqueFd fd = Memory(kPage);
    ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    const absl::StatusOr<MemoryObject> object =
        MemoryObject::Adopt(std::move(fd));
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->sealed(), sealed) << seals;
  }
}

// Where a size is expected, it is exactly that.
TEST_F(MemoryObjectAdoptTest, ExpectedSize) {
  EXPECT_TRUE(MemoryObject::Adopt(Memory(2 * kPage), 2 * kPage).ok());
  ExpectInvalid(Memory(2 * kPage), kPage,
                "expected an object of 4096 bytes, got one of 8192");
  ExpectInvalid(Memory(2 * kPage), 4 * kPage,
                "expected an object of 16384 bytes, got one of 8192");
  ExpectInvalid(Memory(2 * kPage), 0,
                "expected an object of 0 bytes, got one of 8192");
}

// Memory without a size, or whose last page is not whole, is refused. The
// message names what is wrong.
TEST_F(MemoryObjectAdoptTest, SizesThatCannotBeMapped) {
  ExpectInvalid(Memory(0), {}, "a multiple of 4096 bytes");
  ExpectInvalid(Memory(0), {}, "got 0");
  ExpectInvalid(Memory(1), {}, "got 1");
  ExpectInvalid(Memory(kPage + 1), {}, "got 4097");
}

// What cannot be both read and written is not memory to share.
TEST_F(MemoryObjectAdoptTest, ReadOnly) {
  const UniqueFd fd = Memory(kPage);
  const std::string again = absl::StrCat("/proc/self/fd/", fd.get());
  for (const int flags : {O_RDONLY, O_WRONLY, O_PATH}) {
    ExpectInvalid(UniqueFd(open(again.c_str(), flags | O_CLOEXEC)), {},
                  "open for reading and writing");
  }
}

// Nor is what is no memory at all.
TEST_F(MemoryObjectAdoptTest, NoMemory) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  const UniqueFd other_socket(sockets[1]);
  ExpectInvalid(UniqueFd(sockets[0]), {}, "got a socket");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd writer(ends[1]);
  ExpectInvalid(UniqueFd(ends[0]), {}, "got a pipe");
  ExpectInvalid(UniqueFd(open("/dev/zero", O_RDWR | O_CLOEXEC)), {},
                "got a device");
  ExpectInvalid(UniqueFd(open("/", O_RDONLY | O_CLOEXEC)), {},
                "got a directory");
  ExpectInvalid(UniqueFd(eventfd(0, EFD_CLOEXEC)), {}, "got no file");
}

TEST_F(MemoryObjectAdoptTest, NotOpen) {
  ExpectInvalid(UniqueFd(), {}, "descriptor -1, which is not open");
  ExpectInvalid(UniqueFd(1 << 20), {}, "descriptor 1048576, which is not open");
}

// Memory that was sealed against writing is refused when it is mapped.
TEST_F(MemoryObjectAdoptTest, SealedAgainstWriting) {
  UniqueFd fd = Memory(kPage);
  ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  const absl::StatusOr<MemoryObject> object =
      MemoryObject::Adopt(std::move(fd));
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->Map().status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace ivshmem
