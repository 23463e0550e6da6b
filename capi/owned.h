// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_OWNED_H_
#define IVSHMEM_CAPI_OWNED_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// Handles that tests own. Destroying them succeeds, or the test fails.
struct Destroy {
  void operator()(ivshmem_device* device) const {
    EXPECT_EQ(ivshmem_device_destroy(device), 0) << ivshmem_last_error();
  }
  void operator()(ivshmem_loop* loop) const {
    EXPECT_EQ(ivshmem_loop_destroy(loop), 0) << ivshmem_last_error();
  }
  void operator()(ivshmem_link* link) const {
    EXPECT_EQ(ivshmem_link_destroy(link), 0) << ivshmem_last_error();
  }
  void operator()(ivshmem_switchboard* switchboard) const {
    EXPECT_EQ(ivshmem_switchboard_destroy(switchboard), 0)
        << ivshmem_last_error();
  }
  void operator()(ivshmem_memory* memory) const {
    ivshmem_memory_destroy(memory);
  }
};

using DevicePtr = std::unique_ptr<ivshmem_device, Destroy>;
using LoopPtr = std::unique_ptr<ivshmem_loop, Destroy>;
using LinkPtr = std::unique_ptr<ivshmem_link, Destroy>;
using SwitchboardPtr = std::unique_ptr<ivshmem_switchboard, Destroy>;
using MemoryPtr = std::unique_ptr<ivshmem_memory, Destroy>;

inline MemoryPtr NewMemory(uint64_t size = 0x1000) {
  ivshmem_memory* memory = nullptr;
  EXPECT_EQ(ivshmem_memory_create(size, &memory), 0) << ivshmem_last_error();
  return MemoryPtr(memory);
}

inline ivshmem_pci_options PciOptions(const MemoryPtr& memory,
                                      const ivshmem_host* host = nullptr) {
  ivshmem_pci_options options = {};
  options.struct_size = sizeof(options);
  options.memory = memory.get();
  options.host = host;
  return options;
}

inline ivshmem_flat_options FlatOptions(const MemoryPtr& memory,
                                        const ivshmem_host* host = nullptr) {
  ivshmem_flat_options options = {};
  options.struct_size = sizeof(options);
  options.memory = memory.get();
  options.host = host;
  options.registers_address = 0x40000000;
  options.memory_address = 0x60000000;
  return options;
}

inline DevicePtr Make(const ivshmem_pci_options& options) {
  ivshmem_device* device = nullptr;
  EXPECT_EQ(ivshmem_pci_create(&options, &device), 0) << ivshmem_last_error();
  return DevicePtr(device);
}

inline DevicePtr Make(const ivshmem_flat_options& options) {
  ivshmem_device* device = nullptr;
  EXPECT_EQ(ivshmem_flat_create(&options, &device), 0) << ivshmem_last_error();
  return DevicePtr(device);
}

// What a call that should fail gave, "" for the text of one that did not.
inline std::string TextOf(int result) {
  return result < 0 ? ivshmem_last_error() : "";
}

// The guest's accesses of 4 bytes.
inline uint32_t ConfigRead(const DevicePtr& device, uint64_t offset) {
  uint32_t value = 0;
  ivshmem_device_config_read(device.get(), offset, &value, sizeof(value));
  return value;
}
inline void ConfigWrite(const DevicePtr& device, uint64_t offset,
                        uint32_t value) {
  ivshmem_device_config_write(device.get(), offset, &value, sizeof(value));
}
inline uint32_t Read(const DevicePtr& device, uint32_t region,
                     uint64_t offset) {
  uint32_t value = 0;
  ivshmem_device_read(device.get(), region, offset, &value, sizeof(value));
  return value;
}
inline void Write(const DevicePtr& device, uint32_t region, uint64_t offset,
                  uint32_t value) {
  ivshmem_device_write(device.get(), region, offset, &value, sizeof(value));
}

// Where firmware puts the BARs.
constexpr uint32_t kBar0 = 0xfe000000;
constexpr uint32_t kBar1 = 0xfe001000;
constexpr uint32_t kBar2 = 0x80000000;

inline void PlaceBars(const DevicePtr& device) {
  ConfigWrite(device, 0x10, kBar0);
  ConfigWrite(device, 0x14, kBar1);
  ConfigWrite(device, 0x18, kBar2);
  ConfigWrite(device, 0x1c, 0);
  ConfigWrite(device, 0x04, 0x6);  // Memory space, bus master.
}

// Unmasks `vectors` vectors, each with a message of its own, and MSI-X.
inline void EnableMsix(const DevicePtr& device, uint32_t vectors) {
  for (uint32_t v = 0; v < vectors; ++v) {
    Write(device, IVSHMEM_REGION_MSIX, 16 * v, 0xfee00000 + v * 0x1000);
    Write(device, IVSHMEM_REGION_MSIX, 16 * v + 8, 0x40 + v);
    Write(device, IVSHMEM_REGION_MSIX, 16 * v + 12, 0);
  }
  const uint32_t at = ConfigRead(device, 0x34) & 0xff;
  ConfigWrite(device, at, ConfigRead(device, at) | 0x80000000);
}

constexpr uint64_t kMask = 0;
constexpr uint64_t kStatus = 4;
constexpr uint64_t kPosition = 8;
constexpr uint64_t kDoorbell = 12;

inline void Ring(const DevicePtr& device, uint32_t peer, uint32_t vector) {
  Write(device, IVSHMEM_REGION_REGISTERS, kDoorbell, peer << 16 | vector);
}

// An eventfd; non-blocking.
class Event {
 public:
  Event() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~Event() { close(fd_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  int fd() const { return fd_; }
  void Signal() const { Signal(fd_); }
  // How many signals it holds; takes them.
  uint64_t Take() const { return Take(fd_); }

  static void Signal(int fd) {
    const uint64_t one = 1;
    EXPECT_EQ(write(fd, &one, sizeof(one)), 8);
  }
  static uint64_t Take(int fd) {
    uint64_t count = 0;
    return read(fd, &count, sizeof(count)) == 8 ? count : 0;
  }

 private:
  const int fd_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_OWNED_H_
