// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Limits of a device, as its options have them.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::HasSubstr;

ivshmem_limits NoLimits() {
  ivshmem_limits limits = {};
  limits.struct_size = sizeof(limits);
  return limits;
}

class LimitsTest : public testing::Test {
 protected:
  LimitsTest() {
    ivshmem_loop* loop = nullptr;
    EXPECT_EQ(ivshmem_loop_create(&loop), 0) << ivshmem_last_error();
    loop_.reset(loop);
  }
  ivshmem_pci_options Options() const {
    ivshmem_pci_options options = PciOptions(memory_, &host_);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.limits = &limits_;
    return options;
  }
  uint64_t Count(const DevicePtr& device, uint32_t counter) const {
    return ivshmem_device_count(device.get(), counter);
  }

  RecordingHost recording_;
  const ivshmem_host host_ = recording_.Callbacks();
  const MemoryPtr memory_ = NewMemory();
  LoopPtr loop_;
  ivshmem_limits limits_ = NoLimits();
};

// Struct of nothing but zeros: no limit.
TEST_F(LimitsTest, NoneByDefault) {
  const DevicePtr device = Make(Options());
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 0, event.fd()), 0);
  for (int i = 0; i < 100; ++i) Ring(device, 2, 0);
  EXPECT_EQ(event.Take(), 100u);
}

// Rings above the rate are lost and counted.
TEST_F(LimitsTest, RateOfRings) {
  limits_.rings_per_second = 1;
  limits_.rings_burst = 3;
  const DevicePtr device = Make(Options());
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 0, event.fd()), 0);
  for (int i = 0; i < 1000; ++i) Ring(device, 2, 0);
  const uint64_t delivered = Count(device, IVSHMEM_COUNT_RINGS_DELIVERED);
  EXPECT_GE(delivered, 3u);
  EXPECT_LT(delivered, 1000u);
  EXPECT_EQ(event.Take(), delivered);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_OVER_RATE), 1000 - delivered);
}

// Without a burst it is one.
TEST_F(LimitsTest, BurstOfOne) {
  limits_.rings_per_second = 1;
  const DevicePtr device = Make(Options());
  PlaceBars(device);
  Ring(device, 2, 0);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER), 1u);
}

// Interrupts above the rate come later, by the loop's timer.
TEST_F(LimitsTest, RateOfInterrupts) {
  limits_.interrupts_per_second = 20;
  ivshmem_pci_options options = Options();
  ivshmem_device* none = nullptr;
  EXPECT_LT(ivshmem_pci_create(&options, &none), 0) << "without a loop";
  EXPECT_EQ(none, nullptr);
  options.loop = loop_.get();
  const DevicePtr device = Make(options);
  PlaceBars(device);
  EnableMsix(device, 1);
  int result = IVSHMEM_INTERRUPT_DELIVERED;
  int delivered = 0;
  while (result == IVSHMEM_INTERRUPT_DELIVERED) {
    result = ivshmem_device_interrupt(device.get(), 0);
    if (result == IVSHMEM_INTERRUPT_DELIVERED) ++delivered;
  }
  EXPECT_EQ(result, IVSHMEM_INTERRUPT_DEFERRED);
  EXPECT_GE(delivered, 1);
  EXPECT_EQ(recording_.messages.size(), static_cast<size_t>(delivered));
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_INTERRUPTS_DEFERRED), 1u);
  while (recording_.messages.size() == static_cast<size_t>(delivered)) {
    ASSERT_GE(ivshmem_loop_dispatch(loop_.get(), 30000), 0);
  }
}

// The same of a flat device, by its own loop.
TEST_F(LimitsTest, RateOfAFlatDevicesInterrupts) {
  limits_.interrupts_per_second = 20;
  ivshmem_flat_options options = FlatOptions(memory_, &host_);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  options.limits = &limits_;
  options.loop = loop_.get();
  const DevicePtr device = Make(options);
  ASSERT_NE(device, nullptr);
  while (ivshmem_device_interrupt(device.get(), 0) ==
         IVSHMEM_INTERRUPT_DELIVERED) {
  }
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_INTERRUPTS_DEFERRED), 1u);
  const int delivered = recording_.pulses;
  EXPECT_GE(delivered, 1);
  while (recording_.pulses == delivered) {
    ASSERT_GE(ivshmem_loop_dispatch(loop_.get(), 30000), 0);
  }
}

// A burst of interrupts is as long as it is said to be, whatever that of rings.
TEST_F(LimitsTest, BurstOfInterrupts) {
  limits_.interrupts_per_second = 1;
  limits_.interrupts_burst = 50;
  ivshmem_pci_options options = Options();
  options.loop = loop_.get();
  const DevicePtr device = Make(options);
  PlaceBars(device);
  EnableMsix(device, 1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ivshmem_device_interrupt(device.get(), 0),
              IVSHMEM_INTERRUPT_DELIVERED)
        << i;
  }
}

