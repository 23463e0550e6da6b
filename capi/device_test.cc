// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device and its host: each callback is called for what it is for, and not
// missed when it is null.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "core/interrupt_sink.h"
#include "core/peer_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

// With all callbacks, two vectors and an id.
class DeviceTest : public testing::Test {
 protected:
  DevicePtr Pci() {
    const ivshmem_host host = host_.Callbacks();
    ivshmem_pci_options options = PciOptions(memory_, &host);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    options.id = 1;
    options.vectors = 2;
    return Make(options);
  }

  RecordingHost host_;
  const MemoryPtr memory_ = NewMemory();
};

// A VMM that offers nothing has the device all the same: it hands in the
// accesses, and asks where BARs are.
TEST(NoCallbacksTest, DeviceWorks) {
  const MemoryPtr memory = NewMemory();
  for (const bool with_host : {false, true}) {
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    ivshmem_pci_options options =
        PciOptions(memory, with_host ? &host : nullptr);
    options.flags = IVSHMEM_DEVICE_HAS_ID;
    const DevicePtr device = Make(options);
    PlaceBars(device);
    EnableMsix(device, 1);
    EXPECT_EQ(ivshmem_device_interrupt(device.get(), 0),
              IVSHMEM_INTERRUPT_DELIVERED);
    const Event event;
    EXPECT_EQ(ivshmem_device_connect(device.get(), 3, 0, event.fd()), 0);
    Ring(device, 3, 0);
    EXPECT_EQ(event.Take(), 1u);
    Write(device, IVSHMEM_REGION_MEMORY, 0x10, 0xabcd);
    EXPECT_EQ(Read(device, IVSHMEM_REGION_MEMORY, 0x10), 0xabcdu);
    EXPECT_EQ(ivshmem_device_reset(device.get()), 0);

    const DevicePtr flat =
        Make(FlatOptions(memory, with_host ? &host : nullptr));
    EXPECT_EQ(ivshmem_device_interrupt(flat.get(), 0),
              IVSHMEM_INTERRUPT_NOT_CONFIGURED);
    EXPECT_EQ(Read(flat, IVSHMEM_REGION_MEMORY, 0x10), 0xabcdu);
    EXPECT_EQ(ivshmem_device_reset(flat.get()), 0);
  }
}

// INTx without a line.
TEST(NoCallbacksTest, IntxWorks) {
  const MemoryPtr memory = NewMemory();
  ivshmem_pci_options options = PciOptions(memory);
  options.dialect = IVSHMEM_DIALECT_REV0;
  options.interrupts = IVSHMEM_INTERRUPTS_INTX;
  const DevicePtr device = Make(options);
  PlaceBars(device);
  Write(device, IVSHMEM_REGION_REGISTERS, kMask, 1);
  ivshmem_device_interrupt(device.get(), 0);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kStatus), 1u);
}

// Ranges are claimed where the guest puts BARs, and the memory is mapped there;
// released when it moves them.
TEST_F(DeviceTest, BarsAreShown) {
  const DevicePtr device = Pci();
  EXPECT_THAT(host_.ranges, IsEmpty());
  PlaceBars(device);
  ASSERT_THAT(host_.ranges,
              ElementsAre(Pair(kBar0, testing::_), Pair(kBar1, testing::_)));
  EXPECT_EQ(host_.ranges[kBar0].first, 256u);
  EXPECT_EQ(host_.ranges[kBar1].first, 4096u);
  EXPECT_THAT(host_.maps,
              ElementsAre(Pair(
                  kBar2, Pair(0x1000, ivshmem_memory_data(memory_.get())))));
  EXPECT_THAT(host_.read_only, ElementsAre(false));

  ivshmem_range* const range = host_.ranges[kBar0].second;
  ConfigWrite(device, 0x10, 0xfd000000);
  EXPECT_EQ(host_.ranges.count(kBar0), 0u);
  EXPECT_EQ(host_.ranges[0xfd000000].second, range) << "the same everywhere";
  ConfigWrite(device, 0x18, 0x90000000);
  EXPECT_THAT(host_.maps, ElementsAre(Pair(0x90000000, testing::_)));
  ConfigWrite(device, 4, 0);
  EXPECT_TRUE(host_.Empty());
  // An access that is still under way is harmless.
  uint32_t value = 0;
  ivshmem_range_read(range, kPosition, &value, sizeof(value));
  EXPECT_EQ(value, 0xffffffff);
}

