// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/doorbells.h"

#include <fcntl.h>
#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "backends/doorbell_accelerator.h"
#include "backends/ioreq/acrn/recording_hsm.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/unique_fd.h"
#include "backends/mock/host.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "core/notifier.h"
#include "core/peer_table.h"
#include "device/pci_device.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kAddress = 0x80000000c;
constexpr uint32_t kValue = 0x00070001;

auto IsDoorbell(uint64_t address, uint32_t value, int fd, uint32_t flags) {
  return AllOf(Field("addr", &acrn_ioeventfd::addr, address),
               Field("len", &acrn_ioeventfd::len, 4u),
               Field("data", &acrn_ioeventfd::data, uint64_t{value}),
               Field("fd", &acrn_ioeventfd::fd, static_cast<uint32_t>(fd)),
               Field("flags", &acrn_ioeventfd::flags, flags),
               Field("reserved", &acrn_ioeventfd::reserved, 0u));
}

class DoorbellsTest : public ::testing::Test {
 protected:
  static std::shared_ptr<EventFd> NewEvent() {
    auto event = EventFd::Create();
    EXPECT_TRUE(event.ok()) << event.status();
    return *std::move(event);
  }
  auto Bind(const EventFd& event, uint32_t value = kValue) {
    return doorbells_.Bind(kAddress, value, event.event());
  }

  RecordingHsm hsm_;
  Doorbells doorbells_{hsm_};
};

// A write of 4 bytes of that value to that address in memory, until the
// registration goes.
TEST_F(DoorbellsTest, BindsTheExactValue) {
  const auto event = NewEvent();
  auto doorbell = Bind(*event);
  ASSERT_TRUE(doorbell.ok()) << doorbell.status();
  EXPECT_THAT(hsm_.TakeIoEventFds(),
              ElementsAre(IsDoorbell(kAddress, kValue, event->fd(),
                                     ACRN_IOEVENTFD_FLAG_DATAMATCH)));
  *doorbell = nullptr;
  EXPECT_THAT(hsm_.TakeIoEventFds(),
              ElementsAre(IsDoorbell(kAddress, kValue, event->fd(),
                                     ACRN_IOEVENTFD_FLAG_DATAMATCH |
                                         ACRN_IOEVENTFD_FLAG_DEASSIGN)));
}

// What matches no bound value is lost.
TEST_F(DoorbellsTest, MissesAreSwallowed) {
  EXPECT_EQ(doorbells_.miss_policy(),
            DoorbellAccelerator::MissPolicy::kSwallowed);
}

// The kernel's errors. Nothing is left to undo, and the eventfd is free.
TEST_F(DoorbellsTest, Errors) {
  const auto event = NewEvent();
  hsm_.Answer(ACRN_IOCTL_IOEVENTFD, -ENOMEM);
  hsm_.Answer(ACRN_IOCTL_IOEVENTFD, -EEXIST);
  const auto full = Bind(*event).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(full.message(),
              HasSubstr("ioeventfd for 0x00070001 at 0x80000000c"));
  EXPECT_TRUE(absl::IsAlreadyExists(Bind(*event).status()));
  EXPECT_EQ(hsm_.TakeIoEventFds().size(), 2u);
  EXPECT_TRUE(Bind(*event).ok());
}

// The kernel takes a binding away by its eventfd alone. So an eventfd is bound
// once, by whichever of its descriptors; when it is released, again.
TEST_F(DoorbellsTest, AnEventIsBoundOnce) {
  const auto event = NewEvent();
  auto adopted =
      EventFd::Adopt(UniqueFd(fcntl(event->fd(), F_DUPFD_CLOEXEC, 0)));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  const std::shared_ptr<EventFd> same = *std::move(adopted);
  auto doorbell = Bind(*event);
  ASSERT_TRUE(doorbell.ok());
  hsm_.TakeIoEventFds();
  for (const auto& again : {event, same}) {
    const auto second = Bind(*again, kValue + 1).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
    EXPECT_THAT(second.message(), HasSubstr("takes doorbells away by their "
                                            "eventfd"));
  }
  EXPECT_THAT(hsm_.TakeIoEventFds(), IsEmpty());
  *doorbell = nullptr;
  EXPECT_TRUE(Bind(*same, kValue + 1).ok());
}

// Another eventfd may ring as well, for another value or the same one.
TEST_F(DoorbellsTest, OtherEventsAreOthers) {
  const auto first = NewEvent();
  const auto second = NewEvent();
  const auto one = Bind(*first);
  EXPECT_TRUE(Bind(*second).ok());
  EXPECT_TRUE(Bind(*second, kValue + 1).ok());
}

// Registrations may outlive the object.
TEST_F(DoorbellsTest, RegistrationsOutliveIt) {
  const auto event = NewEvent();
  std::optional<Doorbells> doorbells(std::in_place, hsm_);
  auto doorbell = doorbells->Bind(kAddress, kValue, event->event());
  doorbells.reset();
  hsm_.TakeIoEventFds();
  *doorbell = nullptr;
  EXPECT_EQ(hsm_.TakeIoEventFds().size(), 1u);
}

