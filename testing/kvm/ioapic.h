// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_KVM_IOAPIC_H_
#define IVSHMEM_TESTING_KVM_IOAPIC_H_

#include <cstdint>

#include "testing/kvm/kvm_guest.h"

namespace ivshmem {

// What a guest does to its IOAPIC, and to its PICs: these are masked, as the
// first pins are theirs too.
//
// Threading: one thread.
class Ioapic {
 public:
  enum class Trigger : uint8_t { kEdge, kLevel };

  // `guest` outlives the object.
  explicit Ioapic(KvmGuest& guest) : guest_(guest) {
    guest_.Out(0x21, 0xff, 1);
    guest_.Out(0xa1, 0xff, 1);
  }

  // From now on `pin` interrupts as `number` of KvmGuest::interrupts().
  void Connect(int pin, int number, Trigger trigger) {
    connected_ = (kFirstInterrupt + static_cast<uint32_t>(number)) |
                 (trigger == Trigger::kLevel ? kLevel : 0);
    Set(kFirstEntry + 2 * pin + 1, 0);  // To processor 0.
    Set(kFirstEntry + 2 * pin, connected_);
  }

  // Of the pin that was connected last.
  void Mask(int pin, bool masked) {
    Set(kFirstEntry + 2 * pin, connected_ | (masked ? kMasked : 0));
  }

 private:
  static constexpr uint32_t kBase = 0xfec00000;
  static constexpr int kFirstEntry = 0x10;
  static constexpr uint32_t kLevel = 1 << 15;
  static constexpr uint32_t kMasked = 1 << 16;

  void Set(int index, uint32_t value) {
    guest_.Write(kBase, static_cast<uint32_t>(index));
    guest_.Write(kBase + 0x10, value);
  }

  KvmGuest& guest_;
  uint32_t connected_ = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_KVM_IOAPIC_H_
