// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Callbacks that call the library again: anything but destroy, and that where
// the header says so.

#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

class ReentrancyTest : public testing::Test {
 protected:
  ReentrancyTest() : callbacks_(host_.Callbacks()) {}

  // A device whose guest is ready, with an id.
  ivshmem_device* Ready(uint32_t vectors = 2) {
    ivshmem_pci_options options = PciOptions(memory_, &callbacks_);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.vectors = vectors;
    DevicePtr device = Make(options);
    PlaceBars(device);
    EnableMsix(device, vectors);
    host_.RunWork();
    return device.release();
  }
  // Destroys `device` in the first callback of that name, and says what came.
  void DestroyIn(const std::string& name, ivshmem_device* device) {
    result_ = 1;
    host_.hook = [this, name, device](const std::string& called) {
      if (called != name || result_ != 1) return;
      result_ = ivshmem_device_destroy(device);
    };
  }

  RecordingHost host_;
  ivshmem_host callbacks_;
  const MemoryPtr memory_ = NewMemory();
  int result_ = 1;
};

// A message for a peer's interrupt may destroy the device.
TEST_F(ReentrancyTest, DestroyedByAMessage) {
  ivshmem_device* const device = Ready();
  DestroyIn("send_msi", device);
  EXPECT_EQ(ivshmem_device_interrupt(device, 0), IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_EQ(result_, 0);
  EXPECT_TRUE(host_.Empty());
}

// So may one for an event that is taken, or that a loop reads.
TEST_F(ReentrancyTest, DestroyedByATakenInterrupt) {
  ivshmem_device* const device = Ready();
  DestroyIn("send_msi", device);
  const int fd = ivshmem_device_vector_fd(device, 0);
  Event::Signal(fd);
  EXPECT_EQ(ivshmem_device_take_interrupts(device, 0),
            IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_EQ(result_, 0);
  host_.RunWork();
}

TEST_F(ReentrancyTest, DestroyedByAServedInterrupt) {
  ivshmem_loop* made = nullptr;
  ASSERT_EQ(ivshmem_loop_create(&made), 0);
  const LoopPtr loop(made);
  ivshmem_device* const device = Ready();
  ASSERT_EQ(ivshmem_device_serve(device, made), 0);
  const int fd = ivshmem_device_vector_fd(device, 0);
  DestroyIn("send_msi", device);
  Event::Signal(fd);
  EXPECT_EQ(ivshmem_loop_dispatch(made, 0), 1);
  EXPECT_EQ(result_, 0);
  host_.RunWork();
}

// A ring's event, and the ring itself.
TEST_F(ReentrancyTest, DestroyedByARing) {
  ivshmem_device* device = Ready();
  host_.hook = nullptr;
  DestroyIn("event", device);
  const uint32_t value = 3 << 16;
  ivshmem_device_write(device, IVSHMEM_REGION_REGISTERS, kDoorbell, &value, 4);
  EXPECT_EQ(result_, 0);

  host_.hook = nullptr;
  device = Ready();
  ASSERT_EQ(ivshmem_device_connect_call(
                device, 3, 0,
                [](void* opaque) {
                  EXPECT_EQ(ivshmem_device_destroy(
                                *static_cast<ivshmem_device**>(opaque)),
                            0)
                      << ivshmem_last_error();
                  return 0;
                },
                nullptr, &device),
            0);
  host_.RunWork();
  ivshmem_range* const range = host_.ranges[kBar0].second;
  ivshmem_range_write(range, kDoorbell, &value, sizeof(value));
  EXPECT_TRUE(host_.Empty());
}

// A flat device's pulse.
TEST_F(ReentrancyTest, DestroyedByAPulse) {
  ivshmem_device* const device =
      Make(FlatOptions(memory_, &callbacks_)).release();
  DestroyIn("pulse", device);
  EXPECT_EQ(ivshmem_device_interrupt(device, 0), IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_EQ(result_, 0);
}

// Everywhere else it is an error, nothing has happened, and the device works.
TEST_F(ReentrancyTest, NotDestroyedElsewhere) {
  struct Case {
    std::string callback;
    std::function<void(const DevicePtr&)> cause;
  };
  const Event event;
  const std::vector<Case> cases = {
      {"release_range", [](auto& d) { ConfigWrite(d, 4, 0); }},
      {"unmap_memory", [](auto& d) { ConfigWrite(d, 4, 0); }},
      {"claim_range", [](auto& d) { ConfigWrite(d, 0x10, 0xfc000000); }},
      {"map_memory", [](auto& d) { ConfigWrite(d, 0x18, 0x70000000); }},
      {"add_ioeventfd",
       [&](auto& d) {
         ivshmem_device_connect(d.get(), 4, 0, event.fd());
         host_.RunWork();
       }},
      {"run",
       [&](auto& d) { ivshmem_device_connect(d.get(), 4, 0, event.fd()); }},
      {"remove_ioeventfd",
       [&](auto& d) {
         ivshmem_device_connect(d.get(), 4, 0, event.fd());
         host_.RunWork();
         ivshmem_device_disconnect(d.get(), 4);
       }},
      {"bind_irq",
       [&](auto& d) {
         ivshmem_device_vector_fd(d.get(), 1);
         host_.RunWork();
       }},
      {"unbind_irq",
       [&](auto& d) {
         ivshmem_device_vector_fd(d.get(), 1);
         host_.RunWork();
         Write(d, IVSHMEM_REGION_MSIX, 16 + 12, 1);
       }},
      {"event", [](auto& d) { ivshmem_device_reset(d.get()); }},
      {"event", [](auto& d) { ivshmem_device_set_id(d.get(), 77); }},
      // A message that the guest lets loose.
      {"send_msi",
       [](auto& d) {
         Write(d, IVSHMEM_REGION_MSIX, 12, 1);
         ivshmem_device_interrupt(d.get(), 0);
         Write(d, IVSHMEM_REGION_MSIX, 12, 0);
       }},
      {"send_msi",
       [this](auto& d) {
         ivshmem_range* const msix = host_.ranges[kBar1].second;
         Write(d, IVSHMEM_REGION_MSIX, 12, 1);
         ivshmem_device_interrupt(d.get(), 0);
         const uint32_t unmask = 0;
         ivshmem_range_write(msix, 12, &unmask, sizeof(unmask));
       }},
      {"send_msi",
       [](auto& d) {
         const uint32_t at = ConfigRead(d, 0x34) & 0xff;
         const uint32_t control = ConfigRead(d, at);
         ConfigWrite(d, at, control | 0x40000000);
         ivshmem_device_interrupt(d.get(), 0);
         ConfigWrite(d, at, control);
       }},
      {"send_msi",
       [](auto& d) {
         Event::Signal(ivshmem_device_vector_fd(d.get(), 0));
         ivshmem_device_save(d.get(), nullptr, 0);
       }},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const DevicePtr device(Ready());
    DestroyIn(cases[i].callback, device.get());
    cases[i].cause(device);
    EXPECT_EQ(result_, -EDEADLK) << i << " " << cases[i].callback;
    host_.hook = nullptr;
    EXPECT_EQ(ConfigRead(device, 0), 0x11101af4u);
  }
}

TEST_F(ReentrancyTest, NotDestroyedByALine) {
  ivshmem_pci_options options = PciOptions(memory_, &callbacks_);
  options.dialect = IVSHMEM_DIALECT_REV0;
  options.interrupts = IVSHMEM_INTERRUPTS_INTX;
  const DevicePtr device = Make(options);
  PlaceBars(device);
  Write(device, IVSHMEM_REGION_REGISTERS, kMask, 1);
  DestroyIn("set_line", device.get());
  ivshmem_device_interrupt(device.get(), 0);
  EXPECT_EQ(result_, -EDEADLK);
  host_.hook = nullptr;
}

// Nor once more by what its destruction calls.
TEST_F(ReentrancyTest, NotDestroyedTwice) {
  ivshmem_device* const device = Ready();
  DestroyIn("release_range", device);
  EXPECT_EQ(ivshmem_device_destroy(device), 0);
  EXPECT_EQ(result_, -EDEADLK);
}

// Another device is no concern of the first.
TEST_F(ReentrancyTest, AnotherIsDestroyed) {
  const DevicePtr device(Ready());
  ivshmem_device* const other = Make(PciOptions(memory_)).release();
  DestroyIn("release_range", other);
  ConfigWrite(device, 4, 0);
  EXPECT_EQ(result_, 0);
}

// A loop from inside: not driven, not destroyed.
TEST_F(ReentrancyTest, LoopFromInside) {
  for (const bool own_thread : {false, true}) {
    ivshmem_loop* loop = nullptr;
    ASSERT_EQ(own_thread ? ivshmem_loop_start("loop", &loop)
                         : ivshmem_loop_create(&loop),
              0);
    int dispatched = 1;
    int destroyed = 1;
    int gone = 1;
    std::atomic<bool> done{false};
    std::atomic<bool> served{false};
    ivshmem_device* const device = Ready(1);
    const int fd = ivshmem_device_vector_fd(device, 0);
    host_.hook = [&](const std::string& name) {
      if (name != "send_msi") return;
      // Nobody uses the device, or its event, that is destroyed here.
      while (!served) std::this_thread::yield();
      dispatched = ivshmem_loop_dispatch(loop, 0);
      // Then nobody uses the loop any more, but it is still inside.
      gone = ivshmem_device_destroy(device);
      destroyed = ivshmem_loop_destroy(loop);
      done = true;
    };
    ASSERT_EQ(ivshmem_device_serve(device, loop), 0);
    Event::Signal(fd);
    served = true;
    if (!own_thread) ivshmem_loop_dispatch(loop, 0);
    while (!done) std::this_thread::yield();
    EXPECT_EQ(dispatched, -EDEADLK);
    EXPECT_EQ(gone, 0);
    EXPECT_EQ(destroyed, -EDEADLK);
    // The loop's thread may still be on its way out of the call.
    int result = -EBUSY;
    while (result == -EBUSY) result = ivshmem_loop_destroy(loop);
    EXPECT_EQ(result, 0);
    host_.hook = nullptr;
    host_.RunWork();
  }
}

// All else may be called from everywhere.
TEST_F(ReentrancyTest, EverythingElse) {
  ivshmem_device* device = nullptr;
  int depth = 0;
  const Event event;
  std::map<std::string, int> calls;
  host_.hook = [&](const std::string& name) {
    ++calls[name];
    if (device == nullptr || depth > 2) return;
    ++depth;
    uint32_t value = 0;
    ivshmem_device_config_read(device, 0, &value, sizeof(value));
    EXPECT_EQ(value, 0x11101af4u);
    ivshmem_device_read(device, 0, kPosition, &value, sizeof(value));
    value = 7 << 16;
    ivshmem_device_write(device, 0, kDoorbell, &value, sizeof(value));
    ivshmem_device_connect(device, 5, 0, event.fd());
    ivshmem_device_disconnect(device, 5);
    ivshmem_device_interrupt(device, 1);
    ivshmem_device_save(device, nullptr, 0);
    EXPECT_GE(ivshmem_device_count(device, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER),
              1u);
    --depth;
  };
  DevicePtr owned(Ready());
  device = owned.get();
  ConfigWrite(owned, 0x10, 0xfb000000);
  ivshmem_device_connect(device, 4, 0, event.fd());
  ivshmem_device_vector_fd(device, 1);
  host_.RunWork();
  ivshmem_device_interrupt(device, 0);
  ivshmem_device_reset(device);
  for (const char* name :
       {"send_msi", "map_memory", "unmap_memory", "claim_range",
        "release_range", "add_ioeventfd", "remove_ioeventfd", "bind_irq",
        "unbind_irq", "run", "event"}) {
    EXPECT_GT(calls[name], 0) << name;
  }
  device = nullptr;
  owned.reset();
  host_.RunWork();
  EXPECT_TRUE(host_.Empty());
}

}  // namespace
}  // namespace ivshmem::capi
