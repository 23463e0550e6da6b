// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// SET_IRQS in all its forms, and the device's interrupts by the client's
// eventfds.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "backends/linux/open_fds.h"
#include "backends/vfio_user/model_fixture.h"
#include "bus/mmio_handler.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"

namespace ivshmem::vfio_user {
namespace {

constexpr auto kInvalid = static_cast<uint32_t>(EINVAL);

class InterruptsTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    Enable();
  }

  uint32_t Set(uint32_t start,
               const std::vector<std::shared_ptr<EventFd>>& events) {
    return client_->SetIrqs(kSetEvents, kMsix, start,
                            static_cast<uint32_t>(events.size()), Fds(events));
  }
  uint64_t Pending() { return client_->Read(kBar1, kPba, 8); }

  // Vectors that were signalled since the last call.
  static std::vector<int> Taken(
      const std::vector<std::shared_ptr<EventFd>>& events) {
    std::vector<int> taken;
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i]->Drain()) taken.push_back(static_cast<int>(i));
    }
    return taken;
  }

  const std::vector<std::shared_ptr<EventFd>> events_ = Events(4);
};

using Vectors = std::vector<int>;

// A vector with an event signals it.
TEST_F(InterruptsTest, SignalEvents) {
  ASSERT_EQ(Set(0, events_), 0u);
  Interrupt(2);
  EXPECT_EQ(Taken(events_), Vectors{2});
  Interrupt(0);
  Interrupt(3);
  EXPECT_EQ(Taken(events_), (Vectors{0, 3}));
  EXPECT_EQ(Pending(), 0u);
}

// What comes for a vector without an event is held, shows in the PBA, and is
// signalled once when the event comes.
TEST_F(InterruptsTest, WaitForTheirEvent) {
  Interrupt(1);
  Interrupt(1);
  EXPECT_EQ(Pending(), 0b10u);
  ASSERT_EQ(Set(0, {events_[0]}), 0u);
  EXPECT_EQ(Pending(), 0b10u);
  ASSERT_EQ(Set(1, {events_[1]}), 0u);
  EXPECT_EQ(Taken(events_), Vectors{1});
  EXPECT_EQ(Pending(), 0u);
}

// As QEMU turns MSI-X on while all is masked: a vector without a descriptor.
TEST_F(InterruptsTest, LoseTheirEventWithoutADescriptor) {
  ASSERT_EQ(Set(0, events_), 0u);
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 1, 2), 0u);
  for (Vector v = 0; v < 4; ++v) Interrupt(v);
  EXPECT_EQ(Taken(events_), (Vectors{0, 3}));
  EXPECT_EQ(Pending(), 0b110u);
  ASSERT_EQ(Set(2, {events_[2]}), 0u);
  EXPECT_EQ(Taken(events_), Vectors{2});
}

// As QEMU turns MSI-X off.
TEST_F(InterruptsTest, AreAllTurnedOff) {
  ASSERT_EQ(Set(0, events_), 0u);
  ASSERT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 0), 0u);
  for (Vector v = 0; v < 4; ++v) Interrupt(v);
  EXPECT_EQ(Taken(events_), Vectors{});
  EXPECT_EQ(Pending(), 0b1111u);
}

// An event is replaced while it is in use, as QEMU does at each mask and unmask
// under KVM: each interrupt goes to the one that is there.
TEST_F(InterruptsTest, ChangeTheirEvent) {
  const auto others = Events(1);
  ASSERT_EQ(Set(0, {events_[0]}), 0u);
  ASSERT_EQ(Set(0, others), 0u);
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{});
  EXPECT_EQ(Taken(others), Vectors{0});
}

// Cloud Hypervisor gives all events first and turns MSI-X on then.
TEST_F(InterruptsTest, ComeInAnyOrderWithTheEnableBit) {
  client_->Write(kConfig, kMsixControl, 0, 2);
  ASSERT_EQ(Set(0, events_), 0u);
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{});
  client_->Write(kConfig, kMsixControl, 0x8000, 2);
  Interrupt(1);
  EXPECT_EQ(Taken(events_), Vectors{1});
}

