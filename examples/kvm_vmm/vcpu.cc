// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/vcpu.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/kvm/exits.h"

namespace ivshmem::kvm_vmm {
namespace {

// Brings a thread out of KVM_RUN. It need not do anything.
int KickSignal() { return SIGRTMIN; }

void InstallKick() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;  // For all but KVM_RUN, which does not.
  sigaction(KickSignal(), &action, nullptr);
}

// kvm_cpuid2, which some systems' headers declare in a way that C++ lays out
// otherwise than the kernel; see backends/kvm/gsi_routes.cc.
struct Cpuid {
  uint32_t nent;
  uint32_t padding;
  kvm_cpuid_entry2 entries[256];
};
using CpuidHeader = uint64_t;
constexpr uint64_t kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader);
constexpr uint64_t kSetCpuid = _IOW(KVMIO, 0x90, CpuidHeader);

// KVM says here which of the host's processors was asked, by its APIC id. The
// guest's has the id 0 and is alone.
void SetApicId(kvm_cpuid_entry2& entry) {
  if (entry.function == 1) entry.ebx = (entry.ebx & 0x0000ffff) | 1 << 16;
  if (entry.function == 0xb || entry.function == 0x1f) entry.edx = 0;
}

// The guest's processor knows what KVM can do.
absl::Status SetCpuid(int kvm, int vcpu) {
  auto cpuid = std::make_unique<Cpuid>();
  cpuid->nent = std::size(cpuid->entries);
  if (ioctl(kvm, kGetSupportedCpuid, cpuid.get()) < 0) {
    return absl::ErrnoToStatus(errno, "CPUID of KVM");
  }
  std::for_each_n(cpuid->entries, cpuid->nent, SetApicId);
  if (ioctl(vcpu, kSetCpuid, cpuid.get()) < 0) {
    return absl::ErrnoToStatus(errno, "CPUID of a vCPU");
  }
  return absl::OkStatus();
}

}  // namespace

void Vcpu::Unmap::operator()(kvm_run* run) const { munmap(run, size); }

absl::StatusOr<std::unique_ptr<Vcpu>> Vcpu::Create(int kvm, int vm,
                                                   MmioHandler& memory,
                                                   MmioHandler& ports) {
  UniqueFd fd(ioctl(vm, KVM_CREATE_VCPU, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "new vCPU");
  const int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < 0) return absl::ErrnoToStatus(errno, "size of a vCPU's page");
  void* page = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd.get(), 0);
  if (page == MAP_FAILED) return absl::ErrnoToStatus(errno, "a vCPU's page");
  std::unique_ptr<kvm_run, Unmap> run(static_cast<kvm_run*>(page),
                                      Unmap{static_cast<size_t>(size)});
  if (absl::Status status = SetCpuid(kvm, fd.get()); !status.ok()) {
    return status;
  }
  InstallKick();
  return absl::WrapUnique(
      new Vcpu(std::move(fd), std::move(run), memory, ports));
}

Vcpu::Vcpu(UniqueFd fd, std::unique_ptr<kvm_run, Unmap> run,
           MmioHandler& memory, MmioHandler& ports)
    : fd_(std::move(fd)),
      run_(std::move(run)),
      memory_(memory),
      ports_(ports) {}

Vcpu::~Vcpu() { Stop(); }

void Vcpu::Start(absl::AnyInvocable<void()> ended) {
  thread_ = std::thread([this, ended = std::move(ended)]() mutable {
    end_ = Run();
    if (ended) ended();
    ended_ = true;
  });
}

void Vcpu::Stop() {
  if (!thread_.joinable()) return;
  Interrupt();
  while (!ended_) absl::SleepFor(absl::Milliseconds(1));
  thread_.join();
}

absl::Status Vcpu::Wait() {
  if (thread_.joinable()) thread_.join();
  return end_;
}

absl::Status Vcpu::Run() {
  const std::atomic_ref<uint8_t> immediate_exit(run_->immediate_exit);
  runner_ = gettid();
  absl::Status end;
  while (end.ok()) {
    if (ioctl(fd_.get(), KVM_RUN, 0) >= 0) {
      end = HandleExit();
    } else if (errno != EINTR && errno != EAGAIN) {
      end = absl::ErrnoToStatus(errno, "KVM_RUN");
    } else {
      immediate_exit = 0;
      if (interrupted_.exchange(false)) break;
    }
  }
  runner_ = 0;
  return end;
}

void Vcpu::Interrupt() {
  interrupted_ = true;
  // The signal alone could come just before KVM_RUN and be lost on it.
  std::atomic_ref<uint8_t>(run_->immediate_exit) = 1;
  const pid_t runner = runner_;
  if (runner != 0) tgkill(getpid(), runner, KickSignal());
}

absl::Status Vcpu::HandleExit() {
  switch (run_->exit_reason) {
    case KVM_EXIT_MMIO:
      exits_.fetch_add(1, std::memory_order_relaxed);
      kvm::HandleMmio(*run_, memory_);
      return absl::OkStatus();
    case KVM_EXIT_IO:
      exits_.fetch_add(1, std::memory_order_relaxed);
      kvm::HandleIo(*run_, ports_);
      return absl::OkStatus();
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      return absl::OkStatus();
    case KVM_EXIT_SHUTDOWN:
      return absl::AbortedError("the guest has shut down (a triple fault)");
    case KVM_EXIT_FAIL_ENTRY:
      return absl::InternalError(absl::StrFormat(
          "the processor refused the guest, hardware reason %#x",
          run_->fail_entry.hardware_entry_failure_reason));
    case KVM_EXIT_INTERNAL_ERROR:
      return absl::InternalError(absl::StrFormat(
          "KVM cannot go on, suberror %d (1: an instruction that it does not "
          "know)",
          run_->internal.suberror));
    default:
      return absl::InternalError(
          absl::StrFormat("unexpected exit %d", run_->exit_reason));
  }
}

}  // namespace ivshmem::kvm_vmm
