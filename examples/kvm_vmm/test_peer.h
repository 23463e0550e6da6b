// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_TEST_PEER_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_TEST_PEER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "core/device.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/registers.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/server_process.h"

namespace ivshmem {

// A test's own device on a server, which a guest in kvm_vmm answers to.
//
// Threading: one thread.
class TestPeer : private InterruptSink {
 public:
  static constexpr int kVectors = 4;

  explicit TestPeer(const ServerProcess& server)
      : link_(*JoinedLink::Join({.socket_path = server.socket_path()})),
        device_(*Device::Create(
            {.interrupts = InterruptMode::kMsix, .vectors = kVectors},
            {.interrupts = this})) {
    link_->Attach(*device_);
  }
  ~TestPeer() override { link_->Detach(); }

  PeerId id() { return *device_->id(); }
  // The shared memory, which the guest writes while the test reads.
  uint8_t* memory() { return link_->link().memory().data; }

  bool Knows(Doorbell doorbell) {
    return device_->peers().Find(doorbell) != nullptr;
  }
  void Ring(Doorbell doorbell) {
    device_->Write(kDoorbellOffset, 4, doorbell.Encode());
  }
  // How often it was rung on `vector`.
  uint32_t answers(Vector vector) const { return answers_[vector]; }

 private:
  InterruptResult Deliver(Vector vector) noexcept override {
    ++answers_[vector];
    return InterruptResult::kDelivered;
  }

  std::array<std::atomic<uint32_t>, kVectors> answers_ = {};
  const std::unique_ptr<JoinedLink> link_;
  const std::unique_ptr<Device> device_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_TEST_PEER_H_