// The function's mask and the bus master bit are the device's own to obey.
TEST_F(InterruptsTest, ObeyFunctionMaskAndBusMaster) {
  ASSERT_EQ(Set(0, events_), 0u);
  client_->Write(kConfig, kMsixControl, 0xc000, 2);
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{});
  EXPECT_EQ(Pending(), 1u);
  client_->Write(kConfig, kMsixControl, 0x8000, 2);
  EXPECT_EQ(Taken(events_), Vectors{0});
  client_->Write(kConfig, 4, 0x2, 2);
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{});
  client_->Write(kConfig, 4, 0x6, 2);
  EXPECT_EQ(Taken(events_), Vectors{0});
}

// A client may have events signalled that nobody rang.
TEST_F(InterruptsTest, AreTriggeredByTheClient) {
  ASSERT_EQ(Set(0, {events_[0], events_[1], events_[2]}), 0u);
  ASSERT_EQ(client_->SetIrqs(kDisable, kMsix, 1, 3), 0u);
  EXPECT_EQ(Taken(events_), (Vectors{1, 2}));
  ASSERT_EQ(client_->SetIrqs(kSetSome, kMsix, 0, 3, {}, {1, 0, 1}), 0u);
  EXPECT_EQ(Taken(events_), (Vectors{0, 2}));
}

// Events outlive a reset; what was pending does not.
TEST_F(InterruptsTest, KeepTheirEventsInAReset) {
  ASSERT_EQ(Set(0, {events_[0]}), 0u);
  Interrupt(1);
  client_->Reset();
  EXPECT_EQ(Pending(), 0u);
  Enable();
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{0});
  Interrupt(1);
  EXPECT_EQ(Pending(), 0b10u);
}

// They go with the client; what comes then waits for the next one.
TEST_F(InterruptsTest, LoseTheirEventsWithTheClient) {
  const auto open = OpenFds().size();
  ASSERT_EQ(Set(0, events_), 0u);
  EXPECT_EQ(OpenFds().size(), open + 4);
  Connect();
  client_->Read(kBar0, 8, 4);
  EXPECT_EQ(OpenFds().size(), open);
  Interrupt(3);
  EXPECT_EQ(Taken(events_), Vectors{});
  const auto next = Events(4);
  ASSERT_EQ(Set(0, next), 0u);
  EXPECT_EQ(Taken(next), Vectors{3});
}

class WrongSetIrqs : public InterruptsTest {
 protected:
  void SetUp() override {
    InterruptsTest::SetUp();
    ASSERT_EQ(Set(0, events_), 0u);
    open_ = OpenFds().size();
  }
  // Nothing has changed.
  void TearDown() override {
    EXPECT_EQ(OpenFds().size(), open_);
    for (Vector v = 0; v < 4; ++v) Interrupt(v);
    EXPECT_EQ(Taken(events_), (Vectors{0, 1, 2, 3}));
  }

  size_t open_ = 0;
};

// Vectors that are not there, also where the sum wraps around.
TEST_F(WrongSetIrqs, OfOtherVectors) {
  const std::vector<int> two = {events_[0]->fd(), events_[1]->fd()};
  for (const uint32_t start : {3u, 4u, 5u, 0xffffffffu, 0xfffffffeu}) {
    EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, start, 2, two), kInvalid);
    EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, start, 2), kInvalid);
    EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, start, 2), kInvalid);
  }
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 1, 0xffffffff), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 5), kInvalid);
}

// None at all is none; "all" is said in one way.
TEST_F(WrongSetIrqs, OfNoVectors) {
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 0), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetSome, kMsix, 0, 0), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 1, 0), kInvalid);
}

