// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device's own vectors, and other small things, at their edges.

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

class OwnVectorsTest : public testing::Test {
 protected:
  DevicePtr NewDevice(RecordingHost& host, uint32_t vectors = 1) {
    const ivshmem_host callbacks = host.Callbacks();
    ivshmem_host sends = {.struct_size = sizeof(sends), .opaque = &host};
    sends.send_msi = callbacks.send_msi;
    ivshmem_pci_options options = PciOptions(memory_, &sends);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.id = 3;
    options.vectors = vectors;
    DevicePtr device = Make(options);
    PlaceBars(device);
    EnableMsix(device, vectors);
    return device;
  }

  RecordingHost host_;
  const MemoryPtr memory_ = NewMemory();
  LoopPtr loop_;  // Outlives the devices.
};

// The same id once more changes nothing: who is connected under it stays.
TEST_F(OwnVectorsTest, TheSameId) {
  const DevicePtr device = NewDevice(host_);
  ASSERT_GE(ivshmem_device_vector_fd(device.get(), 0), 0);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 3, 7, event.fd()), 0);
  ASSERT_EQ(ivshmem_device_set_id(device.get(), 3), 0);
  Ring(device, 3, 7);
  EXPECT_EQ(event.Take(), 1u);
}

// A new id leaves alone who was connected by hand under the old one, when no
// own vector was.
TEST_F(OwnVectorsTest, NewIdWithoutOwnVectors) {
  const DevicePtr device = NewDevice(host_);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 3, 7, event.fd()), 0);
  ASSERT_EQ(ivshmem_device_set_id(device.get(), 4), 0);
  Ring(device, 3, 7);
  EXPECT_EQ(event.Take(), 1u);
}

// A loop that comes too late, as somebody has taken the signals, interrupts
// nobody.
TEST_F(OwnVectorsTest, SignalsThatOthersTook) {
  ivshmem_loop* made = nullptr;
  ASSERT_EQ(ivshmem_loop_create(&made), 0);
  const LoopPtr loop(made);
  RecordingHost hosts[2];
  const DevicePtr devices[2] = {NewDevice(hosts[0]), NewDevice(hosts[1])};
  for (int i = 0; i < 2; ++i) {
    // Whoever is first takes the other's.
    hosts[i].hook = [&, other = devices[1 - i].get(), i](const std::string&) {
      hosts[1 - i].hook = nullptr;
      EXPECT_GE(ivshmem_device_take_interrupts(other, 0), 0);
    };
    ASSERT_EQ(ivshmem_device_serve(devices[i].get(), made), 0);
    Event::Signal(ivshmem_device_vector_fd(devices[i].get(), 0));
  }
  while (ivshmem_loop_dispatch(made, 0) > 0) {
  }
  EXPECT_EQ(hosts[0].messages.size(), 1u);
  EXPECT_EQ(hosts[1].messages.size(), 1u);
}

// Each vector interrupts by itself, and says what came of it.
TEST_F(OwnVectorsTest, WhatCameOfIt) {
  const DevicePtr device = NewDevice(host_, 2);
  ASSERT_GE(ivshmem_device_vector_fd(device.get(), 1), 0);
  Event::Signal(ivshmem_device_vector_fd(device.get(), 1));
  Write(device, IVSHMEM_REGION_MSIX, 16 + 12, 1);
  EXPECT_EQ(ivshmem_device_take_interrupts(device.get(), 1),
            IVSHMEM_INTERRUPT_HELD);
  Write(device, IVSHMEM_REGION_MSIX, 16 + 12, 0);
  EXPECT_EQ(host_.messages.size(), 1u);

  ivshmem_loop* made = nullptr;
  ASSERT_EQ(ivshmem_loop_create(&made), 0);
  loop_.reset(made);
  ASSERT_EQ(ivshmem_device_serve(device.get(), made), 0);
  Event::Signal(ivshmem_device_vector_fd(device.get(), 1));
  EXPECT_EQ(ivshmem_loop_dispatch(made, 0), 1);
  ASSERT_EQ(host_.messages.size(), 2u);
  EXPECT_EQ(host_.messages[1].second, 0x41u);
}

