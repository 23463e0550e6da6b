// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Our device is plugged into a QEMU that runs, and out of it again
// (qemu_vfio_user_test.cc says which QEMU).

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill.

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/interop/vfio_guest.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/pci_function.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kSlot = 6;
// The ACPI controller's register with which a PC's guest lets go of the slots
// of its bits.
constexpr uint16_t kEject = 0xae08;

class QemuVfioUserHotPlug : public ::testing::Test {
 protected:
  void SetUp() override {
    if (VfioGuest::Program().empty()) {
      GTEST_SKIP() << "QEMU_VFIO_USER is not set: it names a "
                      "qemu-system-x86_64 from 10.1 on";
    }
    auto qemu = qemu::Qemu::Start({.program = VfioGuest::Program()});
    ASSERT_TRUE(qemu.ok()) << qemu.status();
    qemu_ = *std::move(qemu);
  }

  absl::Status Plug(const std::string& socket, int slot = kSlot) {
    return qemu_->qmp()
        .Execute("device_add",
                 {{"driver", "vfio-user-pci"},
                  {"id", absl::StrCat("slot", slot)},
                  {"addr", absl::StrCat(slot)},
                  {"socket", {{"type", "unix"}, {"path", socket}}}})
        .status();
  }

  // As the guest agrees to it. An error where QEMU does not outlive it.
  absl::Status Unplug() {
    absl::Status status =
        qemu_->qmp()
            .Execute("device_del", {{"id", absl::StrCat("slot", kSlot)}})
            .status();
    // By the monitor: a qtest that is not answered is a failure.
    status.Update(
        qemu_->qmp()
            .Execute("human-monitor-command",
                     {{"command-line",
                       absl::StrCat("o/w ", kEject, " ", 1 << kSlot)}})
            .status());
    status.Update(qemu_->qmp().WaitFor("DEVICE_DELETED").status());
    return status;
  }

  uint32_t Ids(int slot = kSlot) {
    return qemu::PciFunction(qemu_->qtest(), slot).Config(4, pci::kVendorId);
  }
  bool Runs() { return qemu_->qmp().Execute("query-status").ok(); }

  std::unique_ptr<qemu::Qemu> qemu_;
  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  DeviceProcess alone_{1, {"--size", "1M"}};
  DeviceProcess joined_{2,
                        {"--server", server_.socket_path(), "--vectors", "2"}};
};

// A device that is plugged in is found in its slot; its BAR 2 is the memory.
TEST_F(QemuVfioUserHotPlug, IsFound) {
  ASSERT_NO_FATAL_FAILURE(alone_.Start());
  EXPECT_EQ(Ids(), 0xffffffffu);
  ASSERT_TRUE(Plug(alone_.socket(0)).ok());
  EXPECT_EQ(Ids(), 0x11101af4u);
  const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
  ASSERT_NE(device, nullptr);
  device->WriteMemory(0, {1, 2, 3});
  EXPECT_THAT(device->ReadMemory(0, 4), ElementsAre(1, 2, 3, 0));
}

// One without interrupts can be unplugged, and plugged in again: the slot is
// empty in between, the registers are as at first then, the memory is as it
// was.
TEST_F(QemuVfioUserHotPlug, ComesAndGoes) {
  ASSERT_NO_FATAL_FAILURE(alone_.Start());
  for (uint8_t round = 0; round < 3; ++round) {
    ASSERT_TRUE(Plug(alone_.socket(0)).ok());
    const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->Read(kMaskOffset), 0u);
    device->Write(kMaskOffset, 0x1234);
    EXPECT_THAT(device->ReadMemory(0, 1), ElementsAre(round));
    device->WriteMemory(0, {static_cast<uint8_t>(round + 1)});
    const absl::Status gone = Unplug();
    ASSERT_TRUE(gone.ok()) << gone;
    EXPECT_EQ(Ids(), 0xffffffffu);
  }
}