// A range is what the region is.
TEST_F(DeviceTest, RangesAnswer) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  uint32_t value = 0;
  ivshmem_range* const registers = host_.ranges[kBar0].second;
  ivshmem_range_read(registers, kPosition, &value, sizeof(value));
  EXPECT_EQ(value, 1u);
  value = 0x1234;
  ivshmem_range_write(registers, kMask, &value, sizeof(value));
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kMask), 0x1234u);
  ivshmem_range* const msix = host_.ranges[kBar1].second;
  ivshmem_range_write(msix, 0x18, &value, sizeof(value));
  EXPECT_EQ(Read(device, IVSHMEM_REGION_MSIX, 0x18), 0x1234u);
}

// A host that cannot show a BAR says so, and an event tells.
TEST_F(DeviceTest, BarsThatCannotBeShown) {
  const DevicePtr device = Pci();
  for (const auto& [result, text] :
       {std::pair(-EEXIST, "File exists"), std::pair(5, "got 5"),
        std::pair(INT32_MIN, "errno")}) {
    host_.events.clear();
    host_.result = result;
    PlaceBars(device);
    EXPECT_THAT(host_.events, SizeIs(3));
    for (const auto& event : host_.events) {
      EXPECT_EQ(event.kind, uint32_t{IVSHMEM_EVENT_MAP_FAILED});
      EXPECT_THAT(event.text, testing::HasSubstr(text));
    }
    EXPECT_EQ(host_.events[0].address, kBar0);
    EXPECT_TRUE(host_.Empty());
    host_.result = 0;
    ConfigWrite(device, 4, 0);
  }
}

// Doorbells become ioeventfds, on the executor's thread.
TEST_F(DeviceTest, DoorbellsAreBound) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 1, event.fd()), 0);
  EXPECT_THAT(host_.doorbells, IsEmpty()) << "it is the executor's work";
  EXPECT_TRUE(host_.RunWork());
  ASSERT_THAT(host_.doorbells, SizeIs(1));
  const auto [address, value, fd] = host_.doorbells[0];
  EXPECT_EQ(address, kBar0 + kDoorbell);
  EXPECT_EQ(value, 0x90001u);
  Event::Signal(fd);
  EXPECT_EQ(event.Take(), 1u) << "another descriptor of the same event";
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 9), 0);
  EXPECT_THAT(host_.doorbells, IsEmpty());
}

// A host without room is no fault: the doorbell traps.
TEST_F(DeviceTest, DoorbellsThatAreNotBound) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  host_.result = -ENOSPC;
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 1, event.fd()), 0);
  host_.RunWork();
  ASSERT_FALSE(host_.events.empty());
  EXPECT_EQ(host_.events.back().kind,
            uint32_t{IVSHMEM_EVENT_DOORBELL_NOT_ACCELERATED});
  EXPECT_EQ(host_.events.back().peer, 9u);
  EXPECT_EQ(host_.events.back().vector, 1u);
  Ring(device, 9, 1);
  EXPECT_EQ(event.Take(), 1u);
}

// Where misses are swallowed all are bound or none is.
TEST_F(DeviceTest, MissesThatAreSwallowed) {
  ivshmem_host host = host_.Callbacks();
  host.flags = IVSHMEM_HOST_MISSES_ARE_SWALLOWED;
  ivshmem_pci_options options = PciOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  const DevicePtr device = Make(options);
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 1, 0, event.fd()), 0);
  // This one no hypervisor can bind.
  ASSERT_EQ(ivshmem_device_connect_call(
                device.get(), 2, 0, [](void*) { return 0; }, nullptr, nullptr),
            0);
  host_.RunWork();
  EXPECT_THAT(host_.doorbells, IsEmpty());
  EXPECT_EQ(ivshmem_device_disconnect(device.get(), 2), 0);
  host_.RunWork();
  EXPECT_THAT(host_.doorbells, SizeIs(1));
}

