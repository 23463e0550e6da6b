// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/link_events.h"
#include "backends/linux/server_link.h"
#include "core/doorbell.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/our_guest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"

// The server is killed and started again, under devices that are in use.
namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using Kind = LinkEvent::Kind;

constexpr int kVectors = 2;

// A guest that rings a peer as fast as it can.
class Traffic {
 public:
  Traffic(OurGuest& from, PeerId to)
      : thread_([this, &from, to] {
          while (!stop_) {
            from.Ring(to, 0);
            ++rung_;
            absl::SleepFor(absl::Microseconds(50));
          }
        }) {}
  ~Traffic() {
    stop_ = true;
    thread_.join();
  }

  // Whether it goes on.
  bool Goes() const {
    const int before = rung_;
    return Becomes([&] { return rung_ > before + 10; });
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> rung_ = 0;
  std::thread thread_;
};

class ServerRestart : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    a_ = Join();
    b_ = Join();
    ASSERT_TRUE(a_ != nullptr && b_ != nullptr);
    ASSERT_TRUE(KnowEachOther());
  }

  std::unique_ptr<OurGuest> Join() {
    ServerLink::Options options;
    options.socket_path = server_.socket_path();
    // Not before the new server has been started: its process holds what this
    // one has open, a socket with the link's name too, until it is a program.
    options.retry_first = absl::Milliseconds(100);
    options.retry_most = absl::Milliseconds(100);
    return OurGuest::Join(options, kVectors);
  }

  bool KnowEachOther() {
    return a_->Knows(b_->id(), kVectors - 1) &&
           b_->Knows(a_->id(), kVectors - 1);
  }

  // SIGKILL, and again from its state. Returns when both have re-joined and
  // know who is there, for the `times`th time.
  void Restart(int times = 1) {
    server_.Kill();
    for (OurGuest* guest : {a_.get(), b_.get()}) {
      ASSERT_TRUE(guest->link().Happens(Kind::kLost, times));
    }
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    for (OurGuest* guest : {a_.get(), b_.get()}) {
      ASSERT_TRUE(guest->link().Happens(Kind::kRejoined, times));
    }
    ASSERT_TRUE(KnowEachOther());
  }

  // Nothing that is rung from now on is lost: each is heard before the next is
  // rung.
  void ExpectNothingIsLost() {
    for (int i = 0; i < 200; ++i) {
      const auto vector = static_cast<Vector>(i % kVectors);
      a_->Ring(b_->id(), vector);
      ASSERT_TRUE(b_->Hears(vector)) << i;
      b_->Ring(a_->id(), vector);
      ASSERT_TRUE(a_->Hears(vector)) << i;
    }
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M", "--file",
                         "%d/memory", "--state", "%d/state"}};
  std::unique_ptr<OurGuest> a_;
  std::unique_ptr<OurGuest> b_;
};

// Ids and the memory are the same as before; rings arrive.
// Differs: rejoin
// Fault: qemu-server-restart
TEST_F(ServerRestart, DevicesReJoin) {
  a_->host().space().Write32(PciGuest::kBar2, 0x12345678);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(Restart(round));
    EXPECT_EQ(a_->id(), 0);
    EXPECT_EQ(b_->id(), 1);
    ASSERT_NO_FATAL_FAILURE(ExpectNothingIsLost());
  }
  for (OurGuest* guest : {a_.get(), b_.get()}) {
    EXPECT_EQ(guest->link().Count(Kind::kIdChanged), 0);
    EXPECT_EQ(guest->link().Count(Kind::kMemoryChanged), 0);
  }
  // The new server's memory is the one that the guests have.
  EXPECT_EQ(RunCommand(server_, {"mem", "dump", "--raw", "--length", "4"}),
            "\x78\x56\x34\x12");
}