// The caller's descriptor stays his.
TEST_F(OwnVectorsTest, DescriptorStaysTheCallers) {
  const Event event;
  DevicePtr device = NewDevice(host_);
  ASSERT_EQ(ivshmem_device_set_vector_fd(device.get(), 0, event.fd()), 0);
  ASSERT_EQ(ivshmem_device_connect(device.get(), 8, 0, event.fd()), 0);
  device.reset();
  EXPECT_GE(fcntl(event.fd(), F_GETFD), 0);
}

// A call is released also when there is nobody to connect it to.
TEST_F(OwnVectorsTest, CallWithoutADevice) {
  int released = 0;
  EXPECT_EQ(ivshmem_device_connect_call(
                nullptr, 1, 0, [](void*) { return 0; },
                [](void* count) { ++*static_cast<int*>(count); }, &released),
            -EINVAL);
  EXPECT_EQ(released, 1);
}

// An id of a switchboard that is asked for is that one, 0 as well.
TEST_F(OwnVectorsTest, IdZeroOfASwitchboard) {
  ivshmem_switchboard* made = nullptr;
  ASSERT_EQ(ivshmem_switchboard_create(&made), 0);
  const SwitchboardPtr switchboard(made);
  ASSERT_EQ(ivshmem_switchboard_add_region(made, "r", memory_.get()), 0);
  const DevicePtr a = Make(PciOptions(memory_));
  const DevicePtr b = Make(PciOptions(memory_));
  ASSERT_EQ(ivshmem_switchboard_bind(made, "r", a.get(), 0), 0);
  EXPECT_EQ(ivshmem_switchboard_bind(made, "r", b.get(), 0), -EEXIST);
  // A device that has left it does not keep it.
  EXPECT_EQ(ivshmem_switchboard_unbind(a.get()), 0);
  ivshmem_switchboard* other = nullptr;
  ASSERT_EQ(ivshmem_switchboard_create(&other), 0);
  ASSERT_EQ(ivshmem_switchboard_add_region(other, "r", memory_.get()), 0);
  ASSERT_EQ(ivshmem_switchboard_bind(other, "r", b.get(), -1), 0);
  ASSERT_EQ(ivshmem_switchboard_unbind(b.get()), 0);
  EXPECT_EQ(ivshmem_switchboard_destroy(other), 0) << ivshmem_last_error();
}

// The object of new memory can be mapped by others.
TEST_F(OwnVectorsTest, DescriptorOfNewMemory) {
  const int fd = ivshmem_memory_fd(memory_.get());
  ASSERT_GE(fd, 0);
  ivshmem_memory* mapped = nullptr;
  ASSERT_EQ(ivshmem_memory_map_fd(fd, 0, IVSHMEM_MEMORY_SEALED, &mapped), 0);
  const MemoryPtr same(mapped);
  static_cast<char*>(ivshmem_memory_data(memory_.get()))[5] = 7;
  EXPECT_EQ(static_cast<char*>(ivshmem_memory_data(mapped))[5], 7);
}

// No region past the last has a size.
TEST_F(OwnVectorsTest, NoSuchRegion) {
  const DevicePtr device = Make(PciOptions(memory_));
  for (const uint32_t region : {3u, 4u, 6u, 100u, 0x7fffffffu, 0xffffffffu}) {
    EXPECT_EQ(ivshmem_device_region_size(device.get(), region), 0u) << region;
  }
}

// The thread of a loop has the name that it was given, or the library's.
TEST_F(OwnVectorsTest, NameOfALoopsThread) {
  const auto there = [](const std::string& name) {
    for (const auto& each :
         std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream comm(each.path() / "comm");
      std::string line;
      if (std::getline(comm, line) && line == name) return true;
    }
    return false;
  };
  for (const char* const name : {static_cast<const char*>(nullptr), "mine"}) {
    const std::string expected = name == nullptr ? "ivshmem" : name;
    ASSERT_FALSE(there(expected));
    ivshmem_loop* made = nullptr;
    ASSERT_EQ(ivshmem_loop_start(name, &made), 0) << ivshmem_last_error();
    const LoopPtr loop(made);
    EXPECT_TRUE(there(expected));
  }
}

}  // namespace
}  // namespace ivshmem::capi
