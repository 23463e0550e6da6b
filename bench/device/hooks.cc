// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/hooks.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "backends/linux/event_fd.h"
#include "bench/device/device_without_hooks.h"
#include "bench/device/vmm.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/registers.h"

namespace ivshmem::bench {
namespace {

class NullSink final : public InterruptSink {
 public:
  InterruptResult Deliver(Vector /*vector*/) noexcept override {
    return InterruptResult::kDelivered;
  }
};

constexpr uint32_t kPeer = Doorbell{.peer = 1, .vector = 0}.Encode();

template <typename AnyDevice>
class Rig {
 public:
  Rig()
      : device_(Require(AnyDevice::Create(
            {.interrupts = InterruptMode::kMsix, .vectors = 1, .id = 0},
            {.interrupts = &sink_}))) {
    Require(device_->peers().Connect(1, 0, Require(EventFd::Create())));
  }
  AnyDevice& device() { return *device_; }

 private:
  NullSink sink_;
  const std::unique_ptr<AnyDevice> device_;
};

template <typename AnyDevice>
std::unique_ptr<Operation> Ring() {
  return Repeat([rig = std::make_unique<Rig<AnyDevice>>()](int /*lane*/) {
    rig->device().Write(kDoorbellOffset, 4, kPeer);
  });
}

template <typename AnyDevice>
std::unique_ptr<Operation> Interrupt() {
  return Repeat([rig = std::make_unique<Rig<AnyDevice>>()](int /*lane*/) {
    rig->device().OnPeerInterrupt(0);
  });
}

}  // namespace

std::unique_ptr<Operation> MakeRingWithHooks() { return Ring<Device>(); }
std::unique_ptr<Operation> MakeRingWithoutHooks() {
  return Ring<DeviceWithoutHooks>();
}
std::unique_ptr<Operation> MakeInterruptWithHooks() {
  return Interrupt<Device>();
}
std::unique_ptr<Operation> MakeInterruptWithoutHooks() {
  return Interrupt<DeviceWithoutHooks>();
}

}  // namespace ivshmem::bench
