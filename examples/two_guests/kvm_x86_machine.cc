// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/kvm_x86_machine.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "backends/linux/loop_thread.h"
#include "examples/kvm_vmm/protected_mode.h"
#include "examples/two_guests/guests/x86/board.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint32_t kGdtAddress = 0x500;

absl::Status CannotRun(const absl::Status& why) {
  return absl::InternalError(absl::StrCat("the guest failed: ", why.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvmX86Machine>> KvmX86Machine::Create(
    absl::Span<const uint8_t> image, EventLoop& loop) {
  if (image.size() > X86_RAM_SIZE - X86_IMAGE_ADDRESS) {
    return absl::InvalidArgumentError(
        absl::StrFormat("image: expected at most %d bytes, got %d",
                        X86_RAM_SIZE - X86_IMAGE_ADDRESS, image.size()));
  }
  auto created = kvm_vmm::Machine::Create(X86_RAM_SIZE);
  if (!created.ok()) return created.status();
  std::copy(image.begin(), image.end(), (*created)->ram() + X86_IMAGE_ADDRESS);
  if (absl::Status status = kvm_vmm::EnterProtectedMode(**created, kGdtAddress,
                                                        X86_IMAGE_ADDRESS);
      !status.ok()) {
    return status;
  }
  auto machine = absl::WrapUnique(new KvmX86Machine(*std::move(created)));
  kvm_vmm::Vcpu& vcpu = machine->machine_->vcpu();
  auto glance = loop.NewTimer([&vcpu] { vcpu.Interrupt(); });
  if (!glance.ok()) return glance.status();
  machine->glance_ = *std::move(glance);
  return machine;
}

KvmX86Machine::KvmX86Machine(std::unique_ptr<kvm_vmm::Machine> machine)
    : machine_(std::move(machine)),
      mapper_(machine_->vm(), machine_->slots()),
      msi_(machine_->vm()),
      doorbells_(machine_->vm()),
      routes_(machine_->vm(), kvm::GsiTable::Pc()),
      router_(machine_->vm(), routes_) {}

absl::StatusOr<Machine::State> KvmX86Machine::Run(int) {
  slice_over_ = false;
  const absl::Time end = absl::Now() + kLongestSlice;
  while (!slice_over_ && absl::Now() < end) {
    glance_->Set(kGlance);
    if (absl::Status status = machine_->vcpu().Run(); !status.ok()) {
      return CannotRun(status);
    }
    const absl::StatusOr<bool> halted = Halted();
    if (!halted.ok()) return CannotRun(halted.status());
    if (*halted) return State::kIdle;
  }
  return State::kRunning;
}

void KvmX86Machine::EndSlice() {
  slice_over_ = true;
  machine_->vcpu().Interrupt();
}

// An interrupt that the processor has taken would have ended this, and one that
// it has not, as it was interrupted before it could, is in its local APIC. (The
// guest halts with interrupts on.)
absl::StatusOr<bool> KvmX86Machine::Halted() const {
  const int vcpu = machine_->vcpu().fd();
  kvm_mp_state state;
  if (ioctl(vcpu, KVM_GET_MP_STATE, &state) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_GET_MP_STATE");
  }
  if (state.mp_state != KVM_MP_STATE_HALTED) return false;
  kvm_lapic_state apic;
  if (ioctl(vcpu, KVM_GET_LAPIC, &apic) < 0) {
    return absl::ErrnoToStatus(errno, "KVM_GET_LAPIC");
  }
  // The interrupt request register: eight of 32 bits, 16 bytes apart.
  constexpr int kRequests = 0x200;
  for (int word = 0; word < 8; ++word) {
    uint32_t bits;
    std::memcpy(&bits, apic.regs + kRequests + 16 * word, sizeof(bits));
    if (bits != 0) return false;
  }
  return true;
}

absl::Status KvmX86Machine::Probe() {
  constexpr uint8_t kHalt[] = {0xfa, 0xf4};  // cli; hlt
  auto thread = LoopThread::Start("probe");
  if (!thread.ok()) return thread.status();
  auto machine = Create(kHalt, (*thread)->loop());
  if (!machine.ok()) return machine.status();
  const absl::StatusOr<State> state = (*machine)->Run(1);
  if (!state.ok()) return state.status();
  if (*state == State::kIdle) return absl::OkStatus();
  return absl::UnavailableError("a guest on it does not run");
}

}  // namespace ivshmem::two_guests
