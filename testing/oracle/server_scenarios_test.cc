// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What QEMU's own tests do with a server, and with devices that come and go at
// run time, from a description of them: on this project's server, with QEMU's
// device and with this project's.

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/link_events.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/our_guest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/pci_function.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr int kVectors = 2;
constexpr uint64_t kSize = 1 << 20;
// How long a pending bit may take: QEMU's tests give it five seconds of a
// machine of their own.
constexpr absl::Duration kSoon = absl::Seconds(30);

// --- server ----------------------------------------------------------------

// A guest that has its vectors masked, so that interrupts are pending bits.
class MaskedGuest {
 public:
  virtual ~MaskedGuest() = default;
  virtual uint32_t Position() = 0;
  virtual void Ring(PeerId peer, Vector vector) = 0;
  virtual uint32_t PendingBits() = 0;
  virtual void Unmask(Vector vector) = 0;

  // Rings until `other` has it pending: a doorbell of which a guest has not
  // been told yet does nothing.
  bool Reaches(MaskedGuest& other, Vector vector) {
    const auto id = static_cast<PeerId>(other.Position());
    return Soon([&] {
      Ring(id, vector);
      return (other.PendingBits() >> vector & 1) != 0;
    });
  }

  template <typename Condition>
  static bool Soon(const Condition& holds) {
    const absl::Time deadline = absl::Now() + kSoon;
    while (!holds()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }
};

class QemusMaskedGuest : public MaskedGuest {
 public:
  explicit QemusMaskedGuest(const std::string& socket)
      : guest_(QemuGuest::Join(socket, kVectors)) {}

  uint32_t Position() override { return guest_->device().Position(); }
  void Ring(PeerId peer, Vector vector) override { guest_->Ring(peer, vector); }
  uint32_t PendingBits() override {
    uint32_t bits = 0;
    for (const Vector vector : guest_->device().Pending()) bits |= 1u << vector;
    return bits;
  }
  void Unmask(Vector vector) override { guest_->device().Take(vector); }

 private:
  const std::unique_ptr<QemuGuest> guest_;
};

class OurMaskedGuest : public MaskedGuest {
 public:
  explicit OurMaskedGuest(const std::string& socket)
      : guest_(OurGuest::Join({.socket_path = socket}, kVectors)) {
    for (int v = 0; v < kVectors; ++v) guest_->guest().MaskVector(v, true);
  }

  uint32_t Position() override { return guest_->guest().Read(kPositionOffset); }
  void Ring(PeerId peer, Vector vector) override { guest_->Ring(peer, vector); }
  uint32_t PendingBits() override {
    guest_->link().Settle();
    return guest_->host().space().Read32(PciGuest::kBar1 + 0x800);
  }
  void Unmask(Vector vector) override {
    guest_->guest().MaskVector(vector, false);
    EXPECT_TRUE(guest_->Hears(vector));
    guest_->guest().MaskVector(vector, true);
  }

 private:
  const std::unique_ptr<OurGuest> guest_;
};

enum class Whose : uint8_t { kQemus, kOurs };

std::unique_ptr<MaskedGuest> Join(Whose whose, const ServerProcess& server) {
  if (whose == Whose::kQemus) {
    return std::make_unique<QemusMaskedGuest>(server.socket_path());
  }
  return std::make_unique<OurMaskedGuest>(server.socket_path());
}

class Server : public ::testing::TestWithParam<std::tuple<Whose, Whose>> {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(server_.Start()); }

  ServerProcess server_{{"--vectors", absl::StrCat(kVectors), "--size", "1M"}};
};

INSTANTIATE_TEST_SUITE_P(
    Of, Server,
    ::testing::Values(std::tuple(Whose::kQemus, Whose::kQemus),
                      std::tuple(Whose::kQemus, Whose::kOurs),
                      std::tuple(Whose::kOurs, Whose::kOurs)),
    [](const auto& info) {
      const auto name = [](Whose whose) {
        return whose == Whose::kQemus ? "Qemus" : "Ours";
      };
      return absl::StrCat(name(std::get<0>(info.param)), "And",
                          name(std::get<1>(info.param)));
    });

// Two guests have different ids; each vector that one rings is soon pending at
// the other, and nowhere else; unmasked, it is let out and pending no more.
TEST_P(Server, PendingBits) {
  const auto a = Join(std::get<0>(GetParam()), server_);
  const auto b = Join(std::get<1>(GetParam()), server_);
  EXPECT_NE(a->Position(), b->Position());
  EXPECT_EQ(a->PendingBits(), 0);
  EXPECT_EQ(b->PendingBits(), 0);
  for (const auto& [from, to] :
       {std::pair(a.get(), b.get()), std::pair(b.get(), a.get())}) {
    for (Vector vector = 0; vector < kVectors; ++vector) {
      ASSERT_TRUE(from->Reaches(*to, vector)) << vector;
      EXPECT_EQ(to->PendingBits(), 1u << vector);
      EXPECT_EQ(from->PendingBits(), 0);
      to->Unmask(vector);
      EXPECT_EQ(to->PendingBits(), 0);
    }
  }
}

// --- hot plug --------------------------------------------------------------

constexpr int kSlot = 6;
// The ACPI controller's register with which a PC's guest lets go of the slots
// of its bits.
constexpr uint16_t kEject = 0xae08;

