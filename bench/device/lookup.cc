// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/lookup.h"

#include <cstdint>
#include <memory>
#include <utility>

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

class Crowd {
 public:
  explicit Crowd(int peers)
      : peers_(peers),
        device_(Require(Device::Create(
            {.interrupts = InterruptMode::kMsix, .vectors = 1, .id = 0},
            {.interrupts = &sink_}))) {
    for (int peer = 0; peer < peers; ++peer) {
      Require(device_->peers().Connect(static_cast<PeerId>(peer), 0,
                                       std::make_shared<NullNotifier>()));
    }
  }

  void RingLast() { Ring(static_cast<uint32_t>(peers_ - 1)); }

  // A step that is odd visits all of a power of two.
  void RingNext() {
    next_ += 0x9e3779b1;
    Ring((next_ >> 8) % static_cast<uint32_t>(peers_));
  }

 private:
  void Ring(uint32_t peer) {
    device_->Write(
        kDoorbellOffset, 4,
        Doorbell{.peer = static_cast<PeerId>(peer), .vector = 0}.Encode());
  }

  const int peers_;
  NullSink sink_;
  const std::unique_ptr<Device> device_;
  uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<Operation> MakeLookup(int peers) {
  return Repeat([crowd = std::make_unique<Crowd>(peers)](int /*lane*/) {
    crowd->RingLast();
  });
}

std::unique_ptr<Operation> MakeScatteredLookup(int peers) {
  return Repeat([crowd = std::make_unique<Crowd>(peers)](int /*lane*/) {
    crowd->RingNext();
  });
}

}  // namespace ivshmem::bench
