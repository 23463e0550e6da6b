// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function.h"
#include "bus/pci/function_fixture.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

// Configuration space as the guest reads and writes it. The clauses are PCI
// Local Bus 3.0, chapter 6, in other words.
namespace ivshmem::pci {
namespace {

using Bytes = std::vector<uint8_t>;
using FunctionConfigTest = FunctionTest;

constexpr size_t kSize = ConfigSpace::kSize;

Bytes ReadBytes(const Function& function, uint64_t offset, size_t size) {
  Bytes bytes(size, 0xaa);
  function.ConfigRead(offset, absl::MakeSpan(bytes));
  return bytes;
}

// 6.2.1: "Vendor ID, Device ID, Revision ID, Header Type and Class Code are
// read-only and implemented by all functions."
TEST_F(FunctionConfigTest, Identification) {
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x00), 0x11101af4u);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x08), 0x05000001u);
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, 0x08), 1u);
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, 0x0b), 5u);
}

TEST_F(FunctionConfigTest, ClassCodeHasThreeBytes) {
  FunctionSpec spec = Spec();
  spec.class_code = 0xabcdef;
  spec.revision = 0x12;
  const auto function = Make(spec);
  EXPECT_EQ(ReadConfig<uint8_t>(*function, 0x09), 0xefu);  // Interface.
  EXPECT_EQ(ReadConfig<uint8_t>(*function, 0x0a), 0xcdu);  // Sub-class.
  EXPECT_EQ(ReadConfig<uint8_t>(*function, 0x0b), 0xabu);  // Base class.
  EXPECT_EQ(ReadConfig<uint8_t>(*function, 0x08), 0x12u);
}

// 6.2.4: "Subsystem Vendor ID and Subsystem ID tell one board from another."
TEST_F(FunctionConfigTest, Subsystem) {
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, 0x2c), 0x1af4u);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, 0x2e), 0x1100u);
}

// 6.2.1: "Header Type bit 7 says that the device has several functions; bits
// 6:0 are the layout, 0 here."
TEST_F(FunctionConfigTest, HeaderType) {
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, 0x0e), 0u);
  FunctionSpec spec = Spec();
  spec.multi_function = true;
  EXPECT_EQ(ReadConfig<uint8_t>(*Make(spec), 0x0e), 0x80u);
}

// 6.2.2: of the Command register the bits exist whose function exists; the I/O
// Space and SERR bits are storage, as QEMU has them.
TEST_F(FunctionConfigTest, Command) {
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kCommand), 0u);
  SetCommand(0xffff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kCommand), 0x0507u);
  SetCommand(0);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kCommand), 0u);
}

// "The two bytes of the register can be written by themselves."
TEST_F(FunctionConfigTest, CommandByBytes) {
  WriteConfig<uint8_t>(*function_, kCommand + 1, 0xff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kCommand), 0x0500u);
  WriteConfig<uint8_t>(*function_, kCommand, 0xff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kCommand), 0x0507u);
}

// 6.2.3: "Status: bits are read, or cleared by writing 1; bit 4 says that there
// is a capability list." None of the others is implemented.
TEST_F(FunctionConfigTest, Status) {
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kStatus), 0x0010u);
  WriteConfig<uint16_t>(*function_, kStatus, 0xffff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kStatus), 0x0010u);
}

// 6.2.4: "Cache Line Size is readable and writable; Latency Timer may be
// read-only; BIST returns 0 when there is none."
TEST_F(FunctionConfigTest, CacheLineLatencyAndBist) {
  WriteConfig<uint32_t>(*function_, 0x0c, 0xffffffff);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x0c), 0x000000ffu);
  WriteConfig<uint8_t>(*function_, 0x0c, 0x10);
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, 0x0c), 0x10u);
}

// "Interrupt Line is software's scratch; Interrupt Pin 1 is INTA#; Min_Gnt and
// Max_Lat 0 mean no requirement."
TEST_F(FunctionConfigTest, InterruptLineAndPin) {
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x3c), 0x00000100u);
  WriteConfig<uint32_t>(*function_, 0x3c, 0xffffff0b);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x3c), 0x0000010bu);
}

// "A function without a pin puts 0 there."
TEST_F(FunctionConfigTest, NoPinWithoutIntx) {
  FunctionSpec spec = Spec();
  spec.intx = false;
  EXPECT_EQ(ReadConfig<uint8_t>(*Make(spec), 0x3d), 0u);
}