// Own vectors that the guest lets through become routes.
TEST_F(DeviceTest, InterruptsAreRouted) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  const int fd = ivshmem_device_vector_fd(device.get(), 1);
  ASSERT_GE(fd, 0) << ivshmem_last_error();
  EnableMsix(device, 2);
  host_.RunWork();
  EXPECT_THAT(host_.irqs,
              ElementsAre(RecordingHost::Irq(fd, 0xfee01000, 0x41)));
  Write(device, IVSHMEM_REGION_MSIX, 16 + 12, 1);  // Masked.
  EXPECT_THAT(host_.irqs, IsEmpty());
}

int g_at_once = 0;

// Many at once where the host prefers that; one that it forgets is not bound.
TEST_F(DeviceTest, InterruptsAreRoutedAtOnce) {
  ivshmem_host host = host_.Callbacks();
  host.bind_irqs = [](void*, const ivshmem_irq* irqs, size_t count,
                      int* results) {
    g_at_once = static_cast<int>(count);
    for (size_t i = 0; i + 1 < count; ++i) results[i] = irqs[i].fd < 0 ? -1 : 0;
  };
  int unbound = 0;
  host_.hook = [&](const std::string& name) {
    unbound += name == "unbind_irq";
  };
  ivshmem_pci_options options = PciOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  options.vectors = 3;
  DevicePtr device = Make(options);
  PlaceBars(device);
  for (uint32_t v = 0; v < 3; ++v) {
    ASSERT_GE(ivshmem_device_vector_fd(device.get(), v), 0);
  }
  EnableMsix(device, 3);
  host_.events.clear();
  host_.RunWork();
  EXPECT_EQ(g_at_once, 3);
  EXPECT_THAT(host_.irqs, IsEmpty()) << "the other callback is not called";
  ASSERT_THAT(host_.events, SizeIs(1));
  EXPECT_EQ(host_.events[0].kind, uint32_t{IVSHMEM_EVENT_INTERRUPT_NOT_ROUTED});
  EXPECT_EQ(host_.events[0].vector, 2u);
  device.reset();
  EXPECT_EQ(unbound, 2);
}

// Messages are the guest's.
TEST_F(DeviceTest, MessagesAreSent) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  EnableMsix(device, 2);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 1),
            IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_THAT(host_.messages, ElementsAre(Pair(0xfee01000, 0x41)));
  Write(device, IVSHMEM_REGION_MSIX, 12, 1);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 0), IVSHMEM_INTERRUPT_HELD);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 2),
            IVSHMEM_INTERRUPT_NO_SUCH_VECTOR);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 65536), -ERANGE);
  EXPECT_THAT(host_.messages, SizeIs(1));
  Write(device, IVSHMEM_REGION_MSIX, 12, 0);
  EXPECT_THAT(host_.messages, SizeIs(2)) << "what was held";
}

// INTx is a level.
TEST_F(DeviceTest, LineFollowsTheLevel) {
  const ivshmem_host host = host_.Callbacks();
  ivshmem_pci_options options = PciOptions(memory_, &host);
  options.dialect = IVSHMEM_DIALECT_REV0;
  options.interrupts = IVSHMEM_INTERRUPTS_INTX;
  const DevicePtr device = Make(options);
  PlaceBars(device);
  Write(device, IVSHMEM_REGION_REGISTERS, kMask, 1);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 0),
            IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_EQ(host_.levels.back(), 1);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kStatus), 1u);
  EXPECT_EQ(host_.levels.back(), 0);
}

