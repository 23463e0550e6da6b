// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/footprint.h"

#include <malloc.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "bench/device/vmm.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "device/pci_device.h"

namespace ivshmem::bench {
namespace {

constexpr int kDevices = 200;

// What is allocated, by brk() and by mmap().
double Allocated() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

class Vmm {
 public:
  std::unique_ptr<PciDevice> New(int vectors) {
    return Require(PciDevice::Create(
        {.interrupts =
             vectors == 0 ? InterruptMode::kNone : InterruptMode::kMsix,
         .vectors = vectors,
         .id = 0},
        SharedMemory{.data = memory_, .size = sizeof(memory_)},
        {.msi = &sink_}));
  }

  double DeviceOf(int vectors) {
    std::vector<std::unique_ptr<PciDevice>> devices;
    devices.reserve(kDevices);
    const double before = Allocated();
    for (int i = 0; i < kDevices; ++i) devices.push_back(New(vectors));
    return (Allocated() - before) / kDevices;
  }

  // A device's growth by so many peers of so many vectors, all of which signal
  // the same notifier: that is whoever's who made it.
  double GrowthBy(int peers, int vectors) {
    const auto device = New(1);
    const auto notifier = std::make_shared<NullNotifier>();
    const double before = Allocated();
    for (int peer = 0; peer < peers; ++peer) {
      for (int vector = 0; vector < vectors; ++vector) {
        Require(device->device().peers().Connect(
            static_cast<PeerId>(peer), static_cast<Vector>(vector), notifier));
      }
    }
    return Allocated() - before;
  }

 private:
  NullMsiSink sink_;
  uint8_t memory_[4096] = {};
};

}  // namespace

std::vector<Footprint> MeasureFootprints() {
  Vmm vmm;
  vmm.New(1);  // What is made once, by whoever is first.
  const double plain = vmm.DeviceOf(0);
  const double one = vmm.DeviceOf(1);
  const double all = vmm.DeviceOf(kMaxVectors);
  const double crowd = vmm.GrowthBy(kMaxPeers, 1);
  const double first = vmm.GrowthBy(1, 1);
  const double wide = vmm.GrowthBy(1, kMaxVectors);
  return {
      {"a device without interrupts", plain},
      {"a device of 1 vector", one},
      {"each further vector of its own (of 2,048)",
       (all - one) / (kMaxVectors - 1)},
      {"its first peer of 1 vector", first},
      {"each peer of 1 vector (of 65,536)", crowd / kMaxPeers},
      {"65,536 peers of 1 vector", crowd},
      {"each further vector of a peer (of 2,048)",
       (wide - first) / (kMaxVectors - 1)},
  };
}

}  // namespace ivshmem::bench
