// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/transport.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "backends/ioreq/xen/decode.h"
#include "backends/ioreq/xen/ioreq_abi.h"

namespace ivshmem::xen {
namespace {

// Of `size` bytes.
uint64_t Ones(uint64_t size) {
  return size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Open(
    Hypervisor& hypervisor) {
  const int count = hypervisor.VcpuCount();
  if (count < 0) return CallError(count, "asking for the number of vCPUs");
  if (count < 1 || count > kRequestsPerPage) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "vCPUs of the domain: expected 1 to %d, which is what a page of "
        "requests has room for; got %d",
        kRequestsPerPage, count));
  }
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Create(hypervisor, hypervisor);
  if (!server.ok()) return server.status();

  absl::StatusOr<std::unique_ptr<Ports>> ports = Ports::Create(hypervisor);
  if (!ports.ok()) return ports.status();
  auto transport = absl::WrapUnique(
      new Transport(hypervisor, *std::move(server), *std::move(ports), count));
  for (const Vcpu& vcpu : transport->vcpus_) {
    absl::Status status = transport->ports_->Bind(vcpu.slot.event_port());
    if (!status.ok()) return status;
  }
  return transport;
}

Transport::Transport(Hypervisor& hypervisor, std::unique_ptr<Server> server,
                     std::unique_ptr<Ports> ports, int vcpus)
    : server_(std::move(server)),
      ports_(std::move(ports)),
      claims_(hypervisor, server_->id()) {
  vcpus_.reserve(vcpus);
  for (int i = 0; i < vcpus; ++i) vcpus_.emplace_back(server_->requests() + i);
}

Transport::~Transport() {
  server_->Disable();
  for (int slot = 0; slot < slots(); ++slot) {
    Begin(slot);
    Finish(slot, vcpus_[slot].unanswered);
  }
}

absl::Status Transport::Wait() {
  return ports_->WaitUntil([this] {
    return std::any_of(vcpus_.begin(), vcpus_.end(),
                       [](const Vcpu& vcpu) { return vcpu.slot.IsReady(); });
  });
}

std::optional<ioreq::Request> Transport::Begin(int slot) noexcept {
  const std::optional<ioreq_t> request = vcpus_[slot].slot.Begin();
  if (!request.has_value()) return std::nullopt;
  if (IsNotice(*request)) {
    Finish(slot, std::nullopt);
    return std::nullopt;
  }
  vcpus_[slot].unanswered =
      ReturnsData(*request) ? std::optional(Ones(request->size)) : std::nullopt;
  return Decode(*request);
}

void Transport::Complete(int slot, uint64_t value) noexcept {
  const bool returns_data = vcpus_[slot].unanswered.has_value();
  Finish(slot, returns_data ? std::optional(value) : std::nullopt);
}

void Transport::Finish(int slot, std::optional<uint64_t> data) noexcept {
  if (!vcpus_[slot].slot.Complete(data)) return;
  // The state is seen before the event.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  ports_->Notify(slot);
}

}  // namespace ivshmem::xen