// 6.7: "The list begins at 0x34; each entry has an id and the next one's
// offset, 0 at the end." 6.8.2.3: "Message Control: Table Size - 1 in 10:0,
// Function Mask in 14, Enable in 15", then table and PBA, each an offset in
// quadwords and the BAR's number in bits 2:0.
// Clause: msix-capability
TEST_F(FunctionConfigTest, CapabilityList) {
  const uint8_t first = ReadConfig<uint8_t>(*function_, 0x34);
  ASSERT_EQ(first, 0x40u);
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, first), 0x11u);
  EXPECT_EQ(ReadConfig<uint8_t>(*function_, first + 1), 0u);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, first + 2), kVectors - 1);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, first + 4), 0x000u | 1);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, first + 8), 0x800u | 1);
}

// Clause: msix-capability
TEST_F(FunctionConfigTest, CapabilityOf300And2048Vectors) {
  FunctionSpec spec = Spec();
  spec.msix_bar = 5;
  spec.msix_vectors = 300;
  auto function = Make(spec);
  EXPECT_EQ(ReadConfig<uint16_t>(*function, 0x42), 299u);
  EXPECT_EQ(ReadConfig<uint32_t>(*function, 0x44), 0x0000u | 5);
  EXPECT_EQ(ReadConfig<uint32_t>(*function, 0x48), 0x12c0u | 5);
  EXPECT_EQ(function->BarSize(5), 0x2000u);
  spec.msix_vectors = 2048;
  function = Make(spec);
  EXPECT_EQ(ReadConfig<uint16_t>(*function, 0x42), 2047u);
  EXPECT_EQ(ReadConfig<uint32_t>(*function, 0x48), 0x8000u | 5);
  EXPECT_EQ(function->BarSize(5), 0x10000u);
}

// "Capabilities List 0: there is no pointer." Nor a BAR for MSI-X.
TEST_F(FunctionConfigTest, NoCapabilityWithoutMsix) {
  FunctionSpec spec = Spec();
  spec.msix_vectors = 0;
  const auto function = Make(spec);
  EXPECT_EQ(ReadConfig<uint16_t>(*function, kStatus), 0u);
  EXPECT_EQ(ReadConfig<uint8_t>(*function, 0x34), 0u);
  EXPECT_EQ(ReadBytes(*function, 0x40, kSize - 0x40), Bytes(kSize - 0x40, 0));
  WriteConfig<uint32_t>(*function, kBar0 + 4, 0xffffffff);
  EXPECT_EQ(ReadConfig<uint32_t>(*function, kBar0 + 4), 0u);
  EXPECT_EQ(function->msix(), nullptr);
  WriteConfig<uint16_t>(*function, kMsixControl, 0xffff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function, kMsixControl), 0u);
}

// "Of Message Control, Enable and Function Mask are read/write."
// Clause: pci-read-only
// Differs: driver-zephyr-disabled-entries
TEST_F(FunctionConfigTest, MsixControlBits) {
  SetMsixControl(0xffff);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kMsixControl), 0xc002u);
  SetMsixControl(0);
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kMsixControl), 0x0002u);
}

// As Zephyr does it: a read, a write of the dword with another table size.
TEST_F(FunctionConfigTest, MsixControlByDword) {
  const uint32_t dword = ReadConfig<uint32_t>(*function_, 0x40);
  WriteConfig<uint32_t>(*function_, 0x40, (dword & ~0x10000u) | 0x80000000u);
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, 0x40), 0x80020011u);
}

// 6.1: "Reads of reserved or unimplemented registers return 0; writes to them
// complete and are discarded." Cardbus CIS, Expansion ROM, the absent BARs.
// Clause: pci-read-only
// Fault: acrn-phantom-rom
TEST_F(FunctionConfigTest, UnimplementedRegistersAreZero) {
  for (int offset : {0x20, 0x24, 0x28, 0x30, 0x38, 0x4c, 0x80, 0xfc}) {
    WriteConfig<uint32_t>(*function_, offset, 0xffffffff);
    EXPECT_EQ(ReadConfig<uint32_t>(*function_, offset), 0u) << offset;
  }
}

// The writable bits of each register of this function, in one table.
Bytes WritableBits() {
  Bytes mask(kSize, 0);
  mask[0x04] = 0x07;
  mask[0x05] = 0x05;
  mask[0x0c] = 0xff;
  mask[0x11] = mask[0x12] = mask[0x13] = 0xff;  // BAR 0, 256 bytes.
  mask[0x15] = 0xf0;                            // BAR 1, 4 KiB.
  mask[0x16] = mask[0x17] = 0xff;
  mask[0x19] = 0xf0;  // BAR 2, 4 KiB, and its upper half.
  mask[0x1a] = mask[0x1b] = 0xff;
  mask[0x1c] = mask[0x1d] = mask[0x1e] = mask[0x1f] = 0xff;
  mask[0x3c] = 0xff;
  mask[0x43] = 0xc0;
  return mask;
}

