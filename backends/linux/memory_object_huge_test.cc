// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Huge pages. Where the kernel gives none, the tests that need them say so and
// do nothing.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>

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

constexpr uint64_t kMega = uint64_t{1} << 20;
constexpr uint64_t kHuge = 2 * kMega;
constexpr char kSizes[] = "/sys/kernel/mm/hugepages";
// Of the default size. A sandbox may make /sys read-only.
constexpr char kNumber[] = "/proc/sys/vm/nr_hugepages";
constexpr char kPages[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/";

std::optional<int64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  int64_t number;
  if (file >> number) return number;
  return std::nullopt;
}

bool WriteNumber(const std::string& path, int64_t number) {
  std::ofstream file(path);
  file << number << std::flush;
  return file.good() && ReadNumber(path) == number;
}

class MemoryObjectHugeTest : public testing::Test {
 protected:
  ~MemoryObjectHugeTest() override {
    if (before_pages_.has_value()) {
      WriteNumber(kNumber, *before_pages_);
    }
    lock_.Reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  // Whether there are `count` free pages of 2 MiB, and no more.
  bool HaveFree(int64_t count) {
    const auto number = ReadNumber(kNumber);
    const auto free = ReadNumber(absl::StrCat(kPages, "free_hugepages"));
    if (!number.has_value() || !free.has_value()) return false;
    if (!before_pages_.has_value()) {
      // Another of these tests waits until this one has put the number back.
      lock_.Reset(open(kPages, O_RDONLY | O_CLOEXEC));
      flock(lock_.get(), LOCK_EX);
      before_pages_ = ReadNumber(kNumber);
      return HaveFree(count);
    }
    return WriteNumber(kNumber, *number - *free + count) &&
           ReadNumber(absl::StrCat(kPages, "free_hugepages")) == count;
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::optional<int64_t> before_pages_;
  UniqueFd lock_;
};

// The size of huge pages is a power of two, of at least 64 KiB.
TEST_F(MemoryObjectHugeTest, WrongPages) {
  for (const uint64_t page : {uint64_t{1}, uint64_t{4096}, uint64_t{32768},
                              3 * kMega, kHuge + 1, ~uint64_t{0}}) {
    const absl::Status status = MemoryObject::Memfd(6 * kMega, page).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                HasSubstr("expected a power of two of at least 65536 bytes"));
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("got ", page)));
  }
}

// The object consists of whole ones.
TEST_F(MemoryObjectHugeTest, WrongSizes) {
  for (const uint64_t size : {uint64_t{0}, kMega, 3 * kMega, kHuge + 4096}) {
    const absl::Status status = MemoryObject::Memfd(size, kHuge).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("a multiple of 2097152 bytes"));
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("got ", size)));
  }
}

// A size that this kernel's huge pages do not have is an error that says which
// they have.
TEST_F(MemoryObjectHugeTest, PagesThatTheKernelHasNot) {
  for (const uint64_t page :
       {uint64_t{1} << 17, uint64_t{1} << 35, uint64_t{1} << 62}) {
    const absl::Status status = MemoryObject::Memfd(page, page).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr(kSizes));
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("got ", page)));
    if (access(kPages, F_OK) == 0) {
      EXPECT_THAT(status.message(), HasSubstr("2097152"));
    } else if (access(kSizes, F_OK) != 0) {
      EXPECT_THAT(status.message(), HasSubstr("(none)"));
    }
  }
}

// Memory of huge pages is sealed memory like any other.
TEST_F(MemoryObjectHugeTest, Memfd) {
  if (!HaveFree(2)) GTEST_SKIP() << "cannot have two huge pages of 2 MiB";
  const absl::StatusOr<MemoryObject> object =
      MemoryObject::Memfd(2 * kHuge, kHuge);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->size(), 2 * kHuge);
  EXPECT_TRUE(object->sealed());
  const absl::StatusOr<MappedMemory> mapped = object->Map();
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapped->view().data) % kHuge, 0U);
  mapped->view().data[2 * kHuge - 1] = 1;
  EXPECT_EQ(ReadNumber(absl::StrCat(kPages, "free_hugepages")), 1);
}

// An adopted object's pages are known, too.
TEST_F(MemoryObjectHugeTest, Adopt) {
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(kHuge, kHuge);
  if (!object.ok()) GTEST_SKIP() << object.status();
  const absl::StatusOr<MemoryObject> adopted = MemoryObject::Adopt(
      UniqueFd(fcntl(object->fd(), F_DUPFD_CLOEXEC, 0)), kHuge);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->size(), kHuge);
  EXPECT_TRUE(adopted->sealed());
}

// When there are too few, mapping fails and says what it needs: nobody is
// killed at an access later.
TEST_F(MemoryObjectHugeTest, TooFew) {
  if (!HaveFree(1)) GTEST_SKIP() << "cannot have one huge page of 2 MiB";
  const absl::StatusOr<MemoryObject> object =
      MemoryObject::Memfd(2 * kHuge, kHuge);
  ASSERT_TRUE(object.ok()) << object.status();
  const absl::Status status = object->Map().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(),
              HasSubstr("expected 2 free huge pages of 2097152 bytes"));
  EXPECT_TRUE(MemoryObject::Memfd(kHuge, kHuge)->Map().ok());
}

// Files on hugetlbfs consist of its pages.
TEST_F(MemoryObjectHugeTest, File) {
  std::string directory = "/tmp/ivshmem.XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  if (mount("none", directory.c_str(), "hugetlbfs", 0, "pagesize=2M") != 0) {
    rmdir(directory.c_str());
    GTEST_SKIP() << "cannot mount hugetlbfs";
  }
  const std::string path = directory + "/memory";
  {
    const absl::Status status = MemoryObject::File(path, kMega).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("a multiple of 2097152 bytes"));
    EXPECT_NE(access(path.c_str(), F_OK), 0);
    const absl::StatusOr<MemoryObject> object = MemoryObject::File(path, kHuge);
    EXPECT_TRUE(object.ok()) << object.status();
    if (object.ok() && HaveFree(1)) {
      const absl::StatusOr<MappedMemory> mapped = object->Map();
      ASSERT_TRUE(mapped.ok()) << mapped.status();
      mapped->view().data[kHuge - 1] = 1;
    }
  }
  unlink(path.c_str());
  EXPECT_EQ(umount(directory.c_str()), 0);
  EXPECT_EQ(rmdir(directory.c_str()), 0);
}

}  // namespace
}  // namespace ivshmem
