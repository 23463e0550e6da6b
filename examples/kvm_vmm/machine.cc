// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/machine.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "core/shared_memory.h"

namespace ivshmem::kvm_vmm {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kFourGiB = uint64_t{1} << 32;
constexpr uint64_t kMostRam = 3 * (uint64_t{1} << 30);

// Four pages that KVM wants for itself, out of everybody's way below the
// firmware.
constexpr uint64_t kIdentityMap = 0xfffbc000;
constexpr uint64_t kTss = kIdentityMap + kPage;

// What KVM has in the kernel of a PC.
absl::Status CreateChips(int vm) {
  uint64_t identity_map = kIdentityMap;
  if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
      ioctl(vm, KVM_SET_TSS_ADDR, kTss) < 0) {
    return absl::ErrnoToStatus(errno, "KVM's own pages");
  }
  if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0) {
    return absl::ErrnoToStatus(errno, "interrupt controllers");
  }
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  if (ioctl(vm, KVM_CREATE_PIT2, &pit) < 0) {
    return absl::ErrnoToStatus(errno, "timer");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Machine::Pages> Machine::Pages::Allocate(uint64_t size) {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, absl::StrFormat("%d bytes", size));
  }
  Pages pages;
  pages.data_ = static_cast<uint8_t*>(data);
  pages.size_ = size;
  return pages;
}

Machine::Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, size_);
}

Machine::Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Machine::Pages& Machine::Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(uint64_t ram_size) {
  if (ram_size < kMiB || ram_size > kMostRam || ram_size % kPage != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory: expected 1 MiB..3 GiB in whole pages, got %d bytes",
        ram_size));
  }
  auto machine = absl::WrapUnique(new Machine);
  machine->kvm_fd_ = UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  const int kvm = machine->kvm_fd_.get();
  if (kvm < 0) return absl::ErrnoToStatus(errno, "/dev/kvm");
  machine->vm_fd_ = UniqueFd(ioctl(kvm, KVM_CREATE_VM, 0));
  const int vm = machine->vm_fd_.get();
  if (vm < 0) return absl::ErrnoToStatus(errno, "new VM");
  if (absl::Status status = CreateChips(vm); !status.ok()) return status;

  machine->vm_ = std::make_unique<kvm::VmFd>(vm);
  machine->mapper_ =
      std::make_unique<kvm::MemorySlots>(*machine->vm_, machine->slots_);
  absl::StatusOr<Pages> ram = Pages::Allocate(ram_size);
  if (!ram.ok()) return ram.status();
  machine->ram_ = *std::move(ram);
  absl::StatusOr<RegistrationPtr> slot = machine->mapper_->Map(
      0, {machine->ram_.data(), ram_size}, MemoryAccess::kReadWrite);
  if (!slot.ok()) return slot.status();
  machine->ram_slot_ = *std::move(slot);

  absl::StatusOr<std::unique_ptr<Vcpu>> vcpu =
      Vcpu::Create(kvm, vm, machine->memory_, machine->ports_);
  if (!vcpu.ok()) return vcpu.status();
  machine->vcpu_ = *std::move(vcpu);
  return machine;
}

absl::Status Machine::LoadFirmware(absl::Span<const uint8_t> image) {
  if (image.empty() || image.size() > kMostFirmware) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "firmware: expected 1..%d bytes, got %d", kMostFirmware, image.size()));
  }
  const uint64_t size = (image.size() + kPage - 1) / kPage * kPage;
  absl::StatusOr<Pages> rom = Pages::Allocate(size);
  if (!rom.ok()) return rom.status();
  rom_ = *std::move(rom);
  std::copy_backward(image.begin(), image.end(), rom_.data() + size);
  std::copy_backward(image.begin(), image.end(), ram_.data() + kMiB);
  absl::StatusOr<RegistrationPtr> slot = mapper_->Map(
      kFourGiB - size, {rom_.data(), size}, MemoryAccess::kReadOnly);
  if (!slot.ok()) return slot.status();
  rom_slot_ = *std::move(slot);
  return absl::OkStatus();
}

}  // namespace ivshmem::kvm_vmm
