// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/mock/host.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "device/flat_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"

// This project's flat device and QEMU's PCI device, on this project's server.
namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kRegisters = 0x40000000;
constexpr uint64_t kMemory = 0x60000000;
// A board's memory map has a place of one size for it.
constexpr uint64_t kMemorySize = 4 << 20;

TEST(OurFlatDevice, AndQemus) {
  ServerProcess server({"--vectors", "2"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const auto qemu = QemuGuest::Join(server.socket_path(), 2);
  ASSERT_NE(qemu, nullptr);
  const auto link = JoinedLink::Join(
      {.socket_path = server.socket_path(), .memory_size = kMemorySize});
  ASSERT_TRUE(link.ok()) << link.status();
  mock::Host host;
  const absl::StatusOr<std::unique_ptr<FlatDevice>> flat = FlatDevice::Create(
      {.registers_address = kRegisters, .memory_address = kMemory},
      (*link)->link().memory(),
      {.mmio = &host.space(), .mapper = &host.space(), .irq = &host.pulse()});
  ASSERT_TRUE(flat.ok()) << flat.status();
  Device& device = (*flat)->device();
  (*link)->Attach(device);
  const absl::Cleanup detach = [&link] { (*link)->Detach(); };

  EXPECT_EQ(host.space().Read32(kRegisters + kPositionOffset), 1);
  for (const Vector vector : {0, 1}) {
    const Doorbell doorbell = {qemu->id(), vector};
    ASSERT_TRUE(
        Becomes([&] { return device.peers().Find(doorbell) != nullptr; }));
    host.space().Write32(kRegisters + kDoorbellOffset, doorbell.Encode());
    EXPECT_TRUE(qemu->Hears(vector));
  }
  ASSERT_TRUE(qemu->RingUntil(1, 1, [&] { return host.pulse().count() > 0; }));
  (*link)->Settle();
  for (const Vector vector : {0, 1}) {
    const uint64_t before = host.pulse().count();
    qemu->Ring(1, vector);
    EXPECT_TRUE(Becomes([&] { return host.pulse().count() > before; }));
    (*link)->Settle();
    EXPECT_EQ(host.pulse().count(), before + 1);
  }

  host.space().Write32(kMemory + kMemorySize - 4, 0x44332211);
  EXPECT_THAT(qemu->device().ReadMemory(kMemorySize - 4, 4),
              ElementsAre(0x11, 0x22, 0x33, 0x44));
  qemu->device().WriteMemory(8, {1, 2, 3, 4});
  EXPECT_EQ(host.space().Read32(kMemory + 8), 0x04030201);
}

// The memory's size must equal the server's: else an error with both.
TEST(OurFlatDevice, AnotherSizeThanTheServers) {
  ServerProcess server({"--size", "1M"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const absl::Status status =
      JoinedLink::Join({.socket_path = server.socket_path(),
                        .memory_size = kMemorySize,
                        .greeting_deadline = kPatience,
                        .retry = false})
          .status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("4194304"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("1048576"));
}

}  // namespace
}  // namespace ivshmem
