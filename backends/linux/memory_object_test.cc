// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Objects of all kinds, and mapping them. What is adopted and what consists of
// huge pages have tests of their own.

#include "backends/linux/memory_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "backends/linux/identity.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
// More than 32 bits, and no power of two.
constexpr uint64_t kBig = (uint64_t{4} << 30) + kPage;

// A pattern of `size`'s own, so that what was taken is told from what was made.
void ExpectWritable(const MemoryObject& object) {
  absl::StatusOr<MappedMemory> mapped = object.Map();
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const SharedMemory view = mapped->view();
  ASSERT_EQ(view.size, object.size());
  view.data[0] = 1;
  view.data[view.size - 1] = 2;
  // The same memory, seen twice.
  absl::StatusOr<MappedMemory> again = object.Map();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_NE(again->view().data, view.data);
  EXPECT_EQ(again->view().data[0], 1);
  EXPECT_EQ(again->view().data[view.size - 1], 2);
}

class MemoryObjectTest : public testing::Test {
 protected:
  MemoryObjectTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/memory";
  }
  ~MemoryObjectTest() override {
    shm_unlink(shm_.c_str());
    unlink(path_.c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
    EXPECT_EQ(OpenFds(), before_);
  }

  static int64_t SizeOf(const std::string& path) {
    struct stat status;
    return stat(path.c_str(), &status) == 0 ? status.st_size : -1;
  }

  static void ExpectInvalid(const absl::StatusOr<MemoryObject>& object,
                            const std::string& expected,
                            const std::string& came) {
    EXPECT_EQ(object.status().code(), absl::StatusCode::kInvalidArgument)
        << object.status();
    EXPECT_THAT(object.status().message(),
                AllOf(HasSubstr(expected), HasSubstr(came)));
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::string directory_ = "/tmp/ivshmem.XXXXXX";
  std::string path_;
  const std::string shm_ = absl::StrCat("/ivshmem-test-", RandomIdentity());
};

// Anonymous memory of exactly the size, zero, new, sealed, closed on exec.
TEST_F(MemoryObjectTest, Memfd) {
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(3 * kPage);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->size(), 3 * kPage);
  EXPECT_TRUE(object->sealed());
  EXPECT_TRUE(object->created());
  EXPECT_EQ(fcntl(object->fd(), F_GETFD), FD_CLOEXEC);
  const absl::StatusOr<MappedMemory> mapped = object->Map();
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(std::count(mapped->view().data, mapped->view().data + 3 * kPage, 0),
            static_cast<int64_t>(3 * kPage));
  ExpectWritable(*object);
}

