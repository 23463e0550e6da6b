// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/transport.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <thread>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"

namespace ivshmem::acrn {
namespace {

constexpr uintptr_t kPageSize = 4096;
static_assert(sizeof(acrn_io_request_buffer) == kPageSize);

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Create(
    Hsm& hsm, const Config& config) {
  if (config.vcpus < 1 || config.vcpus > ACRN_IO_REQUEST_MAX) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "vcpus: expected 1..%d, got %d", ACRN_IO_REQUEST_MAX, config.vcpus));
  }
  if (config.page == nullptr ||
      reinterpret_cast<uintptr_t>(config.page) % kPageSize != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("page: expected the page that the VM was created with, "
                        "on a page boundary, got %p",
                        config.page));
  }
  const int result = hsm.Ioctl(ACRN_IOCTL_CREATE_IOREQ_CLIENT, uintptr_t{0});
  if (result < 0) return IoctlError(result, "creating the ioreq client");
  return absl::WrapUnique(new Transport(hsm, config));
}

Transport::~Transport() {
  for (int slot = 0; slot < slots(); ++slot) {
    if (Begin(slot).has_value()) Complete(slot, ~uint64_t{0});
  }
  // Of what came in between, the kernel completes all that it can.
  hsm_.Ioctl(ACRN_IOCTL_CLEAR_VM_IOREQ, uintptr_t{0});
  hsm_.Ioctl(ACRN_IOCTL_DESTROY_IOREQ_CLIENT, uintptr_t{0});
}

absl::Status Transport::Wait() {
  // Of what an earlier client has left the kernel knows nothing.
  if (!waited_) {
    waited_ = true;
    return absl::OkStatus();
  }
  // Each side says what it is about to do and then looks at the other (all of
  // it seq_cst): either Stop() sees the wait, or the wait sees Stop().
  waiting_ = true;
  int result = 0;
  if (!stopped_) {
    result = hsm_.Ioctl(ACRN_IOCTL_ATTACH_IOREQ_CLIENT, uintptr_t{0});
  }
  const bool stopped = stopped_;
  waiting_ = false;
  if (stopped) return absl::CancelledError("the transport was stopped");
  if (result < 0) return IoctlError(result, "waiting for I/O requests");
  return absl::OkStatus();
}

void Transport::Stop() noexcept {
  absl::MutexLock lock(&client_);
  if (stopped_.exchange(true) || !waiting_) return;
  changing_ = true;
  for (const Begun& begun : begun_) {
    while (begun.notifying) std::this_thread::yield();
  }
  hsm_.Ioctl(ACRN_IOCTL_DESTROY_IOREQ_CLIENT, uintptr_t{0});
  // Without a client the wait cannot begin again.
  while (waiting_) std::this_thread::yield();
  hsm_.Ioctl(ACRN_IOCTL_CREATE_IOREQ_CLIENT, uintptr_t{0});
  changing_ = false;
}

std::optional<ioreq::Request> Transport::Begin(int slot) noexcept {
  const Slot shared = SlotOf(slot);
  if (!shared.HasRequest()) return std::nullopt;
  return BegunOf(slot).request = shared.Copy();
}

void Transport::Complete(int slot, uint64_t value) noexcept {
  Slot shared = SlotOf(slot);
  if (!shared.HasRequest()) return;
  shared.SetValue(BegunOf(slot).request, value);
  Notify(slot);
}

void Transport::Notify(int slot) noexcept {
  acrn_ioreq_notify notify = {};
  notify.vmid = config_.vmid;
  notify.vcpu = static_cast<uint32_t>(slot);
  // As in Wait(): either Stop() sees this, or this sees Stop(), and waits until
  // there is a client again.
  std::atomic<bool>& notifying = BegunOf(slot).notifying;
  while (true) {
    notifying = true;
    if (!changing_) break;
    notifying = false;
    const absl::MutexLock lock(&client_);
  }
  hsm_.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify);
  notifying.store(false, std::memory_order_release);
}

}  // namespace ivshmem::acrn
