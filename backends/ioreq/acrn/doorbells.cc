// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/doorbells.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <fstream>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"

namespace ivshmem::acrn {
namespace {

// Which eventfd it is: the same for all descriptors of one, however they came
// here. Without /proc, and before Linux 5.2, each descriptor is taken for
// another one.
std::string IdentityOf(EventHandle event) {
  std::ifstream info(absl::StrFormat("/proc/self/fdinfo/%d", event.value));
  for (std::string line; std::getline(info, line);) {
    if (absl::StartsWith(line, "eventfd-id:")) return line;
  }
  return absl::StrFormat("descriptor %d", event.value);
}

}  // namespace

class Doorbells::Kernel {
 public:
  explicit Kernel(Hsm& hsm) : hsm_(hsm) {}

  absl::Status Add(const acrn_ioeventfd& doorbell, const std::string& event)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (bound_.contains(event)) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "descriptor %d: expected an eventfd that no doorbell is bound to, "
          "as ACRN takes doorbells away by their eventfd; got one that is",
          doorbell.fd));
    }
    const int result = hsm_.Ioctl(ACRN_IOCTL_IOEVENTFD, &doorbell);
    if (result < 0) {
      return IoctlError(result, absl::StrFormat("ioeventfd for %#010x at %#x",
                                                doorbell.data, doorbell.addr));
    }
    bound_.insert(event);
    return absl::OkStatus();
  }

  void Remove(acrn_ioeventfd doorbell, const std::string& event) noexcept
      ABSL_LOCKS_EXCLUDED(mutex_) {
    doorbell.flags |= ACRN_IOEVENTFD_FLAG_DEASSIGN;
    absl::MutexLock lock(&mutex_);
    hsm_.Ioctl(ACRN_IOCTL_IOEVENTFD, &doorbell);
    bound_.erase(event);
  }

 private:
  Hsm& hsm_;
  absl::Mutex mutex_;
  absl::flat_hash_set<std::string> bound_ ABSL_GUARDED_BY(mutex_);
};

class Doorbells::IoEventFd : public Registration {
 public:
  IoEventFd(std::shared_ptr<Kernel> kernel, const acrn_ioeventfd& doorbell,
            std::string event)
      : kernel_(std::move(kernel)),
        doorbell_(doorbell),
        event_(std::move(event)) {}
  ~IoEventFd() override { kernel_->Remove(doorbell_, event_); }

 private:
  const std::shared_ptr<Kernel> kernel_;
  const acrn_ioeventfd doorbell_;
  const std::string event_;
};

Doorbells::Doorbells(Hsm& hsm) : kernel_(std::make_shared<Kernel>(hsm)) {}

Doorbells::~Doorbells() = default;

absl::StatusOr<RegistrationPtr> Doorbells::Bind(uint64_t address,
                                                uint32_t value,
                                                EventHandle event) {
  acrn_ioeventfd doorbell = {};
  doorbell.fd = static_cast<__u32>(event.value);
  doorbell.flags = ACRN_IOEVENTFD_FLAG_DATAMATCH;
  doorbell.addr = address;
  doorbell.len = sizeof(value);
  doorbell.data = value;
  std::string identity = IdentityOf(event);
  absl::Status added = kernel_->Add(doorbell, identity);
  if (!added.ok()) return added;
  return std::make_unique<IoEventFd>(kernel_, doorbell, std::move(identity));
}

}  // namespace ivshmem::acrn