// While the server is away, guests that knew each other hear each other, and
// traffic goes on over it all.
TEST_F(ServerRestart, UnderTraffic) {
  {
    const Traffic there(*a_, b_->id());
    const Traffic back(*b_, a_->id());
    for (int round = 1; round <= 3; ++round) {
      ASSERT_NO_FATAL_FAILURE(Restart(round));
      EXPECT_TRUE(there.Goes() && back.Goes());
    }
    server_.Kill();
    for (OurGuest* guest : {a_.get(), b_.get()}) {
      ASSERT_TRUE(guest->link().Happens(Kind::kLost, 4));
      guest->TakeAll();
      EXPECT_TRUE(guest->Hears(0)) << "without a server";
    }
  }
  ASSERT_NO_FATAL_FAILURE(server_.Start());
  for (OurGuest* guest : {a_.get(), b_.get()}) {
    ASSERT_TRUE(guest->link().Happens(Kind::kRejoined, 4));
    guest->TakeAll();
  }
  ASSERT_TRUE(KnowEachOther());
  ASSERT_NO_FATAL_FAILURE(ExpectNothingIsLost());
}

// QEMU's device does not come back to a server that has gone, but its guest
// goes on being heard and rung, for as long as absent peers are kept. A new
// QEMU joins the new server.
TEST_F(ServerRestart, BesideQemu) {
  const auto old = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(old, nullptr);
  ASSERT_TRUE(a_->Knows(old->id(), kVectors - 1));
  ASSERT_TRUE(old->RingUntil(a_->id(), kVectors - 1,
                             [&] { return !a_->HearsNothing(); }));
  a_->TakeAll();
  ASSERT_NO_FATAL_FAILURE(Restart());

  old->Ring(a_->id(), 0);
  EXPECT_TRUE(a_->Hears(0));
  a_->Ring(old->id(), 1);
  EXPECT_TRUE(old->Hears(1));

  const auto young = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(young, nullptr);
  EXPECT_NE(young->id(), old->id()) << "its guest is still known under it";
  ASSERT_TRUE(b_->Knows(young->id(), kVectors - 1));
  b_->Ring(young->id(), 1);
  EXPECT_TRUE(young->Hears(1));
  EXPECT_TRUE(
      young->RingUntil(b_->id(), 1, [&] { return !b_->HearsNothing(); }));
  old->device().WriteMemory(64, {5});
  EXPECT_THAT(young->device().ReadMemory(64, 1), ElementsAre(5));
}

// Who joined and was away when the server went gets its id when it is back.
TEST_F(ServerRestart, WhoIsAwayKeepsItsId) {
  ServerLink::Options options;
  options.socket_path = server_.socket_path();
  options.identity = "00112233445566778899aabbccddeeff";
  PeerId id;
  {
    const auto away = OurGuest::Join(options, kVectors);
    ASSERT_NE(away, nullptr);
    id = away->id();
  }
  ASSERT_TRUE(a_->link().Happens(Kind::kPeerLeft));
  ASSERT_NO_FATAL_FAILURE(Restart());
  const auto other = Join();
  const auto back = OurGuest::Join(options, kVectors);
  ASSERT_TRUE(other != nullptr && back != nullptr);
  EXPECT_EQ(back->id(), id);
  EXPECT_NE(other->id(), id);
}

// SIGTERM and a start are a restart too, without a trace of the old socket.
TEST_F(ServerRestart, AfterAnOrderlyEnd) {
  server_.Stop();
  ASSERT_TRUE(a_->link().Happens(Kind::kLost));
  ASSERT_NO_FATAL_FAILURE(server_.Start());
  ASSERT_TRUE(a_->link().Happens(Kind::kRejoined));
  ASSERT_TRUE(b_->link().Happens(Kind::kRejoined));
  ASSERT_TRUE(KnowEachOther());
  EXPECT_EQ(a_->id(), 0);
  ASSERT_NO_FATAL_FAILURE(ExpectNothingIsLost());
}

}  // namespace
}  // namespace ivshmem
