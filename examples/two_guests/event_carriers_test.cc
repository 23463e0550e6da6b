// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/event_carriers.h"

#include <sys/eventfd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/loop_thread.h"
#include "core/interrupt_sink.h"
#include "core/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PeerId kPc = 7;
constexpr PeerId kBoard = 300;

class Sink : public InterruptSink {
 public:
  InterruptResult Deliver(Vector vector) noexcept override {
    vectors.push_back(vector);
    return InterruptResult::kDelivered;
  }
  std::vector<int> vectors;
};

class EventCarriersTest : public testing::Test {
 protected:
  static std::unique_ptr<Device> Make(PeerId id, Sink& sink) {
    return *Device::Create(
        {.interrupts = InterruptMode::kMsix, .vectors = 2, .id = id},
        {.interrupts = &sink});
  }

  static void Ring(Device& from, Doorbell doorbell) {
    from.Write(kDoorbellOffset, 4, doorbell.Encode());
  }
  // As a kernel does that has the event of `from`'s doorbell.
  static int EventOf(Device& from, Doorbell doorbell) {
    return static_cast<int>(from.peers().Find(doorbell)->event().value);
  }

  // Delivers until the board has had so many interrupts.
  bool BoardGets(size_t interrupts) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (board_sink_.vectors.size() < interrupts && absl::Now() < end) {
      carriers_->Deliver();
      std::this_thread::yield();
    }
    return board_sink_.vectors.size() == interrupts;
  }

  Sink pc_sink_;
  Sink board_sink_;
  const std::unique_ptr<Device> pc_ = Make(kPc, pc_sink_);
  const std::unique_ptr<Device> board_ = Make(kBoard, board_sink_);
  std::atomic<int> rings_{0};
  const std::unique_ptr<LoopThread> thread_ = *LoopThread::Start();
  const std::unique_ptr<EventCarriers> carriers_ = *EventCarriers::Create(
      *pc_, *board_, thread_->loop(), [this] { ++rings_; });
};

// A ring arrives at the other device with the next Deliver(), on its vector.
TEST_F(EventCarriersTest, CarriesBothWays) {
  Ring(*board_, {kPc, 1});
  Ring(*board_, {kPc, 0});
  EXPECT_THAT(pc_sink_.vectors, IsEmpty());
  carriers_->Deliver();
  EXPECT_THAT(pc_sink_.vectors, ElementsAre(0, 1));
  carriers_->Deliver();
  EXPECT_THAT(pc_sink_.vectors, ElementsAre(0, 1));

  Ring(*pc_, {kBoard, 1});
  EXPECT_TRUE(BoardGets(1));
  EXPECT_THAT(board_sink_.vectors, ElementsAre(1));
  Ring(*pc_, {kBoard, 0});
  EXPECT_TRUE(BoardGets(2));
  EXPECT_THAT(board_sink_.vectors, ElementsAre(1, 0));
}

// Each has all vectors, its own too: by these the kernel learns where the PC's
// interrupts arrive.
TEST_F(EventCarriersTest, EachKnowsAllEvents) {
  for (Device* device : {pc_.get(), board_.get()}) {
    for (const PeerId peer : {kPc, kBoard}) {
      for (const Vector vector : {0, 1}) {
        EXPECT_GE(EventOf(*device, {peer, vector}), 0);
      }
    }
  }
  EXPECT_EQ(EventOf(*pc_, {kPc, 1}), EventOf(*board_, {kPc, 1}));
  EXPECT_NE(EventOf(*pc_, {kPc, 1}), EventOf(*pc_, {kPc, 0}));
}

// Whoever rings the board is noticed, without anybody asking.
TEST_F(EventCarriersTest, SaysThatTheBoardIsRung) {
  Ring(*board_, {kPc, 0});
  EXPECT_EQ(eventfd_write(EventOf(*pc_, {kBoard, 1}), 1), 0);
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (rings_ == 0 && absl::Now() < end) std::this_thread::yield();
  EXPECT_EQ(rings_, 1);
}

// What devices do themselves is not the kernel's.
TEST_F(EventCarriersTest, TheKernelHasDoneNothing) {
  Ring(*pc_, {kBoard, 0});
  Ring(*board_, {kPc, 0});
  EXPECT_TRUE(BoardGets(1));
  carriers_->Deliver();
  EXPECT_EQ(carriers_->rung_by_kernel(), 0u);
  EXPECT_EQ(carriers_->taken_by_kernel(), 0u);
}

// Rings that the PC's device knows nothing of are the kernel's, however many
// come at once.
TEST_F(EventCarriersTest, CountsWhatTheKernelRings) {
  Ring(*pc_, {kBoard, 0});
  EXPECT_TRUE(BoardGets(1));
  EXPECT_EQ(eventfd_write(EventOf(*pc_, {kBoard, 0}), 3), 0);
  EXPECT_TRUE(BoardGets(2));
  EXPECT_EQ(carriers_->rung_by_kernel(), 3u);
  EXPECT_EQ(carriers_->taken_by_kernel(), 0u);
}

// So are the board's rings that somebody else has taken.
TEST_F(EventCarriersTest, CountsWhatTheKernelTakes) {
  Ring(*board_, {kPc, 1});
  carriers_->Deliver();
  Ring(*board_, {kPc, 1});
  eventfd_t taken = 0;
  EXPECT_EQ(eventfd_read(EventOf(*pc_, {kPc, 1}), &taken), 0);
  carriers_->Deliver();
  EXPECT_THAT(pc_sink_.vectors, ElementsAre(1));
  EXPECT_EQ(carriers_->taken_by_kernel(), 1u);
  EXPECT_EQ(carriers_->rung_by_kernel(), 0u);
}

}  // namespace
}  // namespace ivshmem::two_guests
