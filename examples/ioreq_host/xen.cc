// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include "absl/status/status.h"
#include "backends/ioreq/xen/guest_memory.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/msi.h"
#include "backends/ioreq/xen/transport.h"
#include "examples/ioreq_host/hypervisor.h"
#include "testing/ioreq/xen/simulated_domain.h"
#include "testing/ioreq/xen/wire.h"

namespace ivshmem::ioreq_host {
namespace {

using xen_simulation::Command;
using xen_simulation::Reply;

class Xen : public Hypervisor {
 public:
  Xen(std::unique_ptr<SimulatedDomain> domain,
      std::unique_ptr<xen::Hypervisor> libraries)
      : domain_(std::move(domain)),
        libraries_(std::move(libraries)),
        guest_memory_(*libraries_),
        msi_(*libraries_) {}

  absl::Status Attach() {
    auto transport = xen::Transport::Open(*libraries_);
    if (!transport.ok()) return transport.status();
    transport_ = *std::move(transport);
    return absl::OkStatus();
  }

  ioreq::Transport& transport() override { return *transport_; }
  ioreq::GuestMemory* guest_memory() override { return &guest_memory_; }
  pci::MsiSink& msi() override { return msi_; }

  absl::StatusOr<uint64_t> Access(const ioreq::Request& request) override {
    const bool write = request.direction == ioreq::Request::Direction::kWrite;
    Command command = {.kind = Command::kAccess};
    command.request.dir = write ? IOREQ_WRITE : IOREQ_READ;
    command.request.size = static_cast<uint32_t>(request.size);
    command.request.count = 1;
    command.request.data = request.value;
    if (request.kind == ioreq::Request::Kind::kPciConfig) {
      // The function in the upper half, its register in the lower.
      command.request.type = IOREQ_TYPE_PCI_CONFIG;
      command.request.addr =
          request.address >> 12 << 32 | (request.address & 0xfff);
    } else {
      command.request.type = IOREQ_TYPE_COPY;
      command.request.addr = request.address;
    }
    const Reply reply = domain_->Call(command);
    if (reply.result == xen_simulation::kUnclaimed) {
      return request.size >= 8 ? ~uint64_t{0}
                               : (uint64_t{1} << (8 * request.size)) - 1;
    }
    if (reply.result != 0) {
      return absl::ErrnoToStatus(-reply.result, "the simulated Xen");
    }
    return reply.request.data;
  }

  Messages TakeMessages() override {
    const Reply reply = domain_->Call({.kind = Command::kTakeMessages});
    return {
        .count = reply.value,
        .last = {.address = reply.a, .data = static_cast<uint32_t>(reply.b)}};
  }

  std::string Violations() override { return domain_->Violations(); }

 private:
  const std::unique_ptr<SimulatedDomain> domain_;
  const std::unique_ptr<xen::Hypervisor> libraries_;
  xen::GuestMemory guest_memory_;
  xen::Msi msi_;
  std::unique_ptr<xen::Transport> transport_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Hypervisor>> StartXen() {
  auto domain = SimulatedDomain::Start(1);
  if (!domain.ok()) return domain.status();
  std::unique_ptr<xen::Hypervisor> libraries = (*domain)->Open();
  auto xen = std::make_unique<Xen>(*std::move(domain), std::move(libraries));
  if (absl::Status status = xen->Attach(); !status.ok()) return status;
  return xen;
}

}  // namespace ivshmem::ioreq_host
