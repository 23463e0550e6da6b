// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// BAR2: by its descriptor, by requests, and when somebody shrinks the file.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/file_block.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/model_fixture.h"
#include "gtest/gtest.h"
#include "testing/vfio_user/client.h"
#include "testing/vfio_user/served_model.h"

namespace ivshmem::vfio_user {
namespace {

// BAR2's descriptor is the memory, to be mapped whole, and nobody can make it
// shorter or forbid others to write it.
TEST_F(ModelTest, HandsOutTheMemory) {
  UniqueFd fd;
  const vfio_region_info info = client_->GetRegionInfo(kBar2, &fd);
  void* const map = mmap(nullptr, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
                         fd.get(), static_cast<off_t>(info.offset));
  ASSERT_NE(map, MAP_FAILED);
  client_->Write(kBar2, kSize - 8, 0x1122334455667788, 8);
  uint64_t seen;
  std::memcpy(&seen, static_cast<char*>(map) + kSize - 8, 8);
  EXPECT_EQ(seen, 0x1122334455667788u);
  munmap(map, info.size);
  EXPECT_NE(ftruncate(fd.get(), 4096), 0);
  EXPECT_NE(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
}

// Memory that others can make shorter is never touched through the mapping.
TEST_F(ModelTest, OutlivesMemoryThatShrinks) {
  const UniqueFd file(memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), kSize), 0);
  const auto object = MemoryObject::Adopt(UniqueFd(dup(file.get())));
  ASSERT_TRUE(object.ok());
  const auto mapped = object->Map();
  ASSERT_TRUE(mapped.ok());
  auto model = IvshmemModel::Create(options_,
                                    {.view = mapped->view(), .fd = file.get()});
  ASSERT_TRUE(model.ok()) << model.status();
  ServedModel served(**model);
  Client client(served.path());
  client.Greet();
  client.Write(kBar2, 8192, 0x1234, 8);
  EXPECT_EQ(mapped->view().data[8192], 0x34);
  EXPECT_EQ(client.Read(kBar2, 8192, 8), 0x1234u);
  UniqueFd fd;
  client.GetRegionInfo(kBar2, &fd);
  client.Write(kBar2, 4088, 0x1122334455667788, 8);
  ASSERT_EQ(ftruncate(fd.get(), 4096), 0);
  EXPECT_EQ(client.Read(kBar2, 8192, 8), 0u);
  EXPECT_EQ(client.Read(kBar2, 4092, 8), 0x11223344u);
}

// Where the file ends zeros are read, whatever was in the buffer.
TEST(FileBlock, ReadsZerosBehindTheEnd) {
  const UniqueFd file(memfd_create("short", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "abc", 3), 3);
  FileBlock block(file.get());
  std::vector<uint8_t> bytes(6, 0xff);
  block.Read(1, absl::MakeSpan(bytes));
  EXPECT_EQ(bytes, (std::vector<uint8_t>{'b', 'c', 0, 0, 0, 0}));
  bytes.assign(2, 0xff);
  block.Read(1000, absl::MakeSpan(bytes));
  EXPECT_EQ(bytes, (std::vector<uint8_t>{0, 0}));
}

// What a file takes in part is written on from there.
TEST(FileBlock, WritesAsFarAsTheFileGoes) {
  const UniqueFd file(memfd_create("bounded", MFD_CLOEXEC));
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit bounded = before;
  bounded.rlim_cur = 10;
  // Else the limit ends the process.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &bounded), 0);
  const std::vector<uint8_t> bytes = {'a', 'b', 'c', 'd', 'e', 'f'};
  FileBlock(file.get()).Write(7, bytes);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  std::vector<uint8_t> written(10);
  ASSERT_EQ(pread(file.get(), written.data(), written.size(), 0), 10);
  EXPECT_EQ(written,
            (std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'}));
}

// Clients map whole pages.
TEST_F(ModelTest, RefusesMemoryOfLessThanAPage) {
  auto small = Memory();
  small.view.size = 2048;
  const auto model = IvshmemModel::Create(options_, small);
  EXPECT_TRUE(absl::IsInvalidArgument(model.status()));
  EXPECT_TRUE(absl::StrContains(model.status().message(), "memory.size"));
  EXPECT_TRUE(absl::StrContains(model.status().message(), "2048"));
}

}  // namespace
}  // namespace ivshmem::vfio_user