// Nobody can shrink it, grow it, or add seals (which could forbid writing).
TEST_F(MemoryObjectTest, MemfdIsSealed) {
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(2 * kPage);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_NE(ftruncate(object->fd(), kPage), 0);
  EXPECT_NE(ftruncate(object->fd(), 3 * kPage), 0);
  EXPECT_NE(fcntl(object->fd(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  EXPECT_EQ(lseek(object->fd(), 0, SEEK_END), 2 * off_t{kPage});
}

// Sizes have 64 bits, in all kinds; the last byte is there.
TEST_F(MemoryObjectTest, MoreThanFourGigabytes) {
  const absl::StatusOr<MemoryObject> memfd = MemoryObject::Memfd(kBig);
  const absl::StatusOr<MemoryObject> shm = MemoryObject::Shm(shm_, kBig);
  const absl::StatusOr<MemoryObject> file = MemoryObject::File(path_, kBig);
  for (const auto* object : {&memfd, &shm, &file}) {
    ASSERT_TRUE(object->ok()) << object->status();
    EXPECT_EQ((*object)->size(), kBig);
    struct stat status;
    ASSERT_EQ(fstat((*object)->fd(), &status), 0);
    EXPECT_EQ(status.st_size, static_cast<off_t>(kBig));
    ExpectWritable(**object);
  }
}

// A size is a multiple of a page, not 0, and fits in off_t. Nothing is made
// for one that is wrong.
TEST_F(MemoryObjectTest, WrongSizes) {
  struct Case {
    uint64_t size;
    const char* expected;
  };
  for (const auto& [size, expected] :
       {Case{0, "multiple of 4096"}, Case{1, "multiple of 4096"},
        Case{kPage - 1, "multiple of 4096"},
        Case{kPage + 1, "multiple of 4096"},
        Case{std::numeric_limits<uint64_t>::max(), "multiple of 4096"},
        Case{uint64_t{1} << 63, "at most 9223372036854775807"},
        Case{0 - kPage, "at most 9223372036854775807"}}) {
    const std::string came = absl::StrCat("got ", size);
    ExpectInvalid(MemoryObject::Memfd(size), expected, came);
    ExpectInvalid(MemoryObject::Shm(shm_, size), expected, came);
    ExpectInvalid(MemoryObject::File(path_, size), expected, came);
    EXPECT_EQ(SizeOf("/dev/shm" + shm_), -1);
    EXPECT_EQ(SizeOf(path_), -1);
  }
}

// A size that the filesystem cannot have is an error that says so, and leaves
// nothing.
TEST_F(MemoryObjectTest, SizeThatNoFileHas) {
  constexpr uint64_t kHuge = std::numeric_limits<int64_t>::max() - kPage + 1;
  const absl::StatusOr<MemoryObject> file = MemoryObject::File(path_, kHuge);
  if (file.ok()) {
    EXPECT_EQ(file->size(), kHuge);
    const absl::StatusOr<MappedMemory> mapped = file->Map();
    EXPECT_EQ(mapped.status().code(), absl::StatusCode::kResourceExhausted)
        << mapped.status();
    EXPECT_THAT(mapped.status().message(), HasSubstr(absl::StrCat(kHuge)));
    return;
  }
  EXPECT_THAT(file.status().message(), HasSubstr(absl::StrCat(kHuge)));
  EXPECT_EQ(SizeOf(path_), -1);
}

// A name with and without its slash is the same object; the first who comes
// makes it, its owner's alone, and others take it with what it holds.
TEST_F(MemoryObjectTest, Shm) {
  const absl::StatusOr<MemoryObject> first =
      MemoryObject::Shm(shm_.substr(1), 2 * kPage);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->created());
  EXPECT_FALSE(first->sealed());
  EXPECT_EQ(fcntl(first->fd(), F_GETFD), FD_CLOEXEC);
  struct stat status;
  ASSERT_EQ(stat(("/dev/shm" + shm_).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFREG | mode_t{0600});
  first->Map()->view().data[7] = 42;

  const absl::StatusOr<MemoryObject> second =
      MemoryObject::Shm(shm_, 2 * kPage);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->created());
  EXPECT_EQ(second->size(), 2 * kPage);
  EXPECT_EQ(second->Map()->view().data[7], 42);
  EXPECT_TRUE(second->identity() == first->identity());
}

// Names that are none, or of something elsewhere.
TEST_F(MemoryObjectTest, ShmNames) {
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("a/b"),
        std::string("/a/b"), std::string("//a"), std::string("../tmp"),
        std::string("."), std::string("/.."), std::string(256, 'x'),
        std::string("a\0b", 3)}) {
    ExpectInvalid(
        MemoryObject::Shm(name, kPage), "shm name: expected",
        "got '" + std::string(name.size() == 3 && name[1] == '\0' ? "a\\000b"
                                                                  : name));
  }
  std::string longest = RandomIdentity();
  longest.resize(255, 'x');
  EXPECT_TRUE(MemoryObject::Shm(longest, kPage).ok());
  EXPECT_EQ(shm_unlink(longest.c_str()), 0);
}

// A file, likewise.
TEST_F(MemoryObjectTest, File) {
  const absl::StatusOr<MemoryObject> first =
      MemoryObject::File(path_, 2 * kPage);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->created());
  EXPECT_FALSE(first->sealed());
  EXPECT_EQ(fcntl(first->fd(), F_GETFD), FD_CLOEXEC);
  // What it was opened with, so that opening a device would not have waited.
  EXPECT_NE(fcntl(first->fd(), F_GETFL) & O_NONBLOCK, 0);
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFREG | mode_t{0600});
  ExpectWritable(*first);

  const absl::StatusOr<MemoryObject> second =
      MemoryObject::File(path_, 2 * kPage);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->created());
  EXPECT_EQ(second->Map()->view().data[0], 1);
  EXPECT_TRUE(second->identity() == first->identity());
}

// What exists with another size is refused, with both sizes, and untouched.
TEST_F(MemoryObjectTest, OtherSize) {
  ASSERT_TRUE(MemoryObject::File(path_, 2 * kPage).ok());
  ASSERT_TRUE(MemoryObject::Shm(shm_, 2 * kPage).ok());
  for (const uint64_t size : {kPage, 4 * kPage}) {
    const std::string expected =
        absl::StrCat("expected an object of ", size, " bytes");
    ExpectInvalid(MemoryObject::File(path_, size), expected, "got one of 8192");
    ExpectInvalid(MemoryObject::File(path_, size), path_, "");
    ExpectInvalid(MemoryObject::Shm(shm_, size), expected, "got one of 8192");
    ExpectInvalid(MemoryObject::Shm(shm_, size), shm_, "");
  }
  EXPECT_EQ(SizeOf(path_), 2 * int64_t{kPage});
  EXPECT_EQ(SizeOf("/dev/shm" + shm_), 2 * int64_t{kPage});
}

// What exists with no size yet (another has just made it) gets its size; it was
// there before, and stays when something is wrong.
TEST_F(MemoryObjectTest, NoSizeYet) {
  const UniqueFd maker(
      open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0640));
  EXPECT_FALSE(MemoryObject::File(path_, kPage + 1).ok());
  EXPECT_EQ(SizeOf(path_), 0);
  const absl::StatusOr<MemoryObject> object = MemoryObject::File(path_, kPage);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(SizeOf(path_), int64_t{kPage});
  EXPECT_FALSE(object->created());
  ExpectWritable(*object);
}