class HotPlug : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<qemu::Qemu>> qemu = qemu::Qemu::Start({});
    ASSERT_TRUE(qemu.ok()) << qemu.status();
    qemu_ = *std::move(qemu);
  }

  void Plug(nlohmann::json device) {
    device["id"] = "plugged";
    device["addr"] = absl::StrCat(kSlot);
    const auto done = qemu_->qmp().Execute("device_add", device);
    ASSERT_TRUE(done.ok()) << done.status();
  }

  // As the guest agrees to it.
  void Unplug() {
    const auto asked = qemu_->qmp().Execute("device_del", {{"id", "plugged"}});
    ASSERT_TRUE(asked.ok()) << asked.status();
    qemu_->qtest().Run(qemu::command::Out(4, kEject, 1u << kSlot));
    const auto gone = qemu_->qmp().WaitFor("DEVICE_DELETED");
    ASSERT_TRUE(gone.ok()) << gone.status();
  }

  uint32_t Ids() {
    return qemu::PciFunction(qemu_->qtest(), kSlot).Config(4, pci::kVendorId);
  }

  std::unique_ptr<qemu::Qemu> qemu_;
};

// A memory backend of QEMU's own makes a device, at run time too: the slot has
// it, its BAR 2 is the memory; a backend has one device at a time; unplugged,
// the slot is empty and the backend can go. (For a second device on the same
// backend QEMU 7.2 aborts.)
TEST_F(HotPlug, MemoryBackend) {
  EXPECT_EQ(Ids(), 0xffffffff);
  for (int round = 0; round < 2; ++round) {
    const std::string ram = absl::StrCat("ram", round);
    const auto made = qemu_->qmp().Execute(
        "object-add",
        {{"qom-type", "memory-backend-ram"}, {"id", ram}, {"size", kSize}});
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_NO_FATAL_FAILURE(
        Plug({{"driver", "ivshmem-plain"}, {"memdev", ram}}));
    EXPECT_EQ(Ids(), 0x11101af4);
    const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->function().ProbeBar(2).size, kSize);
    const std::vector<uint8_t> bytes = {1, 2, static_cast<uint8_t>(round)};
    device->WriteMemory(kSize - 3, bytes);
    EXPECT_EQ(device->ReadMemory(kSize - 3, 3), bytes);
    const absl::Status second =
        qemu_->qmp()
            .Execute("device_add",
                     {{"driver", "ivshmem-plain"}, {"memdev", ram}})
            .status();
    EXPECT_THAT(std::string(second.message()), HasSubstr("busy"));
    ASSERT_NO_FATAL_FAILURE(Unplug());
    EXPECT_EQ(Ids(), 0xffffffff);
    const auto gone = qemu_->qmp().Execute("object-del", {{"id", ram}});
    EXPECT_TRUE(gone.ok()) << gone.status();
  }
}

// A device that is plugged in at run time joins the server and is rung by this
// project's; unplugged, and its connection closed, it has left.
TEST_F(HotPlug, JoinsAndLeavesTheServer) {
  ServerProcess server({"--vectors", absl::StrCat(kVectors)});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const auto ours =
      OurGuest::Join({.socket_path = server.socket_path()}, kVectors);
  ASSERT_NE(ours, nullptr);
  const auto connected = qemu_->qmp().Execute(
      "chardev-add", {{"id", "server"},
                      {"backend",
                       {{"type", "socket"},
                        {"data",
                         {{"server", false},
                          {"addr",
                           {{"type", "unix"},
                            {"data", {{"path", server.socket_path()}}}}}}}}}});
  ASSERT_TRUE(connected.ok()) << connected.status();
  Plug({{"driver", "ivshmem-doorbell"},
        {"chardev", "server"},
        {"vectors", kVectors}});
  const auto device = qemu::IvshmemDevice::SetUp(qemu_->qtest());
  ASSERT_NE(device, nullptr);
  const auto id = static_cast<PeerId>(device->Position());
  EXPECT_NE(id, ours->id());
  for (Vector vector = 0; vector < kVectors; ++vector) {
    ASSERT_TRUE(ours->Knows(id, vector));
    ours->Ring(id, vector);
    EXPECT_TRUE(device->PendingWithin(vector, kPatience));
    EXPECT_TRUE(device->Take(vector));
  }
  ASSERT_TRUE(Becomes([&] {
    device->Ring(ours->id(), 0);
    return !ours->HearsNothing();
  }));
  ASSERT_NO_FATAL_FAILURE(Unplug());
  EXPECT_EQ(Ids(), 0xffffffff);
  const auto closed =
      qemu_->qmp().Execute("chardev-remove", {{"id", "server"}});
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_TRUE(ours->link().Happens(LinkEvent::Kind::kPeerLeft));
}

// This project's device in its place: plugged in at run time, rung and ringing,
// gone, and back, while QEMU's guest goes on.
TEST_F(HotPlug, OursComesAndGoesBesideQemus) {
  ServerProcess server({"--vectors", absl::StrCat(kVectors)});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const auto qemu = QemuGuest::Join(server.socket_path(), kVectors);
  ASSERT_NE(qemu, nullptr);
  for (int round = 0; round < 3; ++round) {
    const auto ours =
        OurGuest::Join({.socket_path = server.socket_path()}, kVectors);
    ASSERT_NE(ours, nullptr);
    ASSERT_TRUE(ours->Knows(qemu->id(), kVectors - 1));
    ours->Ring(qemu->id(), 1);
    EXPECT_TRUE(qemu->Hears(1));
    EXPECT_TRUE(
        qemu->RingUntil(ours->id(), 1, [&] { return !ours->HearsNothing(); }));
  }
}

}  // namespace
}  // namespace ivshmem
