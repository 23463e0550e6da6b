// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/protected_mode.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

namespace ivshmem::kvm_vmm {
namespace {

constexpr uint64_t kGdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

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

absl::Status EnterProtectedMode(Machine& machine, uint32_t gdt_address,
                                uint32_t entry) {
  std::memcpy(machine.ram() + gdt_address, kGdt, sizeof(kGdt));
  const int vcpu = machine.vcpu().fd();
  kvm_sregs sregs;
  if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_GET_SREGS");
  }
  sregs.cs = FlatSegment(0x10, 0xb);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = FlatSegment(0x18, 0x3);
  sregs.gdt.base = gdt_address;
  sregs.gdt.limit = sizeof(kGdt) - 1;
  sregs.cr0 = 1;  // Protection, and nothing that gets in the way of the FPU.
  if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_SET_SREGS");
  }
  kvm_regs regs = {};
  regs.rip = entry;
  regs.rflags = 2;
  if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_SET_REGS");
  }
  return absl::OkStatus();
}

}  // namespace ivshmem::kvm_vmm
