// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Callbacks that destroy what the call that they are called from still uses,
// where that is not the same device's guest or VMM who waits: late work, peers
// that are released, and other devices' calls.

#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

// A peer that is rung by a call, whose release destroys a device.
struct Releasing {
  static int Connect(ivshmem_device* device, uint32_t peer, uint32_t vector,
                     Releasing& releasing) {
    releasing.device = device;
    return ivshmem_device_connect_call(
        device, peer, vector, [](void*) { return 0; },
        [](void* self) {
          auto& own = *static_cast<Releasing*>(self);
          own.result = ivshmem_device_destroy(own.device);
        },
        &releasing);
  }

  ivshmem_device* device = nullptr;
  int result = 1;
};

class InsideTest : public testing::Test {
 protected:
  DevicePtr NewDevice(const ivshmem_host* host = nullptr, bool id = true) {
    ivshmem_pci_options options = PciOptions(memory_, host);
    if (id) options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.id = id ? 1 : 0;
    DevicePtr device = Make(options);
    PlaceBars(device);
    EnableMsix(device, 1);
    host_.RunWork();
    return device;
  }
  // Destroys `device` in the first callback of that name, and says what came.
  void DestroyIn(const std::string& name, ivshmem_device* device) {
    host_.hook = [this, name, device](const std::string& called) {
      if (called != name || result_ != 1) return;
      result_ = ivshmem_device_destroy(device);
    };
  }
  SwitchboardPtr NewSwitchboard() {
    ivshmem_switchboard* made = nullptr;
    EXPECT_EQ(ivshmem_switchboard_create(&made), 0);
    EXPECT_EQ(ivshmem_switchboard_add_region(made, "r", memory_.get()), 0);
    return SwitchboardPtr(made);
  }

  RecordingHost host_;
  const ivshmem_host callbacks_ = host_.Callbacks();
  const MemoryPtr memory_ = NewMemory();
  int result_ = 1;
};

// A peer that goes while the device is told of it does not take it along.
TEST_F(InsideTest, ReleaseOfAPeer) {
  Releasing releasing;
  const DevicePtr device = NewDevice();
  ASSERT_EQ(Releasing::Connect(device.get(), 5, 0, releasing), 0);
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 5), 0);
  EXPECT_EQ(releasing.result, -EDEADLK);

  // One whose place another takes.
  Releasing replaced;
  const Event event;
  ASSERT_EQ(Releasing::Connect(device.get(), 5, 0, replaced), 0);
  ASSERT_EQ(ivshmem_device_connect(device.get(), 5, 0, event.fd()), 0);
  EXPECT_EQ(replaced.result, -EDEADLK);
}

// Nor one of the device's old id.
TEST_F(InsideTest, ReleaseByANewId) {
  Releasing releasing;
  const DevicePtr device = NewDevice();
  ASSERT_GE(ivshmem_device_vector_fd(device.get(), 0), 0);
  ASSERT_EQ(Releasing::Connect(device.get(), 1, 7, releasing), 0);
  ASSERT_EQ(ivshmem_device_set_id(device.get(), 2), 0);
  EXPECT_EQ(releasing.result, -EDEADLK);

  Releasing replaced;
  const Event event;
  ASSERT_EQ(Releasing::Connect(device.get(), 2, 0, replaced), 0);
  ASSERT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, event.fd()), 0);
  EXPECT_EQ(replaced.result, -EDEADLK);
}

// The device's end releases its peers, which do not end it again.
TEST_F(InsideTest, ReleaseByTheEnd) {
  Releasing releasing;
  ivshmem_device* const device = NewDevice().release();
  ASSERT_EQ(Releasing::Connect(device, 5, 0, releasing), 0);
  EXPECT_EQ(ivshmem_device_destroy(device), 0);
  EXPECT_EQ(releasing.result, -EDEADLK);
}

