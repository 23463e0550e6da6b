// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/config_ports.h"

#include <algorithm>
#include <cstdint>

#include "bus/access.h"
#include "bus/pci/config_space.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {
namespace {

constexpr uint32_t kEnable = 0x80000000;

// What the address port holds for a register of a function.
constexpr uint32_t Address(int bus, int device, int function, int offset = 0) {
  return kEnable | static_cast<uint32_t>(bus << 16 | device << 11 |
                                         function << 8 | offset);
}

// An ECAM window with one function, at 00:04.0.
class Window : public MmioHandler {
 public:
  static constexpr uint64_t kBase = EcamOffset(0, 4, 0);

  Window() {
    space.Set32(0x00, 0x11101af4);
    space.AllowWrite(0x10, 0xffffffff);
  }
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), 0xff);
    if (Contains(kEcamFunctionSize, offset - kBase, bytes.size())) {
      space.Read(offset - kBase, bytes);
    }
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    if (Contains(kEcamFunctionSize, offset - kBase, bytes.size())) {
      space.Write(offset - kBase, bytes);
    }
  }
  ConfigSpace space;
};

class ConfigPortsTest : public testing::Test {
 protected:
  template <typename T>
  T In(uint16_t port) {
    uint8_t bytes[sizeof(T)] = {};
    ports_.Read(port - ConfigPorts::kPort, bytes);
    return static_cast<T>(LoadLittleEndian(bytes));
  }
  template <typename T>
  void Out(uint16_t port, T value) {
    uint8_t bytes[sizeof(T)];
    StoreLittleEndian(value, bytes);
    ports_.Write(port - ConfigPorts::kPort, bytes);
  }

  Window window_;
  ConfigPorts ports_{window_};
};

// ECAM: bus in bits 27:20 of the offset, device in 19:15, function in 14:12.
static_assert(EcamOffset(0, 0, 0) == 0);
static_assert(EcamOffset(0, 0, 1) == 0x1000);
static_assert(EcamOffset(0, 1, 0) == 0x8000);
static_assert(EcamOffset(255, 31, 7) == 0xffff000);

// All functions of all devices of all buses are one after the other, 4 KiB
// apart.
TEST(EcamOffsetTest, FunctionsAreOneAfterTheOther) {
  uint64_t offset = 0;
  for (int bus = 0; bus < 256; ++bus) {
    for (int device = 0; device < 32; ++device) {
      for (int function = 0; function < 8; ++function) {
        ASSERT_EQ(EcamOffset(bus, device, function), offset);
        offset += kEcamFunctionSize;
      }
    }
  }
}

// The address port selects bus, device, function and register; the data port is
// that register.
TEST_F(ConfigPortsTest, ReachesAFunctionByItsAddress) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0));
  EXPECT_EQ(In<uint32_t>(0xcfc), 0x11101af4u);
}

// The address port reads back what was written.
TEST_F(ConfigPortsTest, TheAddressReadsBack) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0, 0x10));
  EXPECT_EQ(In<uint32_t>(0xcf8), Address(0, 4, 0, 0x10));
}

// Bytes and words of the register are reached by the data port's own bytes.
TEST_F(ConfigPortsTest, TakesBytesAndWords) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0));
  EXPECT_EQ(In<uint8_t>(0xcfc), 0xf4);
  EXPECT_EQ(In<uint16_t>(0xcfe), 0x1110);
  Out<uint32_t>(0xcf8, Address(0, 4, 0, 0x10));
  Out<uint8_t>(0xcff, 0xab);
  EXPECT_EQ(window_.space.Get32(0x10), 0xab000000u);
}

// A dword of the data port is data: the address stays as it was.
TEST_F(ConfigPortsTest, TakesDwords) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0, 0x10));
  Out<uint32_t>(0xcfc, 0x12345678);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0x12345678u);
  EXPECT_EQ(In<uint32_t>(0xcf8), Address(0, 4, 0, 0x10));
}

// The two low bits of the address are not part of the register's number.
TEST_F(ConfigPortsTest, TheRegisterIsOfFourBytes) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0) | 3);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0x11101af4u);
}

// Where no function is, reads give ones and writes do nothing.
TEST_F(ConfigPortsTest, AbsentFunctionsReadOnes) {
  for (const uint32_t address :
       {Address(0, 0, 0), Address(0, 4, 1), Address(1, 4, 0)}) {
    Out<uint32_t>(0xcf8, address | 0x10);
    EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
    Out<uint32_t>(0xcfc, 0x12345678);
  }
  EXPECT_EQ(window_.space.Get32(0x10), 0u);
}

// Without the enable bit, the data port is an ordinary port, where nothing is.
TEST_F(ConfigPortsTest, AnswersOnlyWhenEnabled) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0, 0x10) & ~kEnable);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
  Out<uint32_t>(0xcfc, 0x12345678);
  EXPECT_EQ(window_.space.Get32(0x10), 0u);
}

// The address is 0 at first, so nothing is enabled.
TEST_F(ConfigPortsTest, StartsDisabled) {
  EXPECT_EQ(In<uint32_t>(0xcf8), 0u);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
}

// Only an access of 4 bytes is one of the address port.
TEST_F(ConfigPortsTest, TheAddressIsWrittenAsADword) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0));
  Out<uint16_t>(0xcf8, 0x1234);
  Out<uint8_t>(0xcf9, 0x06);
  EXPECT_EQ(In<uint32_t>(0xcf8), Address(0, 4, 0));
  EXPECT_EQ(In<uint16_t>(0xcf8), 0xffff);
}

// What reaches past the data port or begins there, or goes over both, reads
// ones and writes nothing.
TEST_F(ConfigPortsTest, AnAccessPastTheDataPortReadsOnes) {
  Out<uint32_t>(0xcf8, Address(0, 4, 0, 0x10));
  for (const uint16_t port :
       {0xcfa, 0xcfb, 0xcfd, 0xcff, 0xd00, 0xd01, 0xd04}) {
    EXPECT_EQ(In<uint32_t>(port), 0xffffffffu) << port;
    Out<uint32_t>(port, 0x12345678);
  }
  EXPECT_EQ(window_.space.Get32(0x10), 0u);
}

}  // namespace
}  // namespace ivshmem::pci
