// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// With the real libraries, on a machine without Xen.

#include "backends/ioreq/xen/libraries.h"

#include <dirent.h>
#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::HasSubstr;

int OpenDescriptors() {
  int count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// The error names what could not be opened, and for whom. Nothing is written
// to stderr, which is the embedder's, and nothing stays open.
TEST(XenLibrariesTest, WithoutXen) {
  if (access("/dev/xen/privcmd", F_OK) == 0) GTEST_SKIP() << "there is a Xen";
  const int before = OpenDescriptors();
  testing::internal::CaptureStderr();
  const auto libraries = Libraries::Open(7);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(libraries.ok());
  EXPECT_THAT(libraries.status().message(),
              HasSubstr("opening libxendevicemodel for domain 7"));
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace ivshmem::xen