TEST_F(WrongSetIrqs, OfOtherKinds) {
  for (const uint32_t irq : {0u, 1u, 3u, 4u, 5u, 0xffffffffu}) {
    EXPECT_EQ(client_->SetIrqs(kSetEvents, irq, 0, 1, {events_[0]->fd()}),
              kInvalid);
  }
  EXPECT_EQ(client_->SetIrqs(kDisable, 5, 0, 0), kInvalid);
  // Nothing to turn off is no fault.
  EXPECT_EQ(client_->SetIrqs(kDisable, 0, 0, 0), 0u);
}

// As many descriptors as vectors, or none.
TEST_F(WrongSetIrqs, WithOtherNumbersOfDescriptors) {
  const std::vector<int> two = {events_[0]->fd(), events_[1]->fd()};
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 1, two), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 3, two), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 0, two), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 0, two), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 2, two), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetSome, kMsix, 0, 2, two, {0, 0}), kInvalid);
}

// One that is no eventfd spoils them all.
TEST_F(WrongSetIrqs, WithOtherDescriptors) {
  int pipes[2];
  ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  const UniqueFd ends[] = {UniqueFd(pipes[0]), UniqueFd(pipes[1])};
  const auto other = Events(1);
  for (const int wrong : {pipes[1], object_.fd(), client_->fd()}) {
    EXPECT_EQ(
        client_->SetIrqs(kSetEvents, kMsix, 0, 2, {other[0]->fd(), wrong}),
        kInvalid);
  }
  open_ += 3;  // The pipe's and the other event's, which end with this.
  Interrupt(0);
  EXPECT_EQ(Taken(other), Vectors{});
  EXPECT_EQ(Taken(events_), Vectors{0});
  EXPECT_EQ(OpenFds().size(), open_);
  open_ -= 3;
}

// One kind of data and one action, that the device has.
TEST_F(WrongSetIrqs, WithOtherFlags) {
  constexpr uint32_t kKnown = 0x3f;
  for (uint32_t flags = 0; flags <= kKnown; ++flags) {
    if (flags == kSetEvents || flags == kDisable || flags == kSetSome) continue;
    EXPECT_EQ(client_->SetIrqs(flags, kMsix, 0, 1), kInvalid) << flags;
  }
  EXPECT_EQ(client_->SetIrqs(kDisable | 0x40, kMsix, 0, 0), kInvalid);
}

// argsz is the payload's size, and each flag has a byte.
TEST_F(WrongSetIrqs, OfOtherSizes) {
  EXPECT_EQ(client_->SetIrqs(kSetSome, kMsix, 0, 2, {}, {0}), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kSetSome, kMsix, 0, 2, {}, {0, 0, 0}), kInvalid);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 1, {}, {0}), kInvalid);
  for (const uint32_t argsz : {0u, 19u, 21u, 0xffffffffu}) {
    const auto answer = client_->Ask(
        SET_IRQS, Payload().U32(argsz).U32(kDisable).U32(kMsix).U32(0).U32(0));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->error, kInvalid) << argsz;
  }
  const auto shorter = client_->Ask(SET_IRQS, Payload().U32(16).U32(0).U64(0));
  ASSERT_TRUE(shorter.has_value());
  EXPECT_EQ(shorter->error, kInvalid);
}

// An event that is full, and made to wait, holds nobody up: its reader has a
// signal waiting.
TEST_F(InterruptsTest, DoNotWaitForAFullEvent) {
  const UniqueFd full(eventfd(0, EFD_CLOEXEC));
  const uint64_t most = ~uint64_t{0} - 1;
  ASSERT_EQ(write(full.get(), &most, 8), 8);
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 1, {full.get()}), 0u);
  ASSERT_EQ(fcntl(full.get(), F_SETFL, 0), 0);
  Interrupt(0);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 1), 0u);
  EXPECT_EQ(Pending(), 0u);
}

// Holds the table's writes back, so that a message finds its vector without an
// event: as one does that another thread was sending when the event went.
class HoldsBack : public IvshmemModel::Observer, public MmioHandler {
 public:
  void Start(Device& /*device*/) override {}
  MmioHandler& Wrap(uint32_t region, MmioHandler& handler) override {
    if (region != kBar1) return handler;
    table_ = &handler;
    return *this;
  }
  void Hold(bool hold) { hold_ = hold; }

