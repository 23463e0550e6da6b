// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Peers by hand: who is rung, how the device's own vectors are rung, its id;
// switchboards, which do all that by themselves.

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

// Waits at most so long for what must happen.
constexpr int kPatienceMs = 30000;

class PeersTest : public testing::Test {
 protected:
  // Whose interrupts go through.
  DevicePtr Make(uint32_t vectors = 2, bool with_id = true) {
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    host.opaque = &host_;
    host.send_msi = host_.Callbacks().send_msi;
    ivshmem_pci_options options = PciOptions(memory_, &host);
    options.vectors = vectors;
    if (with_id) {
      options.flags = IVSHMEM_DEVICE_HAS_ID;
      options.id = 1;
    }
    DevicePtr device = capi::Make(options);
    PlaceBars(device);
    EnableMsix(device, vectors);
    return device;
  }

  RecordingHost host_;
  const MemoryPtr memory_ = NewMemory();
};

// The guest's ring signals the event of that vector of that peer, and no other.
TEST_F(PeersTest, RingsSignal) {
  const DevicePtr device = Make();
  const Event first;
  const Event second;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 65535, 0, first.fd()), 0);
  ASSERT_EQ(ivshmem_device_connect(device.get(), 65535, 2047, second.fd()), 0);
  Ring(device, 65535, 0);
  EXPECT_EQ(first.Take(), 1u);
  EXPECT_EQ(second.Take(), 0u);
  Ring(device, 65535, 2047);
  EXPECT_EQ(first.Take(), 0u);
  EXPECT_EQ(second.Take(), 1u);
}

// The descriptor stays the caller's, who may close it.
TEST_F(PeersTest, DescriptorIsDuplicated) {
  const DevicePtr device = Make();
  const Event event;
  const int fd = dup(event.fd());
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 0, fd), 0);
  EXPECT_EQ(close(fd), 0);
  Ring(device, 2, 0);
  EXPECT_EQ(event.Take(), 1u);
}

TEST_F(PeersTest, WrongPeers) {
  const DevicePtr device = Make();
  const Event event;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(ivshmem_device_connect(device.get(), 65536, 0, event.fd()),
            -ERANGE);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("peer: expected 0..65535"));
  EXPECT_EQ(ivshmem_device_connect(device.get(), 0, 2048, event.fd()), -ERANGE);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("vector: expected 0..2047"));
  EXPECT_EQ(ivshmem_device_connect(device.get(), 0, 65536, event.fd()),
            -ERANGE);
  EXPECT_EQ(ivshmem_device_connect(device.get(), 0, 0, ends[1]), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("eventfd"));
  EXPECT_EQ(ivshmem_device_connect(device.get(), 0, 0, -1), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("not open"));
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 0), -ENOENT);
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 65536), -ERANGE);
  close(ends[0]);
  close(ends[1]);
}

// A peer goes with all its vectors.
TEST_F(PeersTest, Disconnect) {
  const DevicePtr device = Make();
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 0, event.fd()), 0);
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 1, event.fd()), 0);
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 2), 0);
  Ring(device, 2, 0);
  Ring(device, 2, 1);
  EXPECT_EQ(event.Take(), 0u);
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 2), -ENOENT);
}

struct Called {
  int rings = 0;
  int released = 0;
};

int RingCalled(void* opaque) {
  ++static_cast<Called*>(opaque)->rings;
  return 0;
}
void ReleaseCalled(void* opaque) { ++static_cast<Called*>(opaque)->released; }

// A peer may be a call; it is let go of once, when nobody can ring it any more.
TEST_F(PeersTest, CallsAreReleasedOnce) {
  Called replaced;
  Called disconnected;
  Called destroyed;
  Called refused;
  {
    const DevicePtr device = Make();
    const auto connect = [&](uint32_t peer, uint32_t vector, Called& called) {
      return ivshmem_device_connect_call(device.get(), peer, vector, RingCalled,
                                         ReleaseCalled, &called);
    };
    ASSERT_EQ(connect(2, 0, replaced), 0);
    Ring(device, 2, 0);
    ASSERT_EQ(connect(2, 0, disconnected), 0);
    EXPECT_EQ(replaced.released, 1);
    Ring(device, 2, 0);
    EXPECT_EQ(ivshmem_device_disconnect(device.get(), 2), 0);
    EXPECT_EQ(disconnected.released, 1);
    ASSERT_EQ(connect(3, 0, destroyed), 0);
    EXPECT_EQ(connect(3, 4000, refused), -ERANGE);
    EXPECT_EQ(refused.released, 1);
    EXPECT_EQ(ivshmem_device_connect_call(device.get(), 3, 0, nullptr,
                                          ReleaseCalled, &refused),
              -EINVAL);
    EXPECT_EQ(refused.released, 2);
    EXPECT_EQ(destroyed.released, 0);
  }
  EXPECT_EQ(destroyed.released, 1);
  EXPECT_EQ(replaced.rings, 1);
  EXPECT_EQ(disconnected.rings, 1);
  EXPECT_EQ(refused.rings, 0);
}

