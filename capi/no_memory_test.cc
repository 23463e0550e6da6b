// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// When the process has no memory left.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace {

// How many allocations of this thread succeed before one fails; none does below
// 0.
thread_local int g_left = -1;

}  // namespace

void* operator new(size_t size) {
  if (g_left == 0) throw std::bad_alloc();
  if (g_left > 0) --g_left;
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ivshmem::capi {
namespace {

// Each allocation of a call in its turn fails, the call says so, and nothing is
// lost. The text needs no memory, and the next error has its own again.
TEST(NoMemoryTest, EachAllocationFails) {
  std::array<uint8_t, 64> bytes{};
  ivshmem_memory* memory = nullptr;
  int allocations = 0;
  for (;; ++allocations) {
    g_left = allocations;
    const int result = ivshmem_memory_wrap(bytes.data(), bytes.size(), &memory);
    const std::string text = (g_left = -1, ivshmem_last_error());
    if (result == 0) break;
    EXPECT_EQ(result, -ENOMEM);
    EXPECT_EQ(text, "memory: expected some, got none");
    EXPECT_EQ(memory, nullptr);
    EXPECT_EQ(ivshmem_memory_fd(nullptr), -EINVAL);
    EXPECT_STREQ(ivshmem_last_error(), "memory: expected one, got null");
  }
  EXPECT_GT(allocations, 0);
  ivshmem_memory_destroy(memory);
}

}  // namespace
}  // namespace ivshmem::capi
