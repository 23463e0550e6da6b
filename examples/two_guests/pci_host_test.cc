// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/pci_host.h"

#include <cstdint>
#include <cstring>

#include "bus/pci/config_space.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint32_t kEnable = 0x80000000;
constexpr uint16_t kAddress = PciAddress(0, 4, 0);

class Config : public MmioHandler {
 public:
  Config() {
    space.Set32(0x00, 0x11101af4);
    space.AllowWrite(0x10, 0xffffffff);
  }
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    space.Read(offset, bytes);
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    space.Write(offset, bytes);
  }
  pci::ConfigSpace space;
};

class PciHostTest : public testing::Test {
 protected:
  PciHostTest() { host_.Attach(kAddress, config_); }

  template <typename T>
  T In(uint16_t port) {
    T value = 0;
    host_.Read(port - PciHost::kPort,
               {reinterpret_cast<uint8_t*>(&value), sizeof(value)});
    return value;
  }
  template <typename T>
  void Out(uint16_t port, T value) {
    host_.Write(port - PciHost::kPort,
                {reinterpret_cast<const uint8_t*>(&value), sizeof(value)});
  }

  PciHost host_;
  Config config_;
};

TEST_F(PciHostTest, ReachesAFunctionByItsAddress) {
  Out<uint32_t>(0xcf8, kEnable | kAddress << 8);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0x11101af4u);
  EXPECT_EQ(In<uint32_t>(0xcf8), kEnable | kAddress << 8);
}

TEST_F(PciHostTest, TakesBytesAndWords) {
  Out<uint32_t>(0xcf8, kEnable | kAddress << 8);
  EXPECT_EQ(In<uint8_t>(0xcfc), 0xf4);
  EXPECT_EQ(In<uint16_t>(0xcfe), 0x1110);
  Out<uint32_t>(0xcf8, kEnable | kAddress << 8 | 0x10);
  Out<uint8_t>(0xcff, 0xab);
  EXPECT_EQ(config_.space.Get32(0x10), 0xab000000u);
}

TEST_F(PciHostTest, AbsentFunctionsReadOnes) {
  for (const uint16_t address :
       {PciAddress(0, 0, 0), PciAddress(0, 4, 1), PciAddress(1, 4, 0)}) {
    Out<uint32_t>(0xcf8, kEnable | address << 8 | 0x10);
    EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
    Out<uint32_t>(0xcfc, 0x12345678);
  }
  EXPECT_EQ(config_.space.Get32(0x10), 0u);
}

TEST_F(PciHostTest, AnswersOnlyWhenEnabled) {
  Out<uint32_t>(0xcf8, kAddress << 8);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
}

TEST_F(PciHostTest, TheAddressIsWrittenAsADword) {
  Out<uint32_t>(0xcf8, kEnable | kAddress << 8);
  Out<uint16_t>(0xcf8, 0x1234);
  Out<uint8_t>(0xcf9, 0x06);
  EXPECT_EQ(In<uint32_t>(0xcf8), kEnable | kAddress << 8);
}

TEST_F(PciHostTest, AnAccessPastTheDataPortReadsOnes) {
  Out<uint32_t>(0xcf8, kEnable | kAddress << 8 | 0x10);
  EXPECT_EQ(In<uint32_t>(0xcfd), 0xffffffffu);
  Out<uint32_t>(0xcfd, 0);
  EXPECT_EQ(In<uint32_t>(0xcfa), 0xffffffffu);
}

}  // namespace
}  // namespace ivshmem::two_guests