// The id is what IVPosition shows.
TEST_F(PeersTest, Id) {
  const DevicePtr device = Make(2, false);
  EXPECT_EQ(ivshmem_device_id(device.get()), -ENOENT);
  EXPECT_EQ(ivshmem_device_set_id(device.get(), 65535), 0);
  EXPECT_EQ(ivshmem_device_id(device.get()), 65535);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kPosition), 65535u);
  EXPECT_EQ(ivshmem_device_set_id(device.get(), 65536), -ERANGE);
  EXPECT_EQ(ivshmem_device_id(device.get()), 65535);
  EXPECT_EQ(ivshmem_device_clear_id(device.get()), 0);
  EXPECT_EQ(ivshmem_device_id(device.get()), -ENOENT);
}

// A VMM that polls: the event is readable, and taking it interrupts the guest,
// once for all signals that it held.
TEST_F(PeersTest, OwnVectorIsTaken) {
  const DevicePtr device = Make();
  const int fd = ivshmem_device_vector_fd(device.get(), 1);
  ASSERT_GE(fd, 0) << ivshmem_last_error();
  EXPECT_EQ(ivshmem_device_vector_fd(device.get(), 1), fd) << "the same again";
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 1), -EAGAIN);
  Event::Signal(fd);
  Event::Signal(fd);
  pollfd ready = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ready, 1, 0), 1);
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 1),
            IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_THAT(host_.messages, ElementsAre(Pair(0xfee01000, 0x41)));
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 1), -EAGAIN);
  // One that has no event has no signals.
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 0), -EAGAIN);
}

TEST_F(PeersTest, WrongOwnVectors) {
  const DevicePtr device = Make();
  const Event event;
  for (const uint32_t vector : {2u, 65536u, 0xffffffffu}) {
    EXPECT_EQ(ivshmem_device_vector_fd(device.get(), vector), -ERANGE);
    EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), vector), -ERANGE);
    EXPECT_EQ(ivshmem_device_set_vector_fd(device.get(), vector, event.fd()),
              -ERANGE);
  }
  EXPECT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, -1), -EINVAL);
  EXPECT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, 0), -EINVAL);
  ivshmem_pci_options plain = PciOptions(memory_);
  plain.interrupts = IVSHMEM_INTERRUPTS_NONE;
  EXPECT_EQ(ivshmem_device_vector_fd(capi::Make(plain).get(), 0), -ERANGE);
}

// A guest rings itself under its own id, whichever that is, and whenever it
// came.
TEST_F(PeersTest, GuestRingsItself) {
  const DevicePtr device = Make(2, false);
  const int fd = ivshmem_device_vector_fd(device.get(), 0);
  ASSERT_EQ(ivshmem_device_set_id(device.get(), 3), 0);
  Ring(device, 3, 0);
  EXPECT_EQ(Event::Take(fd), 1u);
  const int other = ivshmem_device_vector_fd(device.get(), 1);
  Ring(device, 3, 1);
  EXPECT_EQ(Event::Take(other), 1u);

  ASSERT_EQ(ivshmem_device_set_id(device.get(), 4), 0);
  Ring(device, 3, 0);
  EXPECT_EQ(Event::Take(fd), 0u) << "nobody has the old id";
  Ring(device, 4, 0);
  EXPECT_EQ(Event::Take(fd), 1u);
  ASSERT_EQ(ivshmem_device_set_id(device.get(), 4), 0);
  Ring(device, 4, 1);
  EXPECT_EQ(Event::Take(other), 1u);
  ASSERT_EQ(ivshmem_device_clear_id(device.get()), 0);
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 4), -ENOENT);
}