// The guest rings whom it may, and nobody else.
TEST_F(LimitsTest, AllowList) {
  const ivshmem_allowed_rings allowed[] = {{2, -1}, {3, 1}, {-1, 5}};
  limits_.may_ring = allowed;
  limits_.may_ring_count = 3;
  const DevicePtr device = Make(Options());
  PlaceBars(device);
  const std::vector<std::pair<uint32_t, uint32_t>> refused = {
      {3, 0}, {4, 1}, {0, 0}, {65535, 65535}};
  for (const auto& [peer, vector] : refused) Ring(device, peer, vector);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 4u);
  Ring(device, 2, 0);
  Ring(device, 2, 65535);
  Ring(device, 3, 1);
  Ring(device, 65535, 5);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 4u);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER), 4u);

  // 0 is a peer and a vector like others.
  const ivshmem_allowed_rings first[] = {{0, 7}, {7, 0}, {65535, 2047}};
  limits_.may_ring = first;
  limits_.may_ring_count = 3;
  const DevicePtr zero = Make(Options());
  PlaceBars(zero);
  Ring(zero, 0, 7);
  Ring(zero, 7, 0);
  Ring(zero, 65535, 2047);
  EXPECT_EQ(Count(zero, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 0u);
  Ring(zero, 1, 7);
  Ring(zero, 7, 1);
  EXPECT_EQ(Count(zero, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 2u);

  // As many as there can be.
  const std::vector<ivshmem_allowed_rings> most(65536, {1, 1});
  limits_.may_ring = most.data();
  limits_.may_ring_count = most.size();
  EXPECT_NE(Make(Options()), nullptr);

  // A list without entries is nobody.
  limits_.may_ring_count = 0;
  const DevicePtr alone = Make(Options());
  PlaceBars(alone);
  Ring(alone, 2, 0);
  EXPECT_EQ(Count(alone, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 1u);
}

// 0 is a peer and a vector, not any; 65535 is a peer and 2047 a vector. A list
// has 65,536 entries at most.
TEST_F(LimitsTest, AllowListBounds) {
  const ivshmem_allowed_rings ends[] = {{0, 0}, {65535, 2047}};
  limits_.may_ring = ends;
  limits_.may_ring_count = 2;
  const DevicePtr device = Make(Options());
  PlaceBars(device);
  for (const auto& [peer, vector] : {std::pair(0, 1), std::pair(1, 0),
                                     std::pair(65535, 0), std::pair(0, 2047)}) {
    Ring(device, static_cast<uint32_t>(peer), static_cast<uint32_t>(vector));
  }
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 4u);
  Ring(device, 0, 0);
  Ring(device, 65535, 2047);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 4u);

  std::vector<ivshmem_allowed_rings> most(65536, {1, 1});
  most.back() = {7, 7};
  limits_.may_ring = most.data();
  limits_.may_ring_count = most.size();
  const DevicePtr other = Make(Options());
  PlaceBars(other);
  Ring(other, 7, 7);
  EXPECT_EQ(Count(other, IVSHMEM_COUNT_RINGS_NOT_ALLOWED), 0u);
  EXPECT_EQ(Count(other, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER), 1u);
}

// Either rate has a burst of its own.
TEST_F(LimitsTest, Bursts) {
  limits_.rings_per_second = 1;
  limits_.rings_burst = 2;
  limits_.interrupts_per_second = 1;
  limits_.interrupts_burst = 5;
  ivshmem_pci_options options = Options();
  options.loop = loop_.get();
  const DevicePtr device = Make(options);
  PlaceBars(device);
  EnableMsix(device, 1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ivshmem_device_interrupt(device.get(), 0),
              IVSHMEM_INTERRUPT_DELIVERED);
  }
  for (int i = 0; i < 2; ++i) Ring(device, 2, 0);
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER), 2u);
}

// Flat devices have them as well.
TEST_F(LimitsTest, FlatDevice) {
  limits_.rings_per_second = 1;
  ivshmem_flat_options options = FlatOptions(memory_, &host_);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  options.limits = &limits_;
  const DevicePtr device = Make(options);
  for (int i = 0; i < 1000; ++i) Ring(device, 2, 0);
  EXPECT_GT(Count(device, IVSHMEM_COUNT_RINGS_OVER_RATE), 0u);
  // The loop is their clock.
  limits_.interrupts_per_second = 1;
  options.loop = loop_.get();
  EXPECT_NE(Make(options), nullptr);
}

