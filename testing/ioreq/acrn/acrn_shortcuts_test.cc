// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Doorbells and interrupts that the (simulated) kernel carries by itself: as by
// the long way, with one request less; and never a doorbell that is lost.

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/ioreq/acrn/acrn_guest.h"

namespace ivshmem {
namespace {

using acrn_simulation::Command;
using Messages = std::vector<pci::MsiMessage>;

constexpr uint64_t kSize = 2 << 20;
constexpr PeerId kSelf = 1;
constexpr PeerId kPeer = 2;

class AcrnShortcuts : public ::testing::Test {
 protected:
  void SetUp() override {
    object_.emplace(*MemoryObject::Memfd(kSize));
    memory_.emplace(*object_->Map());
    guest_.emplace(AcrnGuest::Options{});
    guest_->vm().Share(memory_->view(), *object_);
  }
  void TearDown() override { guest_->StopServing(); }

  void Create(PciDevice::Host host) {
    device_.emplace(*guest_, 3, memory_->view(), host);
    device_->device().SetId(kSelf);
  }
  std::shared_ptr<EventFd> Connect(PeerId peer, Vector vector) {
    auto event = *EventFd::Create();
    EXPECT_TRUE(device_->device().peers().Connect(peer, vector, event).ok());
    return event;
  }
  uint64_t Notified() {
    return static_cast<uint64_t>(
        guest_->vm().Call({.kind = Command::kReport}).result);
  }
  void Fail(uint64_t request, int error, uint64_t times) {
    guest_->vm().Call({.kind = Command::kFail,
                       .vcpu = static_cast<uint32_t>(error),
                       .number = request,
                       .value = times});
  }
  // Messages come from a thread of the kernel's.
  Messages AwaitMessages(size_t count) {
    Messages all;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (all.size() < count && absl::Now() < deadline) {
      for (const auto& message : guest_->TakeMessages()) all.push_back(message);
      if (all.size() < count) absl::SleepFor(absl::Milliseconds(1));
    }
    return all;
  }