// An event that came from elsewhere takes the place of the library's.
TEST_F(PeersTest, OwnVectorIsGiven) {
  const DevicePtr device = Make();
  const Event event;
  const int old = dup(ivshmem_device_vector_fd(device.get(), 0));
  ASSERT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, event.fd()), 0);
  event.Signal();
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 0),
            IVSHMEM_INTERRUPT_DELIVERED);
  Event::Signal(old);
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 0), -EAGAIN);
  Ring(device, 1, 0);
  EXPECT_EQ(event.Take(), 1u);
  close(old);
}

LoopPtr NewLoop() {
  ivshmem_loop* loop = nullptr;
  EXPECT_EQ(ivshmem_loop_create(&loop), 0) << ivshmem_last_error();
  return LoopPtr(loop);
}

// A loop that the VMM drives reads the events that there are and those that
// come.
TEST_F(PeersTest, LoopServes) {
  const LoopPtr loop = NewLoop();
  const DevicePtr device = Make();
  const int before = ivshmem_device_vector_fd(device.get(), 0);
  ASSERT_EQ(ivshmem_device_serve(device.get(), loop.get()), 0);
  const int after = ivshmem_device_vector_fd(device.get(), 1);
  EXPECT_EQ(ivshmem_loop_dispatch(loop.get(), 0), 0);
  Event::Signal(before);
  Event::Signal(after);
  pollfd ready = {
      .fd = ivshmem_loop_fd(loop.get()), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ready, 1, kPatienceMs), 1);
  EXPECT_EQ(ivshmem_loop_dispatch(loop.get(), kPatienceMs), 2);
  EXPECT_THAT(host_.messages, SizeIs(2));
  EXPECT_EQ(ivshmem_loop_dispatch(loop.get(), 0), 0);

  EXPECT_EQ(ivshmem_device_serve(device.get(), loop.get()), -EBUSY);
  EXPECT_EQ(ivshmem_device_serve(device.get(), nullptr), -EINVAL);
  // What came in the place of one is read, and the old one is not.
  const int old = dup(before);
  const Event event;
  ASSERT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, event.fd()), 0);
  Event::Signal(old);
  EXPECT_EQ(ivshmem_loop_dispatch(loop.get(), 0), 0);
  event.Signal();
  EXPECT_EQ(ivshmem_loop_dispatch(loop.get(), 0), 1);
  close(old);
  EXPECT_EQ(ivshmem_loop_destroy(loop.get()), -EBUSY);
}

// As an executor the loop does the device's work.
TEST_F(PeersTest, LoopIsAnExecutor) {
  const LoopPtr loop = NewLoop();
  ivshmem_host host = host_.Callbacks();
  host.run = nullptr;
  ivshmem_pci_options options = PciOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  options.loop = loop.get();
  DevicePtr device = capi::Make(options);
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 1, event.fd()), 0);
  EXPECT_THAT(host_.doorbells, IsEmpty());
  EXPECT_GT(ivshmem_loop_dispatch(loop.get(), kPatienceMs), 0);
  EXPECT_THAT(host_.doorbells, SizeIs(1));
  EXPECT_EQ(ivshmem_loop_destroy(loop.get()), -EBUSY);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("in use"));
  // Work that is left is dropped with the loop.
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 2, event.fd()), 0);
  device.reset();
}

// A loop with a thread of its own is nobody else's to drive.
TEST(LoopTest, OwnThread) {
  ivshmem_loop* loop = nullptr;
  ASSERT_EQ(ivshmem_loop_start(nullptr, &loop), 0) << ivshmem_last_error();
  EXPECT_EQ(ivshmem_loop_dispatch(loop, 0), -EBUSY);
  EXPECT_GE(ivshmem_loop_fd(loop), 0);
  EXPECT_EQ(ivshmem_loop_destroy(loop), 0);
  ASSERT_EQ(ivshmem_loop_start("a name that is too long", &loop), 0);
  EXPECT_EQ(ivshmem_loop_destroy(loop), 0);
}

class SwitchboardTest : public PeersTest {
 protected:
  SwitchboardTest() {
    ivshmem_switchboard* made = nullptr;
    EXPECT_EQ(ivshmem_switchboard_create(&made), 0);
    switchboard_.reset(made);
    EXPECT_EQ(ivshmem_switchboard_add_region(made, "shared", memory_.get()), 0)
        << ivshmem_last_error();
  }
  int Bind(const DevicePtr& device, int32_t id = -1) {
    return ivshmem_switchboard_bind(switchboard_.get(), "shared", device.get(),
                                    id);
  }

