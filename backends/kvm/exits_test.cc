// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/exits.h"

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "backends/mock/recording_handler.h"
#include "bus/mmio_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Access = mock::RecordingHandler::Access;

// A vCPU's page and the one after it, where the kernel puts ports' data.
class ExitsTest : public ::testing::Test {
 protected:
  static constexpr size_t kPage = 4096;
  static constexpr uint64_t kAddress = 0x8e0000004;
  static constexpr uint16_t kPort = 0xcf8;

  kvm_run& run() { return *reinterpret_cast<kvm_run*>(page_); }

  void Mmio(bool is_write, uint32_t length) {
    run().exit_reason = KVM_EXIT_MMIO;
    run().mmio.phys_addr = kAddress;
    run().mmio.len = length;
    run().mmio.is_write = is_write ? 1 : 0;
    HandleMmio(run(), handler_);
  }

  uint8_t* Io(uint8_t direction, uint8_t size, uint32_t count) {
    run().exit_reason = KVM_EXIT_IO;
    run().io.direction = direction;
    run().io.size = size;
    run().io.port = kPort;
    run().io.count = count;
    run().io.data_offset = kPage;
    return page_ + kPage;
  }

  alignas(kPage) uint8_t page_[2 * kPage] = {};
  mock::RecordingHandler handler_;
};

// A write of 1, 2, 4 or 8 bytes reaches the handler with these bytes, at its
// guest-physical address.
TEST_F(ExitsTest, MmioWrites) {
  for (uint8_t i = 0; i < 8; ++i) run().mmio.data[i] = i + 1;
  for (const uint32_t size : {1, 2, 4, 8}) {
    Mmio(/*is_write=*/true, size);
    const std::vector<uint8_t> all = {1, 2, 3, 4, 5, 6, 7, 8};
    EXPECT_THAT(
        handler_.Take(),
        ElementsAre(Access{.offset = kAddress,
                           .written = {all.begin(), all.begin() + size}}));
  }
}

// A read of 1, 2, 4 or 8 bytes gives the handler's, and touches no more.
TEST_F(ExitsTest, MmioReads) {
  for (const uint32_t size : {1, 2, 4, 8}) {
    std::memset(run().mmio.data, 0xee, sizeof(run().mmio.data));
    Mmio(/*is_write=*/false, size);
    EXPECT_THAT(handler_.Take(),
                ElementsAre(Access{.offset = kAddress, .read = size}));
    for (uint32_t i = 0; i < 8; ++i) {
      EXPECT_EQ(run().mmio.data[i], i < size ? 4 + i : 0xee) << size;
    }
  }
}

// No more bytes than the page has room for, whatever it says.
TEST_F(ExitsTest, MmioOfTooManyBytes) {
  Mmio(/*is_write=*/false, 64);
  EXPECT_THAT(handler_.Take(),
              ElementsAre(Access{.offset = kAddress, .read = 8}));
}

// OUT of 1, 2 and 4 bytes.
TEST_F(ExitsTest, Out) {
  for (const uint8_t size : {1, 2, 4}) {
    uint8_t* const data = Io(KVM_EXIT_IO_OUT, size, 1);
    for (uint8_t i = 0; i < 4; ++i) data[i] = i + 1;
    HandleIo(run(), handler_);
    EXPECT_THAT(
        handler_.Take(),
        ElementsAre(Access{.offset = kPort, .written = {data, data + size}}));
  }
}

// IN of 1, 2 and 4 bytes: the handler's, and no more.
TEST_F(ExitsTest, In) {
  for (const uint8_t size : {1, 2, 4}) {
    uint8_t* const data = Io(KVM_EXIT_IO_IN, size, 1);
    std::memset(data, 0xee, 8);
    HandleIo(run(), handler_);
    EXPECT_THAT(handler_.Take(),
                ElementsAre(Access{.offset = kPort, .read = size}));
    for (uint32_t i = 0; i < 8; ++i) {
      EXPECT_EQ(data[i], i < size ? 0xf8 + i : 0xee) << int{size};
    }
  }
}

// A string instruction's accesses are one exit: all go to the same port, in
// their order.
TEST_F(ExitsTest, StringsOut) {
  uint8_t* const data = Io(KVM_EXIT_IO_OUT, 2, 3);
  for (uint8_t i = 0; i < 8; ++i) data[i] = i;
  HandleIo(run(), handler_);
  EXPECT_THAT(handler_.Take(),
              ElementsAre(Access{.offset = kPort, .written = {0, 1}},
                          Access{.offset = kPort, .written = {2, 3}},
                          Access{.offset = kPort, .written = {4, 5}}));
}

TEST_F(ExitsTest, StringsIn) {
  class Counter : public MmioHandler {
   public:
    void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
      for (uint8_t& byte : bytes) byte = ++last;
    }
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}
    uint8_t last = 0;
  };
  Counter counter;
  uint8_t* const data = Io(KVM_EXIT_IO_IN, 4, 2);
  data[8] = 0xee;
  HandleIo(run(), counter);
  EXPECT_THAT(std::vector<uint8_t>(data, data + 9),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 0xee));
}

// A string instruction that repeats no times.
TEST_F(ExitsTest, NoAccess) {
  Io(KVM_EXIT_IO_OUT, 4, 0);
  HandleIo(run(), handler_);
  EXPECT_THAT(handler_.Take(), IsEmpty());
}

}  // namespace
}  // namespace ivshmem::kvm