// A flat device claims and maps at once, and pulses.
TEST_F(DeviceTest, FlatDevice) {
  const ivshmem_host host = host_.Callbacks();
  ivshmem_flat_options options = FlatOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID | IVSHMEM_DEVICE_READ_ONLY;
  options.id = 4;
  DevicePtr device = Make(options);
  EXPECT_THAT(host_.ranges, ElementsAre(Pair(0x40000000, testing::_)));
  EXPECT_THAT(host_.maps, ElementsAre(Pair(0x60000000, testing::_)));
  EXPECT_THAT(host_.read_only, ElementsAre(true));
  uint32_t value = 0;
  ivshmem_range_read(host_.ranges[0x40000000].second, kPosition, &value, 4);
  EXPECT_EQ(value, 4u);
  EXPECT_EQ(ivshmem_device_vectors(device.get()), 2);
  EXPECT_EQ(ivshmem_device_interrupt(device.get(), 1),
            IVSHMEM_INTERRUPT_DELIVERED);
  EXPECT_EQ(host_.pulses, 1);

  uint64_t address = 0;
  EXPECT_EQ(ivshmem_device_region_address(device.get(),
                                          IVSHMEM_REGION_REGISTERS, &address),
            0);
  EXPECT_EQ(address, 0x40000000u);
  EXPECT_EQ(ivshmem_device_region_address(device.get(), IVSHMEM_REGION_MEMORY,
                                          &address),
            0);
  EXPECT_EQ(address, 0x60000000u);
  EXPECT_EQ(ivshmem_device_region_address(device.get(), IVSHMEM_REGION_MSIX,
                                          &address),
            -ENOENT);
  EXPECT_EQ(ivshmem_device_region_size(device.get(), 0), 16u);
  EXPECT_EQ(ivshmem_device_region_size(device.get(), 1), 0u);
  EXPECT_EQ(ivshmem_device_region_size(device.get(), 2), 0x1000u);
  EXPECT_EQ(ConfigRead(device, 0), 0xffffffffu) << "it has no config space";
  EXPECT_EQ(Read(device, IVSHMEM_REGION_MSIX, 0), 0xffffffffu);
  EXPECT_EQ(ivshmem_device_region_address(device.get(), 0, nullptr), -EINVAL);
  device.reset();
  EXPECT_TRUE(host_.Empty());
}

// What a host refuses a flat device is the error, and all is given back.
TEST_F(DeviceTest, FlatDeviceThatIsRefused) {
  ivshmem_host host = host_.Callbacks();
  host.map_memory = [](void*, uint64_t, void*, uint64_t, int) {
    return -ENOMEM;
  };
  const ivshmem_flat_options options = FlatOptions(memory_, &host);
  ivshmem_device* device = nullptr;
  EXPECT_EQ(ivshmem_flat_create(&options, &device), -ENOBUFS);
  EXPECT_THAT(ivshmem_last_error(), testing::HasSubstr("map_memory"));
  EXPECT_EQ(device, nullptr);
  EXPECT_TRUE(host_.Empty());
}

// Regions that there are not read ones and are not written.
TEST_F(DeviceTest, NoSuchRegion) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  for (const uint32_t region : {3u, 5u, 6u, 0xffffffffu}) {
    uint64_t address = 0;
    EXPECT_EQ(Read(device, region, 0), 0xffffffffu);
    Write(device, region, 0, 1);
    EXPECT_EQ(ivshmem_device_region_size(device.get(), region), 0u);
    EXPECT_EQ(ivshmem_device_region_address(device.get(), region, &address),
              -ENOENT);
  }
}

// Any size and offset has a result.
TEST_F(DeviceTest, AccessesOfAnySize) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  uint8_t bytes[64];
  for (uint32_t region = 0; region < 3; ++region) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{0xfff}, UINT64_MAX}) {
      for (size_t size = 0; size <= sizeof(bytes); ++size) {
        std::memset(bytes, 0x5a, sizeof(bytes));
        ivshmem_device_read(device.get(), region, offset, bytes, size);
        if (offset == UINT64_MAX && size > 0) {
          EXPECT_EQ(bytes[0], 0xff);
        }
        if (size < sizeof(bytes)) {
          EXPECT_EQ(bytes[size], 0x5a);
        }
        ivshmem_device_write(device.get(), region, offset, bytes, size);
      }
    }
  }
  ivshmem_device_config_read(device.get(), 0, nullptr, 0);
  ivshmem_device_config_write(device.get(), 0, nullptr, 0);
}

// Reset forgets what the guest wrote, and keeps id and peers.
TEST_F(DeviceTest, Reset) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 2, 0, event.fd()), 0);
  Write(device, IVSHMEM_REGION_REGISTERS, kMask, 5);
  EXPECT_EQ(ivshmem_device_reset(device.get()), 0);
  EXPECT_TRUE(host_.Empty());
  PlaceBars(device);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kMask), 0u);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kPosition), 1u);
  Ring(device, 2, 0);
  EXPECT_EQ(event.Take(), 1u);

  const DevicePtr flat = Make(FlatOptions(memory_));
  EXPECT_EQ(ivshmem_device_reset(flat.get()), 0);
}

