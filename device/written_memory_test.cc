// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/written_memory.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/dirty_log.h"
#include "backends/memory_mapper.h"
#include "backends/registration.h"
#include "bus/memory_block.h"
#include "bus/mmio_handler.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Part = WrittenMemory::Part;

constexpr uint64_t kPage = WrittenMemory::kPage;
constexpr uint64_t kPages = 200;

// A hypervisor that notes what a test says that a guest wrote.
class FakeMapper : public MemoryMapper, private DirtyLog {
 public:
  absl::StatusOr<RegistrationPtr> Map(uint64_t /*base*/,
                                      const SharedMemory& /*memory*/,
                                      MemoryAccess /*access*/) override {
    return std::make_unique<Registration>();
  }
  DirtyLog* dirty_log() noexcept override { return can_log ? this : nullptr; }

  bool can_log = true;
  bool logs = false;
  absl::Status failure;
  std::vector<Part> written;

 private:
  absl::Status Start(const SharedMemory& /*memory*/) override {
    if (failure.ok()) logs = true;
    return failure;
  }
  void Stop(const SharedMemory& /*memory*/) noexcept override {
    logs = false;
    written.clear();
  }
  absl::Status Take(const SharedMemory& /*memory*/,
                    absl::FunctionRef<void(uint64_t, uint64_t)> tell) override {
    if (!failure.ok()) return failure;
    for (const Part& part : std::exchange(written, {})) {
      tell(part.offset, part.size);
    }
    return absl::OkStatus();
  }
};

class WrittenMemoryTest : public ::testing::Test {
 protected:
  static void Write(MmioHandler& block, uint64_t offset, size_t size) {
    const std::array<uint8_t, 64> bytes = {1};
    block.Write(offset, absl::MakeConstSpan(bytes).first(size));
  }
  SharedMemory shared() { return {bytes_.data(), bytes_.size()}; }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kPages * kPage);
  FakeMapper mapper_;
};

// Writes that trap, from Start() on, each once; adjacent pages are one part.
TEST_F(WrittenMemoryTest, WhatTraps) {
  WrittenMemory written(shared(), nullptr);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  Write(block, 0, 4);
  EXPECT_TRUE(absl::IsFailedPrecondition(written.Take().status()));
  ASSERT_TRUE(written.Start().ok());
  EXPECT_THAT(*written.Take(), IsEmpty());
  Write(block, 3 * kPage + 5, 1);
  Write(block, kPage - 1, 2);  // Of two pages.
  Write(block, 65 * kPage - 4, 4);
  Write(block, 65 * kPage, 8);
  Write(block, (kPages - 1) * kPage, 8);
  EXPECT_THAT(*written.Take(),
              ElementsAre(Part{0, 2 * kPage}, Part{3 * kPage, kPage},
                          Part{64 * kPage, 2 * kPage},
                          Part{(kPages - 1) * kPage, kPage}));
  EXPECT_THAT(*written.Take(), IsEmpty());
  Write(block, 0, 4);
  written.Stop();
  Write(block, kPage, 4);
  EXPECT_TRUE(absl::IsFailedPrecondition(written.Take().status()));
  ASSERT_TRUE(written.Start().ok());
  EXPECT_THAT(*written.Take(), IsEmpty()) << "begins anew";
}

// What changes nothing is no write: reads, no bytes, what lies outside,
// read-only memory.
TEST_F(WrittenMemoryTest, WhatIsNoWrite) {
  WrittenMemory written(shared(), nullptr);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  MemoryBlock read_only(shared(), MemoryAccess::kReadOnly, &written);
  ASSERT_TRUE(written.Start().ok());
  std::array<uint8_t, 4> bytes;
  block.Read(0, absl::MakeSpan(bytes));
  Write(block, 0, 0);
  Write(block, 5 * kPage + 8, 0);
  Write(block, kPages * kPage, 0);
  Write(block, kPages * kPage - 2, 4);
  Write(read_only, 0, 4);
  EXPECT_THAT(*written.Take(), IsEmpty());
}

// The hypervisor's log, and what traps beside it.
TEST_F(WrittenMemoryTest, WhatTheHypervisorSays) {
  WrittenMemory written(shared(), &mapper_);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  ASSERT_TRUE(written.Start().ok());
  { const WrittenMemory other(shared(), &mapper_); }
  EXPECT_TRUE(mapper_.logs) << "nobody stops what he did not start";
  mapper_.written = {{0, kPage}, {5 * kPage, 2 * kPage}};
  Write(block, kPage, 4);
  EXPECT_THAT(*written.Take(),
              ElementsAre(Part{0, 2 * kPage}, Part{5 * kPage, 2 * kPage}));
  EXPECT_THAT(*written.Take(), IsEmpty());
  written.Stop();
  EXPECT_FALSE(mapper_.logs);
}

