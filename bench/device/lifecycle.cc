// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/lifecycle.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/address_map.h"
#include "bench/device/vmm.h"
#include "device/pci_device.h"
#include "device/pci_device_state.h"

namespace ivshmem::bench {
namespace {

class Vmm {
 public:
  explicit Vmm(int vectors) : config_{.vectors = vectors, .id = 1} {}

  std::unique_ptr<PciDevice> New() {
    return Require(PciDevice::Create(config_, memory(), host()));
  }

  std::unique_ptr<PciDevice> Restored(const PciDeviceState& state) {
    return Require(PciDevice::Restore(config_, memory(), host(), state));
  }

  AddressMap& addresses() { return addresses_; }

 private:
  SharedMemory memory() {
    return {.data = memory_.data(), .size = memory_.size()};
  }
  PciDevice::Host host() { return {.mmio = &addresses_, .msi = &sink_}; }

  const PciDevice::Config config_;
  NullMsiSink sink_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(0x1000);
  AddressMap addresses_;
};

}  // namespace

std::unique_ptr<Operation> MakeCreateToReady(int vectors) {
  return Repeat([vmm = std::make_unique<Vmm>(vectors)](int /*lane*/) {
    Start(*vmm->New());
  });
}

std::unique_ptr<Operation> MakeSaveAndRestore(int vectors) {
  auto vmm = std::make_unique<Vmm>(vectors);
  auto device = vmm->New();
  Start(*device);
  return Repeat(
      [vmm = std::move(vmm), device = std::move(device)](int /*lane*/) mutable {
        const PciDeviceState state = device->Save();
        device = nullptr;  // Its places are the restored device's.
        device = vmm->Restored(state);
      });
}

std::unique_ptr<Operation> MakeBarMove() {
  auto vmm = std::make_unique<Vmm>(2);
  auto device = vmm->New();
  Start(*device);
  return Repeat([vmm = std::move(vmm), device = std::move(device),
                 there = false](int /*lane*/) mutable {
    there = !there;
    WriteConfig(*device, pci::kBar0, there ? 0xfd000000 : 0xfe000000);
  });
}

}  // namespace ivshmem::bench