  SwitchboardPtr switchboard_;
};

// Devices of a region ring each other and themselves.
TEST_F(SwitchboardTest, DevicesRingEachOther) {
  DevicePtr a = Make(2, false);
  const DevicePtr b = Make(1, false);
  EXPECT_EQ(Bind(a), 0);
  EXPECT_EQ(Bind(b, 7), 7);
  EXPECT_EQ(Read(b, IVSHMEM_REGION_REGISTERS, kPosition), 7u);
  Ring(b, 0, 1);
  EXPECT_THAT(host_.messages, ElementsAre(Pair(0xfee01000, 0x41)));
  Ring(a, 7, 0);
  EXPECT_THAT(host_.messages, SizeIs(2));
  Ring(a, 0, 0);
  EXPECT_THAT(host_.messages, SizeIs(3));

  EXPECT_EQ(ivshmem_switchboard_unbind(b.get()), 0);
  EXPECT_EQ(ivshmem_device_id(b.get()), -ENOENT);
  Ring(a, 7, 0);
  EXPECT_THAT(host_.messages, SizeIs(3));
  EXPECT_EQ(ivshmem_switchboard_unbind(b.get()), -ENOENT);
  EXPECT_EQ(Bind(b), 1) << "bound anew";
  a.reset();
  Ring(b, 0, 0);
  EXPECT_EQ(ivshmem_device_count(b.get(), IVSHMEM_COUNT_RINGS_NO_SUCH_PEER),
            1u);
}

TEST_F(SwitchboardTest, Errors) {
  const DevicePtr a = Make(2, false);
  const DevicePtr b = Make(2, false);
  EXPECT_EQ(ivshmem_switchboard_bind(switchboard_.get(), "other", a.get(), -1),
            -ENOENT);
  EXPECT_EQ(ivshmem_switchboard_bind(switchboard_.get(), nullptr, a.get(), -1),
            -EINVAL);
  EXPECT_EQ(Bind(a, 65536), -ERANGE);
  ASSERT_EQ(Bind(a, 3), 3);
  EXPECT_EQ(Bind(b, 3), -EEXIST);
  EXPECT_EQ(Bind(a), -EBUSY);
  EXPECT_EQ(ivshmem_switchboard_destroy(switchboard_.get()), -EBUSY);
  EXPECT_EQ(ivshmem_switchboard_add_region(switchboard_.get(), "shared",
                                           memory_.get()),
            -EEXIST);
  EXPECT_EQ(
      ivshmem_switchboard_add_region(switchboard_.get(), "", memory_.get()),
      -EINVAL);
  EXPECT_EQ(ivshmem_switchboard_add_region(switchboard_.get(), "x", nullptr),
            -EINVAL);
  const MemoryPtr large = NewMemory(0x2000);
  ASSERT_EQ(
      ivshmem_switchboard_add_region(switchboard_.get(), "large", large.get()),
      0);
  EXPECT_EQ(ivshmem_switchboard_bind(switchboard_.get(), "large", b.get(), -1),
            -EINVAL);
}

// Id and vectors are the switchboard's while a device is bound, and a device
// that has vectors by hand cannot be.
TEST_F(SwitchboardTest, NotByHandAsWell) {
  const LoopPtr loop = NewLoop();
  const Event event;
  const DevicePtr device = Make(2, false);
  ASSERT_EQ(Bind(device), 0);
  EXPECT_EQ(ivshmem_device_set_id(device.get(), 4), -EBUSY);
  EXPECT_EQ(ivshmem_device_clear_id(device.get()), -EBUSY);
  EXPECT_EQ(ivshmem_device_vector_fd(device.get(), 0), -EBUSY);
  EXPECT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, event.fd()), -EBUSY);
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 0), -EBUSY);
  EXPECT_EQ(ivshmem_device_serve(device.get(), loop.get()), -EBUSY);

  const DevicePtr by_hand = Make();
  ASSERT_GE(ivshmem_device_vector_fd(by_hand.get(), 0), 0);
  EXPECT_EQ(Bind(by_hand), -EBUSY);
  const DevicePtr served = Make();
  ASSERT_EQ(ivshmem_device_serve(served.get(), loop.get()), 0);
  EXPECT_EQ(Bind(served), -EBUSY);
}

}  // namespace
}  // namespace ivshmem::capi
