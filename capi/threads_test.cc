// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Everything from any thread at once, as the header says; for ThreadSanitizer.

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "capi/owned.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

constexpr int kRounds = 300;

// A host whose callbacks only count.
struct CountingHost {
  std::atomic<int> messages{0};
  std::atomic<int> ranges{0};
  std::atomic<int> maps{0};
  std::atomic<int> doorbells{0};
  std::atomic<int> irqs{0};
  std::atomic<int> events{0};

  static CountingHost& Of(void* self) {
    return *static_cast<CountingHost*>(self);
  }
  ivshmem_host Callbacks() {
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    host.opaque = this;
    host.send_msi = [](void* self, uint64_t, uint32_t) { ++Of(self).messages; };
    host.map_memory = [](void* self, uint64_t, void*, uint64_t, int) {
      ++Of(self).maps;
      return 0;
    };
    host.unmap_memory = [](void* self, uint64_t, void*, uint64_t) {
      --Of(self).maps;
    };
    host.claim_range = [](void* self, uint64_t, uint64_t,
                          ivshmem_range* range) {
      ++Of(self).ranges;
      uint32_t value = 0;
      ivshmem_range_read(range, 0, &value, sizeof(value));
      return 0;
    };
    host.release_range = [](void* self, uint64_t, uint64_t, ivshmem_range*) {
      --Of(self).ranges;
    };
    host.add_ioeventfd = [](void* self, uint64_t, uint32_t, int) {
      ++Of(self).doorbells;
      return 0;
    };
    host.remove_ioeventfd = [](void* self, uint64_t, uint32_t, int) {
      --Of(self).doorbells;
    };
    host.bind_irq = [](void* self, const ivshmem_irq*) {
      ++Of(self).irqs;
      return 0;
    };
    host.unbind_irq = [](void* self, const ivshmem_irq*) { --Of(self).irqs; };
    host.event = [](void* self, const ivshmem_event*) { ++Of(self).events; };
    return host;
  }
};

// Runs all at once, each kRounds times.
void AtOnce(const std::vector<std::function<void(int round)>>& all) {
  std::vector<std::thread> threads;
  threads.reserve(all.size());
  for (const auto& each : all) {
    threads.emplace_back([&each] {
      for (int round = 0; round < kRounds; ++round) each(round);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ThreadsTest, OneDevice) {
  CountingHost counting;
  const ivshmem_host host = counting.Callbacks();
  const MemoryPtr memory = NewMemory();
  ivshmem_loop* made = nullptr;
  ASSERT_EQ(ivshmem_loop_start(nullptr, &made), 0);
  const LoopPtr loop(made);
  ivshmem_pci_options options = PciOptions(memory, &host);
  options.loop = made;
  options.vectors = 2;
  options.flags = IVSHMEM_DEVICE_HAS_ID;
  DevicePtr device = Make(options);
  PlaceBars(device);
  EnableMsix(device, 2);
  const Event peer;
  ASSERT_EQ(ivshmem_device_serve(device.get(), made), 0);
  const int own = ivshmem_device_vector_fd(device.get(), 0);
  AtOnce({
      [&](int) { Ring(device, 3, 0); },
      [&](int) { Ring(device, 0, 1); },
      [&](int) { ivshmem_device_interrupt(device.get(), 1); },
      [&](int) { Event::Signal(own); },
      [&](int round) {
        ConfigWrite(device, 0x10, kBar0 + 0x1000 * (round % 8));
      },
      [&](int round) { Write(device, IVSHMEM_REGION_MSIX, 12, round % 2); },
      [&](int) {
        ivshmem_device_connect(device.get(), 3, 0, peer.fd());
        ivshmem_device_disconnect(device.get(), 3);
      },
      [&](int round) {
        ivshmem_device_set_id(device.get(), round % 4);
        ivshmem_device_set_vector_fd(device.get(), 1, peer.fd());
      },
      [&](int) { ivshmem_device_take_interrupts(device.get(), 1); },
      [&](int) {
        EXPECT_EQ(ivshmem_device_interrupt(device.get(), 65536), -ERANGE);
        EXPECT_STREQ(ivshmem_last_error(),
                     "vector: expected 0..65535, got 65536");
      },
      [&](int) {
        uint64_t address = 0;
        ivshmem_device_region_address(device.get(), 0, &address);
        ivshmem_device_count(device.get(), IVSHMEM_COUNT_RINGS_DELIVERED);
      },
  });
  device.reset();
  EXPECT_EQ(counting.ranges, 0);
  EXPECT_EQ(counting.maps, 0);
  EXPECT_EQ(counting.doorbells, 0);
  EXPECT_EQ(counting.irqs, 0);
  EXPECT_GT(counting.events, 0);
}

// Devices come, ring each other and go; one rings while another goes.
TEST(ThreadsTest, Switchboard) {
  const MemoryPtr memory = NewMemory();
  ivshmem_switchboard* made = nullptr;
  ASSERT_EQ(ivshmem_switchboard_create(&made), 0);
  const SwitchboardPtr switchboard(made);
  ASSERT_EQ(ivshmem_switchboard_add_region(made, "shared", memory.get()), 0);
  CountingHost counting;
  const ivshmem_host host = counting.Callbacks();
  const auto come_and_go = [&](int) {
    DevicePtr device = Make(PciOptions(memory, &host));
    PlaceBars(device);
    EnableMsix(device, 1);
    EXPECT_GE(ivshmem_switchboard_bind(made, "shared", device.get(), -1), 0)
        << ivshmem_last_error();
    for (uint32_t peer = 0; peer < 4; ++peer) Ring(device, peer, 0);
  };
  AtOnce({come_and_go, come_and_go, come_and_go, come_and_go});
  EXPECT_GT(counting.messages, 0);
  EXPECT_EQ(counting.ranges, 0);
}

// Errors of one thread are none of another's.
TEST(ThreadsTest, LastErrors) {
  const MemoryPtr memory = NewMemory();
  std::vector<std::function<void(int)>> all;
  for (uint32_t wrong = 4; wrong < 8; ++wrong) {
    all.emplace_back([&memory, wrong](int) {
      ivshmem_pci_options options = PciOptions(memory);
      options.dialect = wrong;
      ivshmem_device* device = nullptr;
      EXPECT_EQ(ivshmem_pci_create(&options, &device), -EINVAL);
      EXPECT_EQ(std::string(ivshmem_last_error()),
                "dialect: expected 0..3, got " + std::to_string(wrong));
    });
  }
  AtOnce(all);
}

}  // namespace
}  // namespace ivshmem::capi