// It says whole pages, "as a rule": more than the memory has is not the
// memory's, nor is what lies behind it.
TEST_F(WrittenMemoryTest, TheHypervisorSaysMore) {
  WrittenMemory written(shared(), &mapper_);
  ASSERT_TRUE(written.Start().ok());
  mapper_.written = {{kPages * kPage, kPage}, {~uint64_t{0}, 1}};
  EXPECT_THAT(*written.Take(), IsEmpty());
  mapper_.written = {{(kPages - 1) * kPage, ~uint64_t{0}}, {kPage, 0}};
  EXPECT_THAT(*written.Take(), ElementsAre(Part{(kPages - 1) * kPage, kPage}));
}

// "A second time begins anew", with the hypervisor's log, too. When it refuses
// that, nothing is noted any more.
TEST_F(WrittenMemoryTest, ASecondTime) {
  WrittenMemory written(shared(), &mapper_);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  ASSERT_TRUE(written.Start().ok());
  mapper_.written = {{0, kPage}};
  Write(block, 2 * kPage, 4);
  ASSERT_TRUE(written.Start().ok());
  EXPECT_TRUE(mapper_.logs);
  EXPECT_THAT(*written.Take(), IsEmpty());
  Write(block, kPage, 4);
  EXPECT_THAT(*written.Take(), ElementsAre(Part{kPage, kPage}));
  mapper_.failure = absl::ResourceExhaustedError("none");
  EXPECT_EQ(written.Start(), mapper_.failure);
  EXPECT_FALSE(mapper_.logs);
  mapper_.failure = absl::OkStatus();
  EXPECT_TRUE(absl::IsFailedPrecondition(written.Take().status()));
}

// Where it cannot say, or refuses: an error, and nothing is forgotten.
TEST_F(WrittenMemoryTest, WhatItDoesNotSay) {
  mapper_.can_log = false;
  EXPECT_TRUE(absl::IsUnimplemented(WrittenMemory(shared(), &mapper_).Start()));
  mapper_.can_log = true;
  WrittenMemory written(shared(), &mapper_);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  mapper_.failure = absl::ResourceExhaustedError("none");
  EXPECT_EQ(written.Start(), mapper_.failure);
  EXPECT_TRUE(absl::IsFailedPrecondition(written.Take().status()));
  mapper_.failure = absl::OkStatus();
  ASSERT_TRUE(written.Start().ok());
  Write(block, 0, 1);
  mapper_.written = {{kPage, kPage}};
  mapper_.failure = absl::InternalError("once");
  EXPECT_EQ(written.Take().status(), mapper_.failure);
  mapper_.failure = absl::OkStatus();
  EXPECT_THAT(*written.Take(), ElementsAre(Part{0, 2 * kPage}));
}

// A part ends with the memory.
TEST_F(WrittenMemoryTest, OfLessThanAPage) {
  WrittenMemory written({bytes_.data(), 16}, nullptr);
  MemoryBlock block({bytes_.data(), 16}, MemoryAccess::kReadWrite, &written);
  ASSERT_TRUE(written.Start().ok());
  Write(block, 15, 1);
  EXPECT_THAT(*written.Take(), ElementsAre(Part{.size = 16}));
}

// Also where a last byte needs one page more, and one word of bits.
TEST_F(WrittenMemoryTest, OfOneByteMore) {
  const SharedMemory memory = {bytes_.data(), 64 * kPage + 1};
  WrittenMemory written(memory, nullptr);
  MemoryBlock block(memory, MemoryAccess::kReadWrite, &written);
  ASSERT_TRUE(written.Start().ok());
  Write(block, 64 * kPage, 1);
  EXPECT_THAT(*written.Take(), ElementsAre(Part{64 * kPage, 1}));
  Write(block, 64 * kPage - 1, 2);
  EXPECT_THAT(*written.Take(), ElementsAre(Part{63 * kPage, kPage + 1}));
}

