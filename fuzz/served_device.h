// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_SERVED_DEVICE_H_
#define IVSHMEM_FUZZ_SERVED_DEVICE_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/mock/recorders.h"
#include "backends/registration.h"
#include "bus/access.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/registers.h"
#include "device/pci_device.h"
#include "fuzz/require.h"

namespace ivshmem::ioreq {

// A device of a guest whose accesses come as requests, with peers that count
// their signals.
class ServedDevice {
 public:
  static constexpr uint64_t kBar0 = 0xfe000000;
  static constexpr uint64_t kBar1 = 0xfe010000;
  static constexpr uint64_t kBar2 = 0x800000000;
  static constexpr uint64_t kMemorySize = 0x1000;
  static constexpr int kSlot = 3;  // Of bus 0.
  static constexpr uint64_t kConfig = pci::EcamOffset(0, kSlot, 0);

  // Where things happen, or might.
  static constexpr uint64_t kAddresses[] = {
      kBar0,
      kBar0 + kDoorbellOffset,
      kBar0 + 0xfe,
      kBar1,
      kBar1 + 0xffc,
      kBar2,
      kBar2 + kMemorySize - 2,
      kConfig + pci::kCommand,
      kConfig + pci::kBar0,
      kConfig + pci::kMsixControl,
      kConfig + 0xffe,
      0,
      0xcf8,
      0xfffe,
      (uint64_t{256} << 20) - 2,
      ~uint64_t{0},
      ~uint64_t{0} - 4096,
  };

  // Claims what it is through `dispatcher`, which outlives the object.
  explicit ServedDevice(Dispatcher& dispatcher) {
    auto device = PciDevice::Create(
        {.vectors = 2, .id = 1}, {memory_.data(), kMemorySize},
        {.mmio = &dispatcher.space(Space::kMemory), .msi = &messages_});
    Require(device.ok(), "the device is made");
    device_ = *std::move(device);
    auto config =
        dispatcher.space(Space::kPciConfig)
            .Claim(kConfig, pci::kEcamFunctionSize, device_->config());
    Require(config.ok(), "its config space is claimed");
    config_ = *std::move(config);
    for (PeerId peer : {PeerId{1}, PeerId{2}}) {
      Require(device_->device()
                  .peers()
                  .Connect(peer, 0, std::make_shared<Bell>())
                  .ok(),
              "a peer is connected");
    }
  }

  // What firmware and a driver do.
  void SetUp() {
    Set(pci::kBar0, 4, kBar0);
    Set(pci::kBar0 + 4, 4, kBar1);
    Set(pci::kBar0 + 8, 4, kBar2 & 0xffffffff);
    Set(pci::kBar0 + 12, 4, kBar2 >> 32);
    Set(pci::kCommand, 2, pci::kCommandMemorySpace | pci::kCommandBusMaster);
    Set(pci::kMsixControl, 2, pci::kMsixControlEnable);
  }

  // Something that is no access of its guest.
  void Disturb(FuzzedDataProvider& input) {
    enum What { kInterrupt, kReset, kLeave, kMaxValue = kLeave };
    switch (input.ConsumeEnum<What>()) {
      case kInterrupt:
        device_->device().OnPeerInterrupt(input.ConsumeIntegralInRange(0, 2));
        return;
      case kReset:
        return device_->Reset();
      case kLeave:
        device_->device().peers().Disconnect(2);
        return;
    }
  }

  // What no guest can change.
  void Check() const {
    uint8_t ids[4];
    device_->ConfigRead(0, ids);
    Require(LoadLittleEndian(ids) == 0x11101af4, "the ids are read-only");
  }

 private:
  class Bell : public Notifier {
   public:
    Outcome Signal() noexcept override { return Outcome::kSignalled; }
  };

  void Set(uint64_t offset, int size, uint64_t value) {
    uint8_t bytes[8];
    const absl::Span<uint8_t> span(bytes, size);
    StoreLittleEndian(value, span);
    device_->ConfigWrite(offset, span);
  }

  std::vector<uint8_t> memory_ = std::vector<uint8_t>(kMemorySize);
  mock::MsiRecorder messages_{nullptr, 0};
  std::unique_ptr<PciDevice> device_;
  RegistrationPtr config_;
};

// What a read of `size` bytes may read.
constexpr uint64_t MaskOf(uint64_t size) {
  return size == 1 || size == 2 || size == 4 ? (uint64_t{1} << (8 * size)) - 1
                                             : ~uint64_t{0};
}

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_FUZZ_SERVED_DEVICE_H_