// One on a server is a peer: it rings and is rung.
TEST_F(QemuVfioUserHotPlug, RingsAndIsRung) {
  ASSERT_NO_FATAL_FAILURE(server_.Start());
  ASSERT_NO_FATAL_FAILURE(joined_.Start());
  const auto other = VfioGuest::Start(joined_.socket(0));
  ASSERT_NE(other, nullptr);
  ASSERT_TRUE(Plug(joined_.socket(1)).ok());
  const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
  ASSERT_NE(device, nullptr);
  const auto id = static_cast<PeerId>(device->Position());
  EXPECT_NE(id, other->id());
  for (Vector vector = 0; vector < 2; ++vector) {
    other->Ring(id, vector);
    EXPECT_TRUE(VfioGuest::Hears(*qemu_, *device, vector));
    device->Ring(other->id(), vector);
    EXPECT_TRUE(other->Hears(vector));
  }
}

// When one with interrupts is unplugged, QEMU 10.2 and 11.1 end with an
// assertion. With any, the device is there for the next one, with its id.
TEST_F(QemuVfioUserHotPlug, OutlivesQemuInAnUnplug) {
  ASSERT_NO_FATAL_FAILURE(server_.Start());
  ASSERT_NO_FATAL_FAILURE(joined_.Start());
  const auto other = VfioGuest::Start(joined_.socket(0));
  ASSERT_NE(other, nullptr);
  ASSERT_TRUE(Plug(joined_.socket(1)).ok());
  PeerId id;
  {
    const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
    ASSERT_NE(device, nullptr);
    id = static_cast<PeerId>(device->Position());
    device->WriteMemory(0, {7});
  }
  const absl::Status gone = Unplug();
  if (!gone.ok()) {
    const auto end = qemu_->process().Wait(kPatience);
    ASSERT_TRUE(end.ok()) << gone << end.status();
    EXPECT_THAT(*end, HasSubstr("signal 6"));
  }
  RecordProperty("unplug", std::string(gone.ToString()));
  const auto next = VfioGuest::Start(joined_.socket(1));
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->id(), id);
  EXPECT_THAT(next->device().ReadMemory(0, 1), ElementsAre(7));
  other->Ring(id, 1);
  EXPECT_TRUE(next->Hears(1));
}

// Where the device has another client, QEMU is told so, and goes on; so does
// the other.
TEST_F(QemuVfioUserHotPlug, IsRefusedWhileItIsBusy) {
  ASSERT_NO_FATAL_FAILURE(alone_.Start());
  const auto other = VfioGuest::Start(alone_.socket(0));
  ASSERT_NE(other, nullptr);
  for (int round = 0; round < 10; ++round) {
    EXPECT_THAT(std::string(Plug(alone_.socket(0)).message()),
                HasSubstr("busy"));
    EXPECT_EQ(Ids(), 0xffffffffu);
  }
  other->device().Write(kMaskOffset, 0x1234);
  EXPECT_EQ(other->device().Read(kMaskOffset), 0x1234u);
  EXPECT_TRUE(Runs());
}

// Where there is no device, QEMU says so, and goes on.
TEST_F(QemuVfioUserHotPlug, FailsWhereNobodyListens) {
  EXPECT_THAT(std::string(Plug(alone_.socket(0)).message()),
              HasSubstr("No such file"));
  EXPECT_TRUE(Runs());
}

// The device's process may be told to end while its guest reads: what is under
// way is answered, then reads give ones, and QEMU goes on. A device of another
// process is plugged in beside it.
TEST_F(QemuVfioUserHotPlug, TheDeviceEndsWhileItIsRead) {
  constexpr int kReads = 2000;
  for (int slot = kSlot; slot < kSlot + 5; ++slot) {
    ASSERT_NO_FATAL_FAILURE(alone_.Start());
    ASSERT_TRUE(Plug(alone_.socket(0), slot).ok());
    qemu::PciFunction function(qemu_->qtest(), slot);
    function.PlaceBars(0xc0000000 + 0x1000000 * slot);
    const std::vector<std::string> reads(
        kReads, qemu::command::Read(4, function.bar(0)));
    std::thread ends([&] { kill(alone_.process().pid(), SIGTERM); });
    const std::vector<uint64_t> read = qemu_->qtest().Run(reads);
    ends.join();
    size_t answered = 0;
    while (answered < read.size() && read[answered] == 0) ++answered;
    EXPECT_THAT(std::vector<uint64_t>(read.begin() + answered, read.end()),
                Each(0xffffffffu));
    ASSERT_NO_FATAL_FAILURE(alone_.Stop());
    ASSERT_TRUE(Runs());
  }
}

}  // namespace
}  // namespace ivshmem
