// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/bare_vm.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "bench/kvm/boot.h"
#include "bench/measured.h"

namespace ivshmem::bench {
namespace {

constexpr uint64_t kMessageAddress = 0xfee00000;
constexpr uint32_t kGsi = 24;

// As backends/kvm/gsi_routes.cc explains, some systems' headers declare what
// ends in an array so that C++ lays it out otherwise than the kernel.
struct Cpuid {
  uint32_t nent;
  uint32_t padding;
  kvm_cpuid_entry2 entries[256];
};
using CpuidHeader = uint64_t;
constexpr uint64_t kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader);
constexpr uint64_t kSetCpuid = _IOW(KVMIO, 0x90, CpuidHeader);

struct Routes {
  uint32_t count;
  uint32_t flags;
  kvm_irq_routing_entry entry;
};
using RoutesHeader = uint64_t;
constexpr uint64_t kSetGsiRouting = _IOW(KVMIO, 0x6a, RoutesHeader);

absl::Status Error(const char* what) {
  return absl::ErrnoToStatus(errno, what);
}

}  // namespace

BareVm::Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, size_);
}

absl::Status BareVm::Pages::Map(uint64_t size, int fd) {
  const int flags =
      fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (data == MAP_FAILED) return Error("mmap");
  data_ = data;
  size_ = size;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BareVm>> BareVm::Create(const Options& options,
                                                       int cpu) {
  auto vm = absl::WrapUnique(new BareVm(options));
  if (auto status = vm->CreateMachine(); !status.ok()) return status;
  if (auto status = vm->CreateVcpu(); !status.ok()) return status;
  vm->ring_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  vm->interrupt_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  vm->own_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (options.fast.io_event_fd) {
    for (const auto& [peer, fd] : {std::pair(kPeer, vm->ring_.get()),
                                   std::pair(kOwnId, vm->own_.get())}) {
      if (auto status = vm->SetIoEventFd(RingValue(peer), fd); !status.ok()) {
        return status;
      }
    }
  }
  if (options.fast.irqfd) {
    if (auto status = vm->SetIrqfd(); !status.ok()) return status;
  } else {
    vm->interrupt_thread_ =
        std::thread([vm = vm.get()] { vm->SendInterrupts(); });
  }
  vm->gate_ = std::make_unique<Gate>(vm->ram_.data(), cpu);
  vm->vcpu_thread_ = std::thread([vm = vm.get()] { vm->Run(); });
  if (const auto booted = vm->gate_->Finish(); !booted.ok()) {
    return booted.status();
  }
  return vm;
}

BareVm::~BareVm() {
  stop_ = true;
  if (interrupt_thread_.joinable()) {
    eventfd_write(interrupt_.get(), 1);
    interrupt_thread_.join();
  }
  if (vcpu_thread_.joinable()) {
    gate_->Close();
    vcpu_thread_.join();
  }
}

// The same PC as kvm_vmm's: what KVM has in the kernel of it, and memory.
absl::Status BareVm::CreateMachine() {
  kvm_ = UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm_.valid()) return Error("/dev/kvm");
  vm_ = UniqueFd(ioctl(kvm_.get(), KVM_CREATE_VM, 0));
  if (!vm_.valid()) return Error("KVM_CREATE_VM");
  uint64_t identity_map = 0xfffbc000;
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  if (ioctl(vm_.get(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
      ioctl(vm_.get(), KVM_SET_TSS_ADDR, identity_map + 4096) < 0 ||
      ioctl(vm_.get(), KVM_CREATE_IRQCHIP, 0) < 0 ||
      ioctl(vm_.get(), KVM_CREATE_PIT2, &pit) < 0) {
    return Error("chips");
  }
  if (auto status = ram_.Map(kBenchRamSize, -1); !status.ok()) return status;
  const UniqueFd memory(memfd_create("bench", MFD_CLOEXEC));
  if (!memory.valid() || ftruncate(memory.get(), kMemorySize) != 0) {
    return Error("memfd");
  }
  if (auto status = memory_.Map(kMemorySize, memory.get()); !status.ok()) {
    return status;
  }
  if (auto status = SetSlot(0, 0, ram_.data(), kBenchRamSize); !status.ok()) {
    return status;
  }
  return SetSlot(1, kMemory, memory_.data(), kMemorySize);
}

absl::Status BareVm::CreateVcpu() {
  vcpu_ = UniqueFd(ioctl(vm_.get(), KVM_CREATE_VCPU, 0));
  if (!vcpu_.valid()) return Error("KVM_CREATE_VCPU");
  const int size = ioctl(kvm_.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < 0) return Error("KVM_GET_VCPU_MMAP_SIZE");
  if (auto status = run_page_.Map(size, vcpu_.get()); !status.ok()) {
    return status;
  }
  auto cpuid = std::make_unique<Cpuid>();
  cpuid->nent = 256;
  if (ioctl(kvm_.get(), kGetSupportedCpuid, cpuid.get()) < 0 ||
      ioctl(vcpu_.get(), kSetCpuid, cpuid.get()) < 0) {
    return Error("CPUID");
  }
  return Boot(vcpu_.get(), ram_.data());
}

absl::Status BareVm::SetSlot(uint32_t slot, uint64_t address, uint8_t* data,
                             uint64_t size) {
  kvm_userspace_memory_region region = {};
  region.slot = slot;
  region.guest_phys_addr = address;
  region.memory_size = size;
  region.userspace_addr = reinterpret_cast<uintptr_t>(data);
  if (ioctl(vm_.get(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
    return Error("KVM_SET_USER_MEMORY_REGION");
  }
  return absl::OkStatus();
}

absl::Status BareVm::SetIoEventFd(uint32_t value, int fd, uint32_t flags) {
  kvm_ioeventfd io_event_fd = {};
  io_event_fd.datamatch = value;
  io_event_fd.addr = kDoorbell;
  io_event_fd.len = 4;
  io_event_fd.fd = fd;
  io_event_fd.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | flags;
  if (ioctl(vm_.get(), KVM_IOEVENTFD, &io_event_fd) < 0) {
    return Error("KVM_IOEVENTFD");
  }
  return absl::OkStatus();
}

absl::Status BareVm::SetIrqfd() {
  Routes routes = {};
  routes.count = 1;
  routes.entry.gsi = kGsi;
  routes.entry.type = KVM_IRQ_ROUTING_MSI;
  routes.entry.u.msi.address_lo = kMessageAddress;
  routes.entry.u.msi.data = kRingInterrupt;
  if (ioctl(vm_.get(), kSetGsiRouting, &routes) < 0) {
    return Error("KVM_SET_GSI_ROUTING");
  }
  kvm_irqfd irqfd = {};
  irqfd.fd = interrupt_.get();
  irqfd.gsi = kGsi;
  if (ioctl(vm_.get(), KVM_IRQFD, &irqfd) < 0) return Error("KVM_IRQFD");
  return absl::OkStatus();
}

void BareVm::Run() {
  auto* const run = reinterpret_cast<kvm_run*>(run_page_.data());
  const uint64_t one = 1;
  const uint32_t id = kOwnId;
  while (true) {
    if (ioctl(vcpu_.get(), KVM_RUN, 0) < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return gate_->Fail(Error("KVM_RUN"));
    }
    if (run->exit_reason == KVM_EXIT_MMIO) {
      ++exits_;
      if (run->mmio.is_write == 0) {
        std::memcpy(run->mmio.data, &id, sizeof(id));
      } else if (options_.trapped == Trapped::kSignals &&
                 write(ring_.get(), &one, sizeof(one)) < 0) {
        return gate_->Fail(Error("write"));
      }
    } else if (run->exit_reason == KVM_EXIT_IO) {
      const uint32_t operation = gate_->Next();
      if (operation == kBenchHalt) return;
      std::memcpy(run_page_.data() + run->io.data_offset, &operation,
                  sizeof(operation));
    } else {
      return gate_->Fail(absl::InternalError(
          absl::StrFormat("unexpected exit %d", run->exit_reason)));
    }
  }
}

void BareVm::SendInterrupts() {
  kvm_msi message = {};
  message.address_lo = kMessageAddress;
  message.data = kRingInterrupt;
  UniqueFd epoll;
  if (options_.waits == Waits::kInEpoll) {
    epoll = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event = {.events = EPOLLIN, .data = {}};
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, interrupt_.get(), &event);
  }
  while (AwaitInterrupt(epoll.get()) && !stop_) {
    ioctl(vm_.get(), KVM_SIGNAL_MSI, &message);
  }
}

bool BareVm::AwaitInterrupt(int epoll) {
  epoll_event event;
  if (epoll >= 0 && epoll_wait(epoll, &event, 1, -1) != 1) return false;
  uint64_t count;
  return read(interrupt_.get(), &count, sizeof(count)) > 0;
}

absl::StatusOr<absl::Duration> BareVm::AddVectors(int vectors) {
  for (int i = 0; i < vectors; ++i) {
    vectors_.emplace_back(eventfd(0, EFD_CLOEXEC));
  }
  const Stopwatch stopwatch;
  for (int i = 0; i < vectors; ++i) {
    const absl::Status status =
        SetIoEventFd(RingValue(kManyPeer) | i, vectors_[i].get());
    if (!status.ok()) return status;
  }
  return stopwatch.Elapsed();
}

absl::StatusOr<absl::Duration> BareVm::RemoveVectors() {
  const Stopwatch stopwatch;
  for (size_t i = 0; i < vectors_.size(); ++i) {
    const absl::Status status =
        SetIoEventFd(RingValue(kManyPeer) | i, vectors_[i].get(),
                     KVM_IOEVENTFD_FLAG_DEASSIGN);
    if (!status.ok()) return status;
  }
  const absl::Duration took = stopwatch.Elapsed();
  vectors_.clear();
  return took;
}

}  // namespace ivshmem::bench