// Every offset with every width: a write of ones changes these bits and no
// others, and every read of any width agrees.
// Clause: pci-read-only
// Fault: acrn-config-writable
TEST_F(FunctionConfigTest, EveryOffsetAndSize) {
  const Bytes mask = WritableBits();
  const Bytes initial = ReadBytes(*function_, 0, kSize);
  for (uint64_t offset = 0; offset < kSize + 8; ++offset) {
    for (size_t size : {1, 2, 3, 4, 5, 7, 8, 16}) {
      function_->Reset();
      function_->ConfigWrite(offset, Bytes(size, 0xff));
      Bytes expected = initial;
      for (size_t i = offset; i < offset + size && i < kSize; ++i) {
        expected[i] |= mask[i];
      }
      ASSERT_EQ(ReadBytes(*function_, 0, kSize), expected)
          << "offset " << offset << " size " << size;
      expected.resize(kSize + 32, 0xff);  // Nobody is there.
      ASSERT_EQ(
          ReadBytes(*function_, offset, size),
          Bytes(expected.begin() + offset, expected.begin() + offset + size))
          << "offset " << offset << " size " << size;
    }
  }
}

TEST_F(FunctionConfigTest, OffsetsFarBeyondTheEnd) {
  const Bytes initial = ReadBytes(*function_, 0, kSize);
  for (uint64_t offset : {uint64_t{0x100}, uint64_t{0x1000}, uint64_t{1} << 32,
                          std::numeric_limits<uint64_t>::max() - 3}) {
    function_->ConfigWrite(offset, Bytes(8, 0xff));
    EXPECT_EQ(ReadBytes(*function_, offset, 8), Bytes(8, 0xff));
  }
  EXPECT_EQ(ReadBytes(*function_, 0, kSize), initial);
}

class PropertyFixture : public FunctionTest {
 public:
  using FunctionTest::function_;
  void TestBody() override {}
};

RC_GTEST_PROP(FunctionConfigProperty, ReadOnlyBitsNeverChange, ()) {
  PropertyFixture fixture;
  Function& function = *fixture.function_;
  const Bytes mask = WritableBits();
  Bytes expected = ReadBytes(function, 0, kSize);
  const auto writes =
      *rc::gen::container<std::vector<std::tuple<uint64_t, Bytes>>>(
          rc::gen::tuple(rc::gen::inRange<uint64_t>(0, kSize + 8),
                         rc::gen::resize(9, rc::gen::arbitrary<Bytes>())));
  for (const auto& [offset, bytes] : writes) {
    function.ConfigWrite(offset, bytes);
    for (size_t i = 0; i < bytes.size() && offset + i < kSize; ++i) {
      uint8_t& byte = expected[offset + i];
      byte = static_cast<uint8_t>((byte & ~mask[offset + i]) |
                                  (bytes[i] & mask[offset + i]));
    }
    RC_ASSERT(ReadBytes(function, 0, kSize) == expected);
  }
}

// 6.2.3: "Interrupt Status is 1 while the function wants to interrupt; setting
// Interrupt Disable has no effect on it." In whatever access it is part of.
// Clause: pci-interrupt-disable
TEST_F(FunctionConfigTest, InterruptStatusIsTheLevelNow) {
  const Bytes initial = ReadBytes(*function_, 0, kSize);
  source_.level = true;
  for (uint16_t command : {uint16_t{0}, kCommandInterruptDisable}) {
    SetCommand(command);
    EXPECT_EQ(ReadConfig<uint16_t>(*function_, kStatus), 0x0018u);
    EXPECT_EQ(ReadConfig<uint32_t>(*function_, kCommand),
              0x00180000u | command);
    EXPECT_EQ(ReadConfig<uint64_t>(*function_, 0) >> 48, 0x0018u);
    EXPECT_EQ(ReadConfig<uint8_t>(*function_, 6), 0x18u);
    EXPECT_EQ(ReadConfig<uint8_t>(*function_, 7), 0u);
    EXPECT_EQ(ReadConfig<uint8_t>(*function_, 5), command >> 8);
  }
  source_.level = false;
  SetCommand(0);
  EXPECT_EQ(ReadBytes(*function_, 0, kSize), initial);
}

TEST_F(FunctionConfigTest, NoInterruptStatusWithoutIntx) {
  FunctionSpec spec = Spec();
  spec.intx = false;
  source_.level = true;
  EXPECT_EQ(ReadConfig<uint16_t>(*Make(spec), kStatus), 0x0010u);
}

// 2.2.1: "RST# brings the registers to their initial state."
TEST_F(FunctionConfigTest, ResetForgetsAllWrites) {
  const Bytes initial = ReadBytes(*function_, 0, kSize);
  function_->ConfigWrite(0, Bytes(kSize, 0xff));
  ASSERT_NE(ReadBytes(*function_, 0, kSize), initial);
  function_->Reset();
  EXPECT_EQ(ReadBytes(*function_, 0, kSize), initial);
}

}  // namespace
}  // namespace ivshmem::pci
