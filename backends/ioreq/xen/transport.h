// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_TRANSPORT_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/ports.h"
#include "backends/ioreq/xen/range_claims.h"
#include "backends/ioreq/xen/server.h"
#include "backends/ioreq/xen/slot.h"

namespace ivshmem::xen {

// The requests of a domain, through an I/O request server of its own. Xen hands
// over only what lies wholly in a range of claims(), and notices, which are
// answered here. The ring of buffered requests is off: it holds no address
// above 1 MiB.
//
// Wait() returns when a request waits to be begun, and not before.
class Transport : public ioreq::Transport {
 public:
  // A slot for each vCPU that the domain may have, 128 at most. `hypervisor`
  // outlives the object. Errors name the step that failed; all before it is
  // undone.
  static absl::StatusOr<std::unique_ptr<Transport>> Open(
      Hypervisor& hypervisor);

  // Takes the server away. Requests that nobody has completed, late ones, too,
  // are answered: reads read all ones.
  ~Transport() override;

  int slots() const override { return static_cast<int>(vcpus_.size()); }
  absl::Status Wait() override;
  void Stop() noexcept override { ports_->Stop(); }
  std::optional<ioreq::Request> Begin(int slot) noexcept override;
  void Complete(int slot, uint64_t value) noexcept override;

  // See xen::RangeClaims.
  ioreq::RangeClaims* claims() override { return &claims_; }

 private:
  struct Vcpu {
    explicit Vcpu(ioreq_t* shared) : slot(shared) {}

    Slot slot;
    // Of the request that is in process: what it reads if nobody answers;
    // nothing if no value goes back.
    std::optional<uint64_t> unanswered;
  };

  Transport(Hypervisor& hypervisor, std::unique_ptr<Server> server,
            std::unique_ptr<Ports> ports, int vcpus);

  void Finish(int slot, std::optional<uint64_t> data) noexcept;

  const std::unique_ptr<Server> server_;
  const std::unique_ptr<Ports> ports_;
  std::vector<Vcpu> vcpus_;
  RangeClaims claims_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_TRANSPORT_H_
