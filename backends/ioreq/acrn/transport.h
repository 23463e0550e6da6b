// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_TRANSPORT_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_TRANSPORT_H_

#include <linux/acrn.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/slot.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"

namespace ivshmem::acrn {

// The requests of one ACRN VM, through its page and the default ioreq client of
// /dev/acrn_hsm: all accesses that neither the hypervisor nor the kernel
// answers.
//
// A request stays PROCESSING in the page until it is completed, and as long as
// one is, the kernel's wait returns at once.
//
// Threading: as ioreq::Transport.
class Transport : public ioreq::Transport {
 public:
  struct Config {
    // As ACRN_IOCTL_CREATE_VM returned them.
    uint16_t vmid = 0;
    int vcpus = 1;  // 1 to ACRN_IO_REQUEST_MAX.
    // The page that it was given (`ioreq_buf`).
    acrn_io_request_buffer* page = nullptr;
  };

  // Makes this process the VM's client. `hsm` and the page outlive the object.
  // Requests that an earlier client left come first. Errors: InvalidArgument
  // that names the field; AlreadyExists when the VM has a client; else the
  // kernel's.
  static absl::StatusOr<std::unique_ptr<Transport>> Create(
      Hsm& hsm, const Config& config);

  // Answers with ones what waits, and gives the client up. What the guest asks
  // after that waits for the next one, so the embedder pauses the VM before.
  ~Transport() override;

  int slots() const override { return config_.vcpus; }
  absl::Status Wait() override;
  // The kernel has only one way to end the wait of another thread: the client
  // is destroyed. Another one is made at once, since without a client nothing
  // can be completed.
  void Stop() noexcept override ABSL_LOCKS_EXCLUDED(client_);
  std::optional<ioreq::Request> Begin(int slot) noexcept override;
  // A slot that is not PROCESSING any more was reset, and is left alone.
  void Complete(int slot, uint64_t value) noexcept override
      ABSL_LOCKS_EXCLUDED(client_);

 private:
  Transport(Hsm& hsm, const Config& config) : hsm_(hsm), config_(config) {}

  Slot SlotOf(int slot) const {
    return Slot(config_.page->req_slot[static_cast<size_t>(slot)]);
  }
  void Notify(int slot) noexcept ABSL_LOCKS_EXCLUDED(client_);

  Hsm& hsm_;
  const Config config_;
  struct alignas(64) Begun {
    ioreq::Request request;  // The last that was begun.
    // Somebody is in Notify().
    std::atomic<bool> notifying{false};
  };

  Begun& BegunOf(int slot) { return begun_[static_cast<size_t>(slot)]; }

  std::array<Begun, ACRN_IO_REQUEST_MAX> begun_;
  bool waited_ = false;  // Of the thread that waits.
  std::atomic<bool> stopped_{false};
  std::atomic<bool> waiting_{false};
  // Between two clients: nobody notifies.
  std::atomic<bool> changing_{false};
  // Held meanwhile.
  absl::Mutex client_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_TRANSPORT_H_
