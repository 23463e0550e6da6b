// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/boot.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "bench/kvm/guest/mailbox.h"

namespace ivshmem::bench {
namespace {

constexpr uint64_t kGdtAddress = 0x1000;
constexpr uint64_t kGdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

constexpr uint8_t kImage[] = {
#include "bench/kvm/guest_program.inc"
};

kvm_segment FlatSegment(uint16_t selector, uint8_t type) {
  kvm_segment segment = {};
  segment.limit = 0xffffffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = 1;
  segment.db = 1;
  segment.s = 1;
  segment.g = 1;
  return segment;
}

}  // namespace

absl::Status Boot(int vcpu, uint8_t* ram) {
  std::copy(std::begin(kImage), std::end(kImage), ram + kBenchImageAddress);
  std::copy(std::begin(kGdt), std::end(kGdt),
            reinterpret_cast<uint64_t*>(ram + kGdtAddress));
  kvm_sregs sregs;
  if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_GET_SREGS");
  }
  sregs.cs = FlatSegment(0x10, 0xb);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = FlatSegment(0x18, 0x3);
  sregs.gdt.base = kGdtAddress;
  sregs.gdt.limit = sizeof(kGdt) - 1;
  sregs.cr0 = 1;  // Protection, and nothing else.
  if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_SET_SREGS");
  }
  kvm_regs regs = {};
  regs.rip = kBenchImageAddress;
  regs.rflags = 2;
  if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_SET_REGS");
  }
  return absl::OkStatus();
}

}  // namespace ivshmem::bench