// A switchboard takes a peer away with what was connected in its name.
TEST_F(InsideTest, ReleaseByASwitchboard) {
  const SwitchboardPtr switchboard = NewSwitchboard();
  const DevicePtr a = NewDevice(nullptr, false);
  const DevicePtr b = NewDevice(nullptr, false);
  for (const DevicePtr* each : {&a, &b}) {
    ASSERT_GE(ivshmem_switchboard_bind(switchboard.get(), "r", each->get(), -1),
              0);
  }
  Releasing releasing;
  ASSERT_EQ(Releasing::Connect(a.get(), 1, 9, releasing), 0);
  EXPECT_EQ(ivshmem_switchboard_unbind(a.get()), 0);
  if (releasing.result == 1) ivshmem_device_disconnect(a.get(), 1);
  EXPECT_EQ(releasing.result, -EDEADLK);
}

// Nor when it takes the place of one that was connected by hand.
TEST_F(InsideTest, ReplacedByASwitchboard) {
  const SwitchboardPtr switchboard = NewSwitchboard();
  const DevicePtr a = NewDevice(nullptr, false);
  const DevicePtr b = NewDevice(nullptr, false);
  ASSERT_EQ(ivshmem_switchboard_bind(switchboard.get(), "r", b.get(), -1), 0);
  Releasing releasing;
  ASSERT_EQ(Releasing::Connect(a.get(), 0, 0, releasing), 0);
  ASSERT_EQ(ivshmem_switchboard_bind(switchboard.get(), "r", a.get(), -1), 1);
  EXPECT_EQ(releasing.result, -EDEADLK);
}

// Work that another device's call makes is this device's all the same.
TEST_F(InsideTest, WorkByAnotherDevicesCall) {
  const SwitchboardPtr switchboard = NewSwitchboard();
  const DevicePtr a = NewDevice(&callbacks_, false);
  const DevicePtr b = NewDevice(nullptr, false);
  ASSERT_EQ(ivshmem_switchboard_bind(switchboard.get(), "r", a.get(), -1), 0);
  host_.RunWork();
  DestroyIn("run", a.get());
  ASSERT_EQ(ivshmem_switchboard_bind(switchboard.get(), "r", b.get(), -1), 1);
  EXPECT_EQ(result_, -EDEADLK);
  host_.hook = nullptr;
  host_.RunWork();
}

// What late work tells does not destroy the device, which the work still uses.
TEST_F(InsideTest, EventsOfLateWork) {
  const DevicePtr device = NewDevice(&callbacks_);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 4, 0, event.fd()), 0);
  host_.result = -EINVAL;
  DestroyIn("event", device.get());
  EXPECT_TRUE(host_.RunWork());
  EXPECT_EQ(result_, -EDEADLK);
  ASSERT_FALSE(host_.events.empty());
  EXPECT_EQ(host_.events.back().kind,
            uint32_t{IVSHMEM_EVENT_DOORBELL_NOT_ACCELERATED});
  host_.hook = nullptr;
  host_.result = 0;
}

// The event of a peer's interrupt may destroy it.
TEST_F(InsideTest, EventOfAnInterrupt) {
  ivshmem_device* const device = NewDevice(&callbacks_).release();
  DestroyIn("event", device);
  EXPECT_GE(ivshmem_device_interrupt(device, 0), 0);
  EXPECT_EQ(result_, 0);
  EXPECT_TRUE(host_.Empty());
}

// A switchboard is in use while it binds.
TEST_F(InsideTest, SwitchboardThatBinds) {
  SwitchboardPtr switchboard = NewSwitchboard();
  const DevicePtr device = NewDevice(&callbacks_, false);
  int destroyed = 1;
  host_.hook = [&](const std::string& name) {
    if (name == "event" && destroyed == 1) {
      destroyed = ivshmem_switchboard_destroy(switchboard.get());
      if (destroyed == 0) static_cast<void>(switchboard.release());
    }
  };
  EXPECT_EQ(ivshmem_switchboard_bind(switchboard.get(), "r", device.get(), -1),
            0);
  host_.hook = nullptr;
  EXPECT_EQ(destroyed, -EBUSY);
  EXPECT_EQ(ivshmem_switchboard_unbind(device.get()), 0);
  host_.RunWork();
}

}  // namespace
}  // namespace ivshmem::capi
