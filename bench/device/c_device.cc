// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <sys/eventfd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "bench/device/device_under_test.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::bench {
namespace {

constexpr uint32_t kOwn = 7;
constexpr uint32_t kMostVectors = 2048;

// Config space, MSI-X's table and the registers, as their specifications have
// them: an embedder in C has no header for these.
constexpr uint64_t kCommand = 0x04;
constexpr uint16_t kDecodeAndMaster = 0x6;
constexpr uint64_t kBar0 = 0x10;
constexpr uint64_t kCapabilities = 0x34;
constexpr uint16_t kMsixEnable = 0x8000;
constexpr uint64_t kPosition = 8;
constexpr uint64_t kDoorbell = 12;

void Require(bool good) {
  if (!good) std::abort();
}

class CDevice : public DeviceUnderTest {
 public:
  explicit CDevice(uint32_t vectors) : memory_(0x1000) {
    ivshmem_memory* memory = nullptr;
    Require(ivshmem_memory_wrap(memory_.data(), memory_.size(), &memory) == 0);
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    host.send_msi = [](void*, uint64_t, uint32_t) {};
    host_ = host;
    options_.struct_size = sizeof(options_);
    options_.memory = memory;
    options_.host = &host_;
    options_.flags = IVSHMEM_DEVICE_HAS_ID;
    options_.vectors = vectors;
    options_.id = kOwn;
    Require(ivshmem_pci_create(&options_, &device_) == 0);
    for (int lane = 0; lane < kLanes; ++lane) {
      const UniqueFd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
      Require(ivshmem_device_connect(device_, Peer(lane), 0, event.get()) == 0);
    }
    Start(vectors);
  }

  ~CDevice() override {
    Require(ivshmem_device_destroy(device_) == 0);
    ivshmem_memory_destroy(const_cast<ivshmem_memory*>(options_.memory));
  }

  std::unique_ptr<Operation> Doorbell() override {
    return Repeat([this](int lane) { Ring(Peer(lane)); });
  }

  std::unique_ptr<Operation> RefusedDoorbell() override {
    return Repeat([this](int lane) { Ring(Peer(lane + kLanes)); });
  }

  std::unique_ptr<Operation> RegisterRead() override {
    return Repeat([this](int /*lane*/) {
      uint32_t value = 0;
      ivshmem_device_read(device_, IVSHMEM_REGION_REGISTERS, kPosition, &value,
                          sizeof(value));
      Require(value == kOwn);
    });
  }

  std::unique_ptr<Operation> Interrupt() override {
    return Repeat([this](int lane) {
      Require(ivshmem_device_interrupt(device_, static_cast<uint32_t>(lane)) ==
              IVSHMEM_INTERRUPT_DELIVERED);
    });
  }

  void SaveAndRestore() {
    const ssize_t size =
        ivshmem_device_save(device_, state_.data(), state_.size());
    Require(size > 0 && static_cast<size_t>(size) <= state_.size());
    Require(ivshmem_device_destroy(device_) == 0);
    Require(ivshmem_pci_restore(&options_, state_.data(),
                                static_cast<size_t>(size), &device_) == 0);
  }

 private:
  static uint32_t Peer(int lane) { return static_cast<uint32_t>(lane) + 1; }

  void Ring(uint32_t peer) {
    const uint32_t value = peer << 16;
    ivshmem_device_write(device_, IVSHMEM_REGION_REGISTERS, kDoorbell, &value,
                         sizeof(value));
  }

  template <typename T>
  void WriteConfig(uint64_t offset, T value) {
    ivshmem_device_config_write(device_, offset, &value, sizeof(value));
  }

  void WriteTable(uint64_t offset, uint32_t value) {
    ivshmem_device_write(device_, IVSHMEM_REGION_MSIX, offset, &value,
                         sizeof(value));
  }

  // Firmware and driver.
  void Start(uint32_t vectors) {
    WriteConfig<uint32_t>(kBar0, 0xfe000000);
    WriteConfig<uint32_t>(kBar0 + 4, 0xfe100000);
    WriteConfig<uint32_t>(kBar0 + 12, 8);
    WriteConfig<uint16_t>(kCommand, kDecodeAndMaster);
    for (uint32_t v = 0; v < vectors; ++v) {
      WriteTable(16 * v, 0xfee00000);
      WriteTable(16 * v + 8, 0x40 + v);
      WriteTable(16 * v + 12, 0);
    }
    uint8_t msix = 0;  // The only capability.
    ivshmem_device_config_read(device_, kCapabilities, &msix, sizeof(msix));
    WriteConfig<uint16_t>(msix + 2u, kMsixEnable);
  }

  std::vector<uint8_t> memory_;
  std::vector<uint8_t> state_ = std::vector<uint8_t>(IVSHMEM_STATE_BYTES_MAX);
  ivshmem_host host_ = {};
  ivshmem_pci_options options_ = {};
  ivshmem_device* device_ = nullptr;
};

}  // namespace

std::unique_ptr<DeviceUnderTest> MakeCDevice() {
  return std::make_unique<CDevice>(kLanes);
}

std::unique_ptr<Operation> MakeCSaveAndRestore() {
  return Repeat([device = std::make_unique<CDevice>(kMostVectors)](
                    int /*lane*/) { device->SaveAndRestore(); });
}

}  // namespace ivshmem::bench