// A symbolic link is followed.
TEST_F(MemoryObjectTest, SymbolicLink) {
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  const absl::Status status = MemoryObject::File(link, kPage).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("symbolic link to nothing"));

  ASSERT_TRUE(MemoryObject::File(path_, kPage).ok());
  const absl::StatusOr<MemoryObject> object = MemoryObject::File(link, kPage);
  EXPECT_TRUE(object.ok()) << object.status();
  unlink(link.c_str());
}

// What is no regular file is refused, and nobody waits for it: a pipe, a
// device, a folder, a socket.
TEST_F(MemoryObjectTest, NoRegularFile) {
  // By a link: broken code must not remove the device itself.
  ASSERT_EQ(symlink("/dev/null", path_.c_str()), 0);
  ExpectInvalid(MemoryObject::File(path_, kPage), path_, "got a device");
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);  // Still there.
  unlink(path_.c_str());
  const absl::Status folder = MemoryObject::File(directory_, kPage).status();
  EXPECT_FALSE(folder.ok());
  EXPECT_THAT(folder.message(), HasSubstr(directory_));

  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectInvalid(MemoryObject::File(path_, kPage), path_, "got a pipe");
  unlink(path_.c_str());

  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  std::strcpy(address.sun_path, path_.c_str());  // NOLINT: shorter.
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof(address)),
            0);
  const absl::Status status = MemoryObject::File(path_, kPage).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(path_));
  EXPECT_EQ(SizeOf(path_), 0);  // Still there.
}

// A path that leads nowhere, or is none.
TEST_F(MemoryObjectTest, Paths) {
  EXPECT_EQ(MemoryObject::File(directory_ + "/no/file", kPage).status().code(),
            absl::StatusCode::kNotFound);
  ExpectInvalid(MemoryObject::File("", kPage), "file ''", "expected a path");
  ExpectInvalid(MemoryObject::File(path_ + std::string("\0x", 2), kPage),
                "memory\\000x", "expected a path");
}

// Many who come at once get one object, which one of them made, of the whole
// size.
TEST_F(MemoryObjectTest, ManyAtOnce) {
  for (int round = 0; round < 50; ++round) {
    std::vector<absl::StatusOr<MemoryObject>> objects;
    for (int i = 0; i < 4; ++i) objects.emplace_back(absl::UnknownError(""));
    std::vector<std::thread> threads;
    for (auto& object : objects) {
      threads.emplace_back(
          [&] { object = MemoryObject::Shm(shm_, 2 * kPage); });
    }
    for (std::thread& thread : threads) thread.join();
    int created = 0;
    for (const auto& object : objects) {
      ASSERT_TRUE(object.ok()) << object.status();
      EXPECT_EQ(object->size(), 2 * kPage);
      EXPECT_TRUE(object->identity() == objects[0]->identity());
      created += object->created() ? 1 : 0;
    }
    EXPECT_EQ(created, 1);
    shm_unlink(shm_.c_str());
  }
}

// Different objects have different identities.
TEST_F(MemoryObjectTest, Identity) {
  const absl::StatusOr<MemoryObject> first = MemoryObject::Memfd(kPage);
  const absl::StatusOr<MemoryObject> second = MemoryObject::Memfd(kPage);
  const absl::StatusOr<MemoryObject> file = MemoryObject::File(path_, kPage);
  EXPECT_FALSE(first->identity() == second->identity());
  EXPECT_FALSE(first->identity() == file->identity());
  EXPECT_NE(first->identity().inode, second->identity().inode);
  EXPECT_NE(first->identity().device, file->identity().device);
}

// Mapped memory keeps its address when it moves, outlives the object and its
// descriptor, and is unmapped with the last who has it.
TEST_F(MemoryObjectTest, MappedMemoryMoves) {
  const auto is_mapped = [](const void* at) {
    unsigned char resident;
    return mincore(const_cast<void*>(at), kPage, &resident) == 0;
  };
  MappedMemory mapped = *MemoryObject::Memfd(kPage)->Map();
  uint8_t* const data = mapped.view().data;
  data[0] = 1;
  {
    MappedMemory moved(std::move(mapped));
    EXPECT_EQ(mapped.view().data, nullptr);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(mapped.view().size, 0U);
    EXPECT_EQ(moved.view().data, data);
    MappedMemory other = *MemoryObject::Memfd(kPage)->Map();
    const uint8_t* const replaced = other.view().data;
    other = std::move(moved);
    EXPECT_EQ(moved.view().data, nullptr);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(other.view().data, data);
    EXPECT_EQ(other.view().size, kPage);
    EXPECT_FALSE(is_mapped(replaced));
    MappedMemory& same = other;
    other = std::move(same);
    EXPECT_EQ(other.view().data, data);
    EXPECT_EQ(data[0], 1);
  }
  EXPECT_FALSE(is_mapped(data));
}

}  // namespace
}  // namespace ivshmem
