// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "backends/linux/event_fd.h"
#include "bench/device/device_under_test.h"
#include "bench/device/vmm.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "device/pci_device.h"

namespace ivshmem::bench {
namespace {

constexpr PeerId kOwn = 7;

class CppDevice : public DeviceUnderTest {
 public:
  CppDevice()
      : memory_(0x1000),
        device_(Require(PciDevice::Create(
            {.vectors = kLanes, .id = kOwn},
            SharedMemory{.data = memory_.data(), .size = memory_.size()},
            {.msi = &sink_}))) {
    for (int lane = 0; lane < kLanes; ++lane) {
      Require(device_->device().peers().Connect(Peer(lane), 0,
                                                Require(EventFd::Create())));
    }
    Start(*device_);
  }

  std::unique_ptr<Operation> Doorbell() override {
    return Repeat([this](int lane) { Ring(Peer(lane)); });
  }

  std::unique_ptr<Operation> RefusedDoorbell() override {
    return Repeat([this](int lane) { Ring(Peer(lane + kLanes)); });
  }

  std::unique_ptr<Operation> RegisterRead() override {
    return Repeat([this](int /*lane*/) {
      if (Read32(device_->bar(0), kPositionOffset) != kOwn) std::abort();
    });
  }

  std::unique_ptr<Operation> Interrupt() override {
    return Repeat([this](int lane) {
      if (device_->device().OnPeerInterrupt(static_cast<Vector>(lane)) !=
          InterruptResult::kDelivered) {
        std::abort();
      }
    });
  }

 private:
  static PeerId Peer(int lane) { return static_cast<PeerId>(lane + 1); }

  void Ring(PeerId peer) {
    Write32(device_->bar(0), kDoorbellOffset,
            ivshmem::Doorbell{.peer = peer, .vector = 0}.Encode());
  }

  NullMsiSink sink_;
  std::vector<uint8_t> memory_;
  const std::unique_ptr<PciDevice> device_;
};

}  // namespace

std::unique_ptr<DeviceUnderTest> MakeCppDevice() {
  return std::make_unique<CppDevice>();
}

}  // namespace ivshmem::bench