 private:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    table_->Read(offset, bytes);
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    if (!hold_) table_->Write(offset, bytes);
  }

  MmioHandler* table_ = nullptr;
  std::atomic<bool> hold_ = false;
};

class OnTheirWay : public InterruptsTest {
 protected:
  OnTheirWay() { options_.observer = &holds_back_; }
  // Vector 0 loses its event while a message is on its way.
  void SetUp() override {
    InterruptsTest::SetUp();
    ASSERT_EQ(Set(0, {events_[0]}), 0u);
    holds_back_.Hold(true);
    ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 1), 0u);
    Interrupt(0);
    holds_back_.Hold(false);
    EXPECT_EQ(Taken(events_), Vectors{});
  }
  // The model goes before its observer.
  void TearDown() override {
    client_.reset();
    served_.reset();
    model_.reset();
  }

  HoldsBack holds_back_;
};

// Such a message comes with the next event.
TEST_F(OnTheirWay, ComeWithTheNextEvent) {
  ASSERT_EQ(Set(0, {events_[1]}), 0u);
  EXPECT_EQ(Taken(events_), Vectors{1});
}

// A reset forgets it.
TEST_F(OnTheirWay, AreForgottenInAReset) {
  client_->Reset();
  Enable();
  ASSERT_EQ(Set(0, {events_[1]}), 0u);
  EXPECT_EQ(Taken(events_), Vectors{});
  Interrupt(0);
  EXPECT_EQ(Taken(events_), Vectors{1});
}

class ManyVectorsTest : public ModelTest {
 protected:
  ManyVectorsTest() : ModelTest(2048) {}
};

// As QEMU does it with 40 vectors, and with as many as there can be.
TEST_F(ManyVectorsTest, SixteenInAMessage) {
  EXPECT_EQ(client_->GetRegionInfo(kBar1).size, 0x10000u);
  EXPECT_EQ(client_->GetIrqInfo(kMsix).count, 2048u);
  Enable();
  const auto events = Events(48);
  for (uint32_t start = 0; start < 48; start += 16) {
    const std::vector<std::shared_ptr<EventFd>> some(
        events.begin() + start, events.begin() + start + 16);
    ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, start, 16, Fds(some)), 0u);
  }
  Interrupt(47);
  EXPECT_TRUE(events[47]->Drain());
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 2047, 1, {events[0]->fd()}),
            0u);
  Interrupt(2047);
  EXPECT_TRUE(events[0]->Drain());
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 2048), 0u);
  Interrupt(2046);
  EXPECT_EQ(client_->Read(kBar1, 0x8000 + 2047 / 64 * 8, 8), uint64_t{1} << 62);
}

// A message that was on its way when its vector lost the event comes with the
// next one.
TEST(VectorEvents, KeepWhatWasOnItsWay) {
  VectorEvents vectors(2);
  const auto event = *EventFd::Create();
  vectors.Send(VectorEvents::MessageOf(1));
  vectors.Set(0, event);
  EXPECT_FALSE(event->Drain());
  vectors.Set(1, event);
  EXPECT_TRUE(event->Drain());
  vectors.Set(1, nullptr);
  vectors.Set(1, event);
  EXPECT_FALSE(event->Drain());
  vectors.Set(1, nullptr);
  vectors.Send(VectorEvents::MessageOf(1));
  // That it has none is said twice.
  vectors.Set(1, nullptr);
  vectors.Set(1, event);
  EXPECT_TRUE(event->Drain());
  vectors.Set(1, nullptr);
  vectors.Send(VectorEvents::MessageOf(1));
  vectors.Reset();
  vectors.Set(1, event);
  EXPECT_FALSE(event->Drain());
  vectors.Send({.address = 0, .data = 2});
}

}  // namespace
}  // namespace ivshmem::vfio_user