  std::optional<MemoryObject> object_;
  std::optional<MappedMemory> memory_;
  std::optional<AcrnGuest> guest_;
  std::optional<AcrnDevice> device_;
};

// A doorbell in the kernel: the device model sees no request.
TEST_F(AcrnShortcuts, RingsInTheKernel) {
  Create({.doorbells = &guest_->doorbells()});
  const auto a = Connect(kPeer, 0);
  const auto b = Connect(kPeer, 1);
  device_->PlaceBars();
  const uint64_t before = Notified();
  device_->Ring(kPeer, 1);
  EXPECT_EQ(Notified(), before);
  EXPECT_TRUE(b->Drain());
  EXPECT_FALSE(a->Drain());
  device_->Ring(kPeer, 0);
  EXPECT_TRUE(a->Drain());
  // As the register reads without; the others are still ours.
  EXPECT_EQ(device_->Register(kDoorbellOffset), 0u);
  EXPECT_EQ(Notified(), before);
  EXPECT_EQ(device_->Register(kPositionOffset), kSelf);
  EXPECT_EQ(Notified(), before + 1);
}

// What matches nothing is swallowed there, so nobody who is connected may be
// left out: when the kernel takes one doorbell less, all ring the long way.
TEST_F(AcrnShortcuts, AllDoorbellsOrNone) {
  Create({.doorbells = &guest_->doorbells()});
  std::map<Vector, std::shared_ptr<EventFd>> events;
  for (Vector v = 0; v < 4; ++v) events[v] = Connect(kPeer, v);
  device_->PlaceBars();
  Fail(ACRN_IOCTL_IOEVENTFD, ENOSPC, 1);
  guest_->SetConfig(3, pci::kBar0, 0xe5000000);
  for (Vector v = 0; v < 4; ++v) {
    guest_->Write(0xe5000000 + kDoorbellOffset, Doorbell{kPeer, v}.Encode());
    EXPECT_TRUE(events[v]->Drain()) << v;
  }
}

// A peer that comes while others are bound is rung as well.
TEST_F(AcrnShortcuts, APeerComes) {
  Create({.doorbells = &guest_->doorbells()});
  const auto first = Connect(kPeer, 0);
  device_->PlaceBars();
  const auto second = Connect(7, 3);
  const uint64_t before = Notified();
  device_->Ring(7, 3);
  EXPECT_TRUE(second->Drain());
  device_->Ring(kPeer, 0);
  EXPECT_TRUE(first->Drain());
  EXPECT_EQ(Notified(), before);
}

// A peer whose events the kernel cannot signal (one of this process): none is
// bound, and all are rung.
TEST_F(AcrnShortcuts, APeerWithoutEvents) {
  class Counting : public Notifier {
   public:
    Outcome Signal() noexcept override {
      ++count;
      return Outcome::kSignalled;
    }
    int count = 0;
  };
  Create({.doorbells = &guest_->doorbells()});
  const auto event = Connect(kPeer, 0);
  const auto counting = std::make_shared<Counting>();
  ASSERT_TRUE(device_->device().peers().Connect(7, 0, counting).ok());
  device_->PlaceBars();
  device_->Ring(7, 0);
  EXPECT_EQ(counting->count, 1);
  device_->Ring(kPeer, 0);
  EXPECT_TRUE(event->Drain());
}

// Interrupts in the kernel: a signal of the vector's event sends its message,
// while it is unmasked; a masked one is pending, and sent on unmask.
TEST_F(AcrnShortcuts, InterruptsInTheKernel) {
  Create({.router = &guest_->router()});
  const auto own = Connect(kSelf, 2);
  device_->PlaceBars();
  device_->EnableMsix();
  guest_->TakeMessages();
  own->Signal();
  EXPECT_EQ(AwaitMessages(1), (Messages{device_->Message(2)}));
  own->Drain();  // Linux leaves it there.
  device_->MaskVector(2, true);
  own->Signal();
  // Who reads the events when they are not routed: the embedder.
  ASSERT_TRUE(own->Drain());
  EXPECT_EQ(device_->device().OnPeerInterrupt(2), InterruptResult::kHeld);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  device_->MaskVector(2, false);
  EXPECT_EQ(AwaitMessages(1), (Messages{device_->Message(2)}));
  EXPECT_TRUE(guest_->TakeMessages().empty());
}

// An eventfd has one message: a second binding is refused (EBUSY), and free
// again afterwards.
TEST_F(AcrnShortcuts, OneMessageForAnEvent) {
  const auto event = *EventFd::Create();
  auto& router = guest_->router();
  auto first = router.Bind(event->event(), {.address = 0xfee00000, .data = 1});
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = router.Bind(event->event(), {.address = 0xfee00000, .data = 2});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  *first = nullptr;
  second = router.Bind(event->event(), {.address = 0xfee00000, .data = 2});
  ASSERT_TRUE(second.ok()) << second.status();
  event->Signal();
  EXPECT_EQ(AwaitMessages(1), (Messages{{.address = 0xfee00000, .data = 2}}));
}

// The kernel maps no more: BAR2 traps, or is out of sight, but nothing else
// stops working.
TEST_F(AcrnShortcuts, MemoryThatCannotBeMapped) {
  Create({.mapper = &guest_->segments()});
  Fail(ACRN_IOCTL_SET_MEMSEG, ENOSPC, 1);
  device_->PlaceBars();
  EXPECT_EQ(device_->Register(kPositionOffset), kSelf);
  guest_->SetConfig(3, pci::kBar0 + 12, 0x40);
  memory_->view().data[5] = 0x99;
  EXPECT_EQ(guest_->Read(
                (uint64_t{0x40} << 32) | (device_->bar2() & 0xffffffff) | 5, 1),
            0x99u);
}

// A message that the hypervisor refuses is lost; the next one is not.
TEST_F(AcrnShortcuts, AMessageThatIsRefused) {
  Create({});
  device_->PlaceBars();
  device_->EnableMsix();
  Fail(ACRN_IOCTL_INJECT_MSI, EINVAL, 1);
  EXPECT_EQ(device_->device().OnPeerInterrupt(1), InterruptResult::kDelivered);
  EXPECT_EQ(device_->device().OnPeerInterrupt(2), InterruptResult::kDelivered);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{device_->Message(2)}));
}

// Two device models for one VM: the second is refused (EEXIST).
TEST_F(AcrnShortcuts, OneClient) {
  auto second = acrn::Transport::Create(
      guest_->vm(), {.vmid = 3, .vcpus = 4, .page = guest_->vm().page()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace ivshmem
