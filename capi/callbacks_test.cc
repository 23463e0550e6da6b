// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What callbacks get, and what becomes of what they give.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

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

class CallbacksTest : public testing::Test {
 protected:
  // With `vectors` vectors that have events, enabled.
  DevicePtr Routed(const ivshmem_host& host, uint32_t vectors) {
    ivshmem_pci_options options = PciOptions(memory_, &host);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.vectors = vectors;
    DevicePtr device = Make(options);
    PlaceBars(device);
    for (uint32_t v = 0; v < vectors; ++v) {
      EXPECT_GE(ivshmem_device_vector_fd(device.get(), v), 0);
    }
    EnableMsix(device, vectors);
    host_.RunWork();
    return device;
  }

  RecordingHost host_;
  const MemoryPtr memory_ = NewMemory();
};

// The errno that a callback gives is the one of the function that called it;
// one that has no place among those of the interface becomes the nearest.
TEST_F(CallbacksTest, ErrnosArePassedOn) {
  const std::vector<std::pair<int, int>> errnos = {{EINVAL, EINVAL},
                                                   {ERANGE, ERANGE},
                                                   {ENOENT, ENOENT},
                                                   {EEXIST, EEXIST},
                                                   {EBUSY, EBUSY},
                                                   {EAGAIN, EAGAIN},
                                                   {ETIMEDOUT, ETIMEDOUT},
                                                   {EACCES, EACCES},
                                                   {ENOSPC, ENOBUFS},
                                                   {ENOMEM, ENOBUFS},
                                                   {EOPNOTSUPP, EOPNOTSUPP},
                                                   {ECANCELED, ECANCELED},
                                                   {ESTALE, ECANCELED},
                                                   {EIO, EIO},
                                                   {4000, EIO}};
  const ivshmem_host host = host_.Callbacks();
  const ivshmem_flat_options options = FlatOptions(memory_, &host);
  for (const auto& [given, expected] : errnos) {
    host_.result = -given;
    ivshmem_device* device = nullptr;
    EXPECT_EQ(ivshmem_flat_create(&options, &device), -expected) << given;
    EXPECT_EQ(device, nullptr);
    EXPECT_THAT(ivshmem_last_error(), HasSubstr("claim_range"));
  }
  EXPECT_TRUE(host_.Empty());
}

// An event says of what size it is.
TEST_F(CallbacksTest, EventsHaveASize) {
  ivshmem_host host = host_.Callbacks();
  size_t size = 0;
  host.opaque = &size;
  host = {.struct_size = sizeof(host), .opaque = &size};
  host.event = [](void* opaque, const ivshmem_event* event) {
    *static_cast<size_t*>(opaque) = event->struct_size;
  };
  const DevicePtr device = Make(PciOptions(memory_, &host));
  EXPECT_EQ(ivshmem_device_set_id(device.get(), 1), 0);
  EXPECT_EQ(size, sizeof(ivshmem_event));
}

// Each flag that there is, and no other.
TEST_F(CallbacksTest, Flags) {
  ivshmem_host host = host_.Callbacks();
  const ivshmem_pci_options options = PciOptions(memory_, &host);
  for (const uint32_t flags :
       {IVSHMEM_HOST_MISSES_ARE_SWALLOWED, IVSHMEM_HOST_SIGNALS_STAY,
        IVSHMEM_HOST_MISSES_ARE_SWALLOWED | IVSHMEM_HOST_SIGNALS_STAY}) {
    host.flags = flags;
    EXPECT_NE(Make(options), nullptr) << flags;
  }
  host.flags = 0x80000000;
  ivshmem_device* none = nullptr;
  EXPECT_EQ(ivshmem_pci_create(&options, &none), -EINVAL);
}

// Without bind_irqs each is bound by itself, with its own message.
TEST_F(CallbacksTest, InterruptsAreBoundOneByOne) {
  const ivshmem_host host = host_.Callbacks();
  DevicePtr device = Routed(host, 3);
  std::vector<std::pair<uint64_t, uint32_t>> messages;
  for (const auto& [fd, address, data] : host_.irqs) {
    messages.emplace_back(address, data);
  }
  std::sort(messages.begin(), messages.end());
  EXPECT_THAT(messages,
              ElementsAre(Pair(0xfee00000, 0x40), Pair(0xfee01000, 0x41),
                          Pair(0xfee02000, 0x42)));
  device.reset();
  EXPECT_THAT(host_.irqs, IsEmpty()) << "each is unbound";
}

// bind_irqs is enough, and gets the opaque pointer.
TEST_F(CallbacksTest, InterruptsAreBoundAtOnceOnly) {
  ivshmem_host host = host_.Callbacks();
  host.bind_irq = nullptr;
  host.bind_irqs = [](void* self, const ivshmem_irq* irqs, size_t count,
                      int* results) {
    for (size_t i = 0; i < count; ++i) {
      static_cast<RecordingHost*>(self)->irqs.emplace_back(
          irqs[i].fd, irqs[i].address, irqs[i].data);
      results[i] = 0;
    }
  };
  DevicePtr device = Routed(host, 2);
  EXPECT_THAT(host_.irqs, SizeIs(2));
  device.reset();
  EXPECT_THAT(host_.irqs, IsEmpty());
}

// A flat device's doorbells are bound where its registers are.
TEST_F(CallbacksTest, FlatDoorbellsAreBound) {
  const ivshmem_host host = host_.Callbacks();
  ivshmem_flat_options options = FlatOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  DevicePtr device = Make(options);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 3, 1, event.fd()), 0);
  host_.RunWork();
  ASSERT_THAT(host_.doorbells, SizeIs(1));
  EXPECT_EQ(std::get<0>(host_.doorbells[0]), options.registers_address + 12);
  EXPECT_EQ(std::get<1>(host_.doorbells[0]), 3u << 16 | 1);
  device.reset();
  EXPECT_THAT(host_.doorbells, IsEmpty());
}

// A flat device has no config space: reads give ones, writes do nothing. It is
// reset like others.
TEST_F(CallbacksTest, FlatConfigSpaceAndReset) {
  const ivshmem_host host = host_.Callbacks();
  const DevicePtr device = Make(FlatOptions(memory_, &host));
  ConfigWrite(device, 4, 6);
  EXPECT_EQ(ConfigRead(device, 4), 0xffffffffu);
  host_.events.clear();
  EXPECT_EQ(ivshmem_device_reset(device.get()), 0);
  ASSERT_THAT(host_.events, SizeIs(1));
  EXPECT_EQ(host_.events[0].kind, uint32_t{IVSHMEM_EVENT_RESET});
}

}  // namespace
}  // namespace ivshmem::capi