// Both devices have one, which goes with them.
TEST_F(WrittenMemoryTest, OfDevices) {
  const SharedMemory memory = {bytes_.data(), 16 * kPage};
  {
    const auto pci =
        PciDevice::Create({.bar_addresses = {0xfe000000, 0xfe010000, 1u << 30}},
                          memory, {.mapper = &mapper_});
    ASSERT_TRUE(pci.ok()) << pci.status();
    const std::array<uint8_t, 2> decode = {2, 0};
    (*pci)->ConfigWrite(4, decode);
    ASSERT_TRUE((*pci)->written().Start().ok());
    Write((*pci)->bar(PciDevice::kMemoryBar), 2 * kPage, 4);
    mapper_.written = {{0, kPage}};
    EXPECT_THAT(*(*pci)->written().Take(),
                ElementsAre(Part{0, kPage}, Part{2 * kPage, kPage}));
  }
  EXPECT_FALSE(mapper_.logs);
  const auto flat =
      FlatDevice::Create({.memory_address = 1u << 30}, memory, {});
  ASSERT_TRUE(flat.ok()) << flat.status();
  EXPECT_TRUE((*flat)->carries_memory());
  ASSERT_TRUE((*flat)->written().Start().ok());
  Write((*flat)->block().memory(), kPage, 4);
  EXPECT_THAT(*(*flat)->written().Take(), ElementsAre(Part{kPage, kPage}));
}

// Any writes, taken in any pieces: exactly the pages that were written.
RC_GTEST_PROP(WrittenMemoryModel, ExactlyThePages, ()) {
  std::vector<uint8_t> bytes(*rc::gen::inRange<uint64_t>(1, 70) * kPage);
  WrittenMemory written({bytes.data(), bytes.size()}, nullptr);
  MemoryBlock block({bytes.data(), bytes.size()}, MemoryAccess::kReadWrite,
                    &written);
  RC_ASSERT(written.Start().ok());
  std::set<uint64_t> pages;
  for (int step = *rc::gen::inRange(0, 50); step > 0; --step) {
    if (*rc::gen::inRange(0, 5) > 0) {
      const auto offset = *rc::gen::inRange<uint64_t>(0, bytes.size());
      const std::array<uint8_t, 8> data = {};
      const auto size = *rc::gen::inRange<uint64_t>(1, 9);
      block.Write(offset, absl::MakeConstSpan(data).first(size));
      if (offset + size > bytes.size()) continue;
      pages.insert(offset / kPage);
      pages.insert((offset + size - 1) / kPage);
      continue;
    }
    std::set<uint64_t> taken;
    uint64_t end = 0;
    bool first = true;
    const std::vector<Part> parts = *written.Take();
    for (const Part& part : parts) {
      RC_ASSERT(first || part.offset > end);
      first = false;
      end = part.offset + part.size;
      for (uint64_t at = part.offset; at < end; at += kPage) {
        taken.insert(at / kPage);
      }
    }
    RC_ASSERT(taken == pages);
    pages.clear();
  }
}

// What a guest writes while parts are taken is copied at last: the copy is the
// memory when the guest has stopped. He writes the first bytes of any page, and
// only these are copied, so that parts are taken often.
TEST_F(WrittenMemoryTest, CopiedWhileTheGuestWrites) {
  constexpr uint64_t kUsed = 4;  // Of each page, of 4 bytes.
  WrittenMemory written(shared(), nullptr);
  MemoryBlock block(shared(), MemoryAccess::kReadWrite, &written);
  ASSERT_TRUE(written.Start().ok());
  std::atomic<bool> stop = false;
  std::thread guest([&] {
    uint32_t number = 0;
    while (!stop) {
      ++number;
      std::array<uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &number, sizeof(number));
      block.Write(number * uint64_t{77} % kPages * kPage + number % kUsed * 4,
                  bytes);
    }
  });
  MemoryBlock reads(shared(), MemoryAccess::kReadOnly);
  std::vector<uint8_t> copy(kPages * kPage);
  const auto copy_parts = [&] {
    const std::vector<Part> parts = *written.Take();
    for (const Part& part : parts) {
      const uint64_t end = part.offset + part.size;
      for (uint64_t page = part.offset; page < end; page += kPage) {
        for (uint64_t at = page; at < page + 4 * kUsed; at += 4) {
          reads.Read(at, absl::MakeSpan(copy).subspan(at, 4));
        }
      }
    }
  };
  for (int round = 0; round < 1000; ++round) copy_parts();
  stop = true;
  guest.join();
  copy_parts();
  EXPECT_EQ(copy, bytes_);
}

}  // namespace
}  // namespace ivshmem