// --- With a device: all connected pairs are bound, or none
// --------------------

class DeviceDoorbellsTest : public DoorbellsTest {
 protected:
  static PciDevice::Host With(mock::Host& host, Doorbells& doorbells,
                              DeviceEvents& events) {
    PciDevice::Host offer = PciGuest::Everything(host, &events);
    offer.doorbells = &doorbells;
    offer.router = nullptr;
    offer.executor = nullptr;
    return offer;
  }

  std::shared_ptr<EventFd> Connect(PeerId peer, Vector vector) {
    auto event = NewEvent();
    Connect(peer, vector, event);
    return event;
  }
  void Connect(PeerId peer, Vector vector, std::shared_ptr<Notifier> event) {
    EXPECT_TRUE(
        guest_.device().peers().Connect(peer, vector, std::move(event)).ok());
  }

  // How many are bound, by what the kernel was asked.
  int bound() {
    for (const acrn_ioeventfd& asked : hsm_.TakeIoEventFds()) {
      bound_ += (asked.flags & ACRN_IOEVENTFD_FLAG_DEASSIGN) != 0 ? -1 : 1;
    }
    return bound_;
  }

  EventRecorder events_;
  mock::Host host_{{}};
  PciGuest guest_{host_,
                  {.dialect = kAcrn, .vectors = 2, .id = 2},
                  With(host_, doorbells_, events_)};

 private:
  int bound_ = 0;
};

// Each at the doorbell register, where the guest has put it.
TEST_F(DeviceDoorbellsTest, AllAreBound) {
  const auto event = Connect(7, 1);
  guest_.Enumerate();
  EXPECT_THAT(
      hsm_.TakeIoEventFds(),
      ElementsAre(IsDoorbell(PciGuest::kBar0 + 12, 0x00070001, event->fd(),
                             ACRN_IOEVENTFD_FLAG_DATAMATCH)));
  Connect(8, 0);
  Connect(8, 1);
  EXPECT_EQ(bound(), 2);
  guest_.SetCommand(0);
  EXPECT_EQ(bound(), -1) << "and the first";
}

// One that the kernel has no room for would be lost: none is bound, all are
// rung by trapping.
TEST_F(DeviceDoorbellsTest, NoneIsBoundWhenOneIsRefused) {
  std::vector<std::shared_ptr<EventFd>> events;
  for (PeerId peer = 7; peer < 10; ++peer) events.push_back(Connect(peer, 0));
  hsm_.Answer(ACRN_IOCTL_IOEVENTFD, 0);
  hsm_.Answer(ACRN_IOCTL_IOEVENTFD, 0);
  hsm_.Answer(ACRN_IOCTL_IOEVENTFD, -ENOMEM);
  guest_.Enumerate();
  const auto asked = hsm_.TakeIoEventFds();
  ASSERT_EQ(asked.size(), 5u) << "three tried, two undone";
  EXPECT_NE(asked[3].flags & ACRN_IOEVENTFD_FLAG_DEASSIGN, 0u);
  EXPECT_NE(asked[4].flags & ACRN_IOEVENTFD_FLAG_DEASSIGN, 0u);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kDoorbellNotAccelerated), 1);
  for (PeerId peer = 7; peer < 10; ++peer) guest_.Ring(peer, 0);
  for (const auto& event : events) EXPECT_TRUE(event->Drain());
}

// Two doorbells with one eventfd could not be told apart by the kernel.
TEST_F(DeviceDoorbellsTest, NoneIsBoundWhenTwoShareAnEvent) {
  guest_.Enumerate();
  Connect(7, 0);
  EXPECT_EQ(bound(), 1);
  const auto shared = NewEvent();
  Connect(8, 0, shared);
  EXPECT_EQ(bound(), 2);
  Connect(8, 1, shared);
  EXPECT_EQ(bound(), 0);
  guest_.Ring(8, 1);
  EXPECT_TRUE(shared->Drain());
  guest_.device().peers().Disconnect(8);
  EXPECT_EQ(bound(), 1) << "those that are left";
}

// A peer that nothing outside can ring, a device of this process, keeps the
// others trapped as well.
TEST_F(DeviceDoorbellsTest, NoneIsBoundWhenOneHasNoEvent) {
  class Inside : public Notifier {
   public:
    Outcome Signal() noexcept override { return Outcome::kSignalled; }
  };
  guest_.Enumerate();
  Connect(7, 0);
  EXPECT_EQ(bound(), 1);
  Connect(8, 0, std::make_shared<Inside>());
  EXPECT_EQ(bound(), 0);
  guest_.device().peers().Disconnect(8);
  EXPECT_EQ(bound(), 1);
}

}  // namespace
}  // namespace ivshmem::acrn