// Every kind of event arrives as its own.
TEST_F(DeviceTest, Events) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  host_.events.clear();
  Ring(device, 5, 1);
  ASSERT_THAT(host_.events, SizeIs(1));
  EXPECT_EQ(host_.events[0].kind, uint32_t{IVSHMEM_EVENT_RING});
  EXPECT_EQ(host_.events[0].peer, 5u);
  EXPECT_EQ(host_.events[0].vector, 1u);
  EXPECT_EQ(host_.events[0].result, uint32_t{IVSHMEM_RING_NO_SUCH_PEER});
  EXPECT_EQ(host_.events[0].text, "");
  ivshmem_device_interrupt(device.get(), 1);
  ASSERT_THAT(host_.events, SizeIs(2));
  EXPECT_EQ(host_.events[1].kind, uint32_t{IVSHMEM_EVENT_INTERRUPT});
  EXPECT_EQ(host_.events[1].vector, 1u);
  EXPECT_EQ(host_.events[1].result, uint32_t{IVSHMEM_INTERRUPT_DISABLED});
  ivshmem_device_set_id(device.get(), 7);
  ASSERT_THAT(host_.events, SizeIs(3));
  EXPECT_EQ(host_.events[2].kind, uint32_t{IVSHMEM_EVENT_ID_CHANGED});
  EXPECT_EQ(host_.events[2].peer, 7u);
  ivshmem_device_reset(device.get());
  ASSERT_THAT(host_.events, SizeIs(4));
  EXPECT_EQ(host_.events[3].kind, uint32_t{IVSHMEM_EVENT_RESET});
}

TEST_F(DeviceTest, FlatDeviceWithoutALineWarns) {
  ivshmem_host host = host_.Callbacks();
  host.pulse = nullptr;
  const DevicePtr device = Make(FlatOptions(memory_, &host));
  ASSERT_FALSE(host_.events.empty());
  EXPECT_EQ(host_.events[0].kind, uint32_t{IVSHMEM_EVENT_WARNING});
  EXPECT_NE(host_.events[0].text, "");
}

// Each result has its counter, and each counter its name.
TEST_F(DeviceTest, Counters) {
  const DevicePtr device = Pci();
  PlaceBars(device);
  int outcome = 0;
  ASSERT_EQ(ivshmem_device_connect_call(
                device.get(), 2, 0,
                [](void* opaque) { return *static_cast<int*>(opaque); },
                nullptr, &outcome),
            0);
  const auto times = [](int count, const auto& happens) {
    for (int i = 0; i < count; ++i) happens();
  };
  const auto interrupt = [&](uint32_t vector) {
    return [&, vector] { ivshmem_device_interrupt(device.get(), vector); };
  };
  const auto ring = [&](uint32_t peer, uint32_t vector) {
    return [&, peer, vector] { Ring(device, peer, vector); };
  };
  // Each a number of times of its own.
  for (const int result : {0, -EAGAIN, -EAGAIN, -EPIPE, 1, EAGAIN}) {
    outcome = result;
    Ring(device, 2, 0);
  }
  times(4, ring(3, 0));
  times(5, ring(2, 1));
  times(3, interrupt(0));
  EnableMsix(device, 2);
  times(1, interrupt(0));
  Write(device, IVSHMEM_REGION_MSIX, 12, 1);
  times(2, interrupt(0));
  times(4, interrupt(2));
  ivshmem_device_clear_id(device.get());
  times(6, ring(2, 0));
  std::map<std::string, uint64_t> counts;
  uint32_t counters = 0;
  for (; ivshmem_counter_name(counters) != nullptr; ++counters) {
    counts[ivshmem_counter_name(counters)] =
        ivshmem_device_count(device.get(), counters);
  }
  EXPECT_EQ(counts,
            (std::map<std::string, uint64_t>{{"rings_delivered", 1},
                                             {"rings_carrier_full", 2},
                                             {"rings_carrier_failed", 3},
                                             {"rings_no_such_peer", 4},
                                             {"rings_no_such_vector", 5},
                                             {"rings_not_configured", 6},
                                             {"interrupts_delivered", 1},
                                             {"interrupts_held", 2},
                                             {"interrupts_disabled", 3},
                                             {"interrupts_no_such_vector", 4},
                                             {"interrupts_not_configured", 0},
                                             {"rings_not_allowed", 0},
                                             {"rings_over_rate", 0},
                                             {"interrupts_deferred", 0},
                                             {"memory_writes_refused", 0}}));
  EXPECT_EQ(ivshmem_device_count(device.get(), counters), 0u);
  EXPECT_STREQ(ivshmem_counter_name(IVSHMEM_COUNT_INTERRUPTS_NO_SUCH_VECTOR),
               "interrupts_no_such_vector");
}