// Memory that the guest may only read: what it writes is lost and counted.
TEST_F(LimitsTest, ReadOnlyMemory) {
  ivshmem_pci_options pci = Options();
  pci.flags |= IVSHMEM_DEVICE_READ_ONLY;
  const DevicePtr device = Make(pci);
  PlaceBars(device);
  ivshmem_flat_options flat_options = FlatOptions(memory_, &host_);
  flat_options.flags = IVSHMEM_DEVICE_HAS_ID | IVSHMEM_DEVICE_READ_ONLY;
  const DevicePtr flat = Make(flat_options);
  for (const DevicePtr* each : {&device, &flat}) {
    EXPECT_EQ(Count(*each, IVSHMEM_COUNT_MEMORY_WRITES_REFUSED), 0u);
    for (uint64_t i = 0; i < 3; ++i) {
      Write(*each, IVSHMEM_REGION_MEMORY, 4 * i, 1);
    }
    EXPECT_EQ(Count(*each, IVSHMEM_COUNT_MEMORY_WRITES_REFUSED), 3u);
    EXPECT_EQ(Read(*each, IVSHMEM_REGION_MEMORY, 0), 0u);
  }
  EXPECT_STREQ(ivshmem_counter_name(IVSHMEM_COUNT_MEMORY_WRITES_REFUSED),
               "memory_writes_refused");
  // It was mapped, and nothing claimed beside that.
  EXPECT_EQ(recording_.ranges.count(kBar2), 0u);

  const DevicePtr writable = Make(Options());
  PlaceBars(writable);
  Write(writable, IVSHMEM_REGION_MEMORY, 0, 1);
  EXPECT_EQ(Count(writable, IVSHMEM_COUNT_MEMORY_WRITES_REFUSED), 0u);
  EXPECT_EQ(Read(writable, IVSHMEM_REGION_MEMORY, 0), 1u);
}

// A host whose guests' refused writes trap gets a range for them, by which they
// are counted.
TEST_F(LimitsTest, ReadOnlyMemoryWhereWritesTrap) {
  ivshmem_host host = host_;
  host.flags = IVSHMEM_HOST_READ_ONLY_WRITES_TRAP;
  ivshmem_pci_options options = Options();
  options.host = &host;
  DevicePtr device = Make(options);
  PlaceBars(device);
  EXPECT_EQ(recording_.maps.count(kBar2), 1u);
  EXPECT_EQ(recording_.ranges.count(kBar2), 0u) << "it may write";

  options.flags |= IVSHMEM_DEVICE_READ_ONLY;
  device = Make(options);
  PlaceBars(device);
  EXPECT_EQ(recording_.maps.count(kBar2), 1u);
  ASSERT_EQ(recording_.ranges.count(kBar2), 1u);
  const uint32_t value = 1;
  ivshmem_range_write(recording_.ranges[kBar2].second, 8, &value,
                      sizeof(value));
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_MEMORY_WRITES_REFUSED), 1u);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_MEMORY, 8), 0u);
  device.reset();
  EXPECT_TRUE(recording_.Empty());

  ivshmem_flat_options flat = FlatOptions(memory_, &host);
  flat.flags = IVSHMEM_DEVICE_HAS_ID | IVSHMEM_DEVICE_READ_ONLY;
  device = Make(flat);
  ASSERT_EQ(recording_.ranges.count(0x60000000), 1u);
  ivshmem_range_write(recording_.ranges[0x60000000].second, 8, &value,
                      sizeof(value));
  EXPECT_EQ(Count(device, IVSHMEM_COUNT_MEMORY_WRITES_REFUSED), 1u);
}

TEST_F(LimitsTest, Wrong) {
  const ivshmem_allowed_rings low[] = {{-2, 0}};
  const ivshmem_allowed_rings high[] = {{0, 0}, {0, 2048}};
  const ivshmem_allowed_rings high_peer[] = {{65536, 0}};
  const std::vector<
      std::pair<std::string, std::function<void(ivshmem_limits&)>>>
      all = {
          {"rings", [](auto& l) { l.rings_per_second = 1000001; }},
          {"rings",
           [](auto& l) {
             l.rings_per_second = 1;
             l.rings_burst = 1000001;
           }},
          {"interrupts", [](auto& l) { l.interrupts_per_second = 1000001; }},
          {"may_ring_count", [](auto& l) { l.may_ring_count = 1; }},
          {"may_ring_count",
           [&](auto& l) {
             l.may_ring = low;
             l.may_ring_count = 65537;
           }},
          {"may_ring[0]",
           [&](auto& l) {
             l.may_ring = low;
             l.may_ring_count = 1;
           }},
          {"may_ring[1]: expected a peer of -1..65535 and a vector of "
           "-1..2047, got 0 and 2048",
           [&](auto& l) {
             l.may_ring = high;
             l.may_ring_count = 2;
           }},
          {"may_ring[0]: expected a peer of -1..65535 and a vector of "
           "-1..2047, got 65536 and 0",
           [&](auto& l) {
             l.may_ring = high_peer;
             l.may_ring_count = 1;
           }},
          {"limits.struct_size", [](auto& l) { l.struct_size = 0; }},
      };
  for (const auto& [name, wrong] : all) {
    limits_ = NoLimits();
    wrong(limits_);
    ivshmem_pci_options options = Options();
    options.loop = loop_.get();
    ivshmem_device* device = nullptr;
    EXPECT_EQ(ivshmem_pci_create(&options, &device), -EINVAL) << name;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr(name));
    EXPECT_EQ(device, nullptr);
  }
}

}  // namespace
}  // namespace ivshmem::capi
