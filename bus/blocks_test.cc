// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "bus/access.h"
#include "bus/memory_block.h"
#include "bus/register_block.h"
#include "core/device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

uint64_t Read(MmioHandler& handler, uint64_t offset, size_t size) {
  uint8_t bytes[8];
  const absl::Span<uint8_t> span(bytes, size);
  handler.Read(offset, span);
  return LoadLittleEndian(span);
}

void Write(MmioHandler& handler, uint64_t offset, size_t size, uint64_t value) {
  uint8_t bytes[8];
  const absl::Span<uint8_t> span(bytes, size);
  StoreLittleEndian(value, span);
  handler.Write(offset, span);
}

// The block is the device's registers, byte for byte: what an access of a size
// does is the dialect's, here QEMU's.
TEST(RegisterBlockTest, HandsEverySizeToTheDevice) {
  const auto device = *Device::Create({.dialect = kQemu, .id = {}}, {});
  RegisterBlock block(*device);
  Write(block, kMaskOffset, 4, 0x11223344);
  Write(block, kStatusOffset + 1, 1, 0x88);
  EXPECT_EQ(Read(block, 0, 8), 0x0000008811223344u);
  EXPECT_EQ(Read(block, 0, 2), 0x3344u);
  EXPECT_EQ(Read(block, 0, 1), 0x44u);
  Write(block, 0, 8, 0x8877665544332211);
  EXPECT_EQ(Read(block, 0, 8), 0x8877665544332211u);
}

// Lengths that no guest's access has read 0 and write nothing.
TEST(RegisterBlockTest, OtherLengths) {
  const auto device = *Device::Create({.id = {}}, {});
  RegisterBlock block(*device);
  std::vector<uint8_t> bytes(64, 0xff);
  block.Write(0, bytes);
  block.Write(0, absl::MakeSpan(bytes).first(3));
  block.Write(0, {});
  EXPECT_EQ(Read(block, 0, 4), 0u);
  block.Read(0, absl::MakeSpan(bytes));
  EXPECT_EQ(bytes, std::vector<uint8_t>(64, 0));
}

TEST(MemoryBlockTest, EverySizeAtEveryOffset) {
  alignas(8) uint8_t memory[24];
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadWrite);
  for (size_t size = 1; size <= 8; ++size) {
    for (uint64_t offset = 0; offset < 28; ++offset) {
      std::memset(memory, 0xaa, sizeof(memory));
      Write(block, offset, size, 0x0807060504030201);
      const bool inside = offset + size <= sizeof(memory);
      for (uint64_t i = 0; i < sizeof(memory); ++i) {
        const bool hit = inside && i >= offset && i < offset + size;
        ASSERT_EQ(memory[i], hit ? i - offset + 1 : 0xaa);
      }
      const uint64_t ones =
          size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
      ASSERT_EQ(Read(block, offset, size),
                inside ? 0x0807060504030201 & ones : ones)
          << size << "@" << offset;
    }
  }
}

// An end that wraps around 2^64 is no way in.
TEST(MemoryBlockTest, OffsetsDoNotWrapAround) {
  uint8_t memory[16] = {};
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadWrite);
  Write(block, ~uint64_t{0} - 3, 8, ~uint64_t{0});
  EXPECT_EQ(Read(block, ~uint64_t{0} - 3, 8), ~uint64_t{0});
  for (const uint8_t byte : memory) EXPECT_EQ(byte, 0);
}

TEST(MemoryBlockTest, ReadOnly) {
  uint8_t memory[16] = {7};
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadOnly);
  Write(block, 0, 4, 1);
  EXPECT_EQ(Read(block, 0, 4), 7u);
}

// Each write that read-only memory refuses is counted, of whatever size and
// place; no read is, nor a write that has no place in it or no bytes.
TEST(MemoryBlockTest, CountsRefusedWrites) {
  uint8_t memory[16] = {};
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadOnly);
  EXPECT_EQ(block.refused_writes(), 0u);
  uint64_t refused = 0;
  for (size_t size = 1; size <= 8; ++size) {
    for (const uint64_t offset : {uint64_t{0}, 16 - size}) {
      Write(block, offset, size, ~uint64_t{0});
      EXPECT_EQ(block.refused_writes(), ++refused);
      Read(block, offset, size);
      Write(block, offset + 17 - size, size, ~uint64_t{0});
      EXPECT_EQ(block.refused_writes(), refused) << size << "@" << offset;
    }
  }
  block.Write(0, {});
  EXPECT_EQ(block.refused_writes(), refused);
  for (const uint8_t byte : memory) EXPECT_EQ(byte, 0);
}

// Memory that may be written refuses nothing.
TEST(MemoryBlockTest, RefusesNoAllowedWrites) {
  uint8_t memory[16] = {};
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadWrite);
  Write(block, 0, 4, 1);
  Write(block, 13, 4, 1);
  EXPECT_EQ(block.refused_writes(), 0u);
}

// None is forgotten where several processors write at once.
TEST(MemoryBlockTest, CountsRefusedWritesOfThreads) {
  uint8_t memory[16] = {};
  MemoryBlock block({memory, sizeof(memory)}, MemoryAccess::kReadOnly);
  constexpr int kThreads = 4;
  constexpr int kWrites = 10000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&block] {
      for (int i = 0; i < kWrites; ++i) Write(block, 0, 4, 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(block.refused_writes(), uint64_t{kThreads} * kWrites);
}

// Aligned accesses of 2, 4 and 8 bytes are in one piece.
class WholeAccessTest : public ::testing::TestWithParam<size_t> {
 protected:
  // The largest number of the size.
  uint64_t ones() const { return ~uint64_t{0} >> (64 - 8 * GetParam()); }

  // Does `access` again and again beside a guest that writes no other numbers
  // than 0, if it is to, and all ones; expects it to read none but these.
  void ExpectWhole(bool zeros, const std::function<uint64_t()>& access) {
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      while (!stop) {
        Write(other_, 0, GetParam(), ones());
        if (zeros) Write(other_, 0, GetParam(), 0);
      }
    });
    uint64_t value = 0;
    for (int i = 0; i < 100000 && (value == 0 || value == ones()); ++i) {
      value = access();
    }
    stop = true;
    writer.join();
    EXPECT_TRUE(value == 0 || value == ones()) << std::hex << value;
  }

  alignas(8) uint8_t memory_[8] = {};
  MemoryBlock one_{{memory_, sizeof(memory_)}, MemoryAccess::kReadWrite};
  MemoryBlock other_{{memory_, sizeof(memory_)}, MemoryAccess::kReadWrite};
};

// Another guest never sees half a number.
TEST_P(WholeAccessTest, NobodySeesHalfANumber) {
  ExpectWhole(true, [&] { return Read(one_, 0, GetParam()); });
}

// A number is written once: nothing of it comes after what another guest has
// written since.
TEST_P(WholeAccessTest, NobodyIsOverwrittenInPart) {
  ExpectWhole(false, [&] {
    Write(one_, 0, GetParam(), 0);
    return Read(one_, 0, GetParam());
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, WholeAccessTest, ::testing::Values(2, 4, 8));

// Memory that nobody has given is none: reads give ones.
TEST(MemoryBlockTest, NoMemory) {
  MemoryBlock block({}, MemoryAccess::kReadWrite);
  Write(block, 0, 1, 0);
  EXPECT_EQ(Read(block, 0, 1), 0xffu);
}

}  // namespace
}  // namespace ivshmem