// The numbers of the interface are the library's. Who gives a result to the
// core gives it a constant and a counter here.
static_assert(static_cast<int>(RingResult::kDelivered) ==
              IVSHMEM_RING_DELIVERED);
static_assert(static_cast<int>(RingResult::kCarrierFull) ==
              IVSHMEM_RING_CARRIER_FULL);
static_assert(static_cast<int>(RingResult::kCarrierFailed) ==
              IVSHMEM_RING_CARRIER_FAILED);
static_assert(static_cast<int>(RingResult::kNoSuchPeer) ==
              IVSHMEM_RING_NO_SUCH_PEER);
static_assert(static_cast<int>(RingResult::kNoSuchVector) ==
              IVSHMEM_RING_NO_SUCH_VECTOR);
static_assert(static_cast<int>(RingResult::kNotConfigured) ==
              IVSHMEM_RING_NOT_CONFIGURED);
static_assert(static_cast<int>(RingResult::kNotAllowed) ==
              IVSHMEM_RING_NOT_ALLOWED);
static_assert(static_cast<int>(RingResult::kOverRate) ==
              IVSHMEM_RING_OVER_RATE);
static_assert(static_cast<int>(InterruptResult::kDelivered) ==
              IVSHMEM_INTERRUPT_DELIVERED);
static_assert(static_cast<int>(InterruptResult::kHeld) ==
              IVSHMEM_INTERRUPT_HELD);
static_assert(static_cast<int>(InterruptResult::kDisabled) ==
              IVSHMEM_INTERRUPT_DISABLED);
static_assert(static_cast<int>(InterruptResult::kNoSuchVector) ==
              IVSHMEM_INTERRUPT_NO_SUCH_VECTOR);
static_assert(static_cast<int>(InterruptResult::kNotConfigured) ==
              IVSHMEM_INTERRUPT_NOT_CONFIGURED);
static_assert(static_cast<int>(InterruptResult::kDeferred) ==
              IVSHMEM_INTERRUPT_DEFERRED);

TEST(ResultsTest, AreAllTold) {
  EXPECT_EQ(static_cast<int>(RingResult::kCount), IVSHMEM_RING_OVER_RATE + 1);
  EXPECT_EQ(static_cast<int>(InterruptResult::kCount),
            IVSHMEM_INTERRUPT_DEFERRED + 1);
}

// Work that is dropped does no harm, and none is needed without an executor.
TEST_F(DeviceTest, WorkIsDropped) {
  DevicePtr device = Pci();
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 1, event.fd()), 0);
  ASSERT_FALSE(host_.work.empty());
  for (ivshmem_work* work : std::exchange(host_.work, {})) {
    ivshmem_work_drop(work);
  }
  EXPECT_THAT(host_.doorbells, IsEmpty());
  Ring(device, 9, 1);
  EXPECT_EQ(event.Take(), 1u);

  // One that runs when the device is gone does nothing.
  const DevicePtr other = Pci();
  ASSERT_EQ(ivshmem_device_connect(other.get(), 9, 1, event.fd()), 0);
  device.reset();
  host_.RunWork();
}

TEST_F(DeviceTest, NoExecutor) {
  ivshmem_host host = host_.Callbacks();
  host.run = nullptr;
  ivshmem_pci_options options = PciOptions(memory_, &host);
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  const DevicePtr device = Make(options);
  PlaceBars(device);
  const Event event;
  ASSERT_EQ(ivshmem_device_connect(device.get(), 9, 1, event.fd()), 0);
  EXPECT_THAT(host_.doorbells, SizeIs(1)) << "at once";
}

}  // namespace
}  // namespace ivshmem::capi
