// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/irqfd_router.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "backends/kvm/irqfd.h"

namespace ivshmem::kvm {

namespace {

// An irqfd and the route that it uses.
class Routed : public Registration {
 public:
  Routed(GsiRoutes& routes, uint32_t gsi, RegistrationPtr irqfd)
      : routes_(routes), gsi_(gsi), irqfd_(std::move(irqfd)) {}

  ~Routed() override {
    irqfd_ = nullptr;
    routes_.Remove(gsi_);
  }

 private:
  GsiRoutes& routes_;
  const uint32_t gsi_;
  RegistrationPtr irqfd_;
};

absl::StatusOr<RegistrationPtr> Assign(Vm& vm, GsiRoutes& routes,
                                       EventHandle event, uint32_t gsi) {
  absl::StatusOr<RegistrationPtr> irqfd = AssignIrqfd(vm, event, gsi);
  if (irqfd.ok()) {
    return std::make_unique<Routed>(routes, gsi, *std::move(irqfd));
  }
  routes.Remove(gsi);
  return irqfd.status();
}

}  // namespace

absl::StatusOr<RegistrationPtr> IrqfdRouter::Bind(
    EventHandle event, const pci::MsiMessage& message) {
  const Request request = {event, message};
  return std::move(BindAll({&request, 1}).front());
}

std::vector<absl::StatusOr<RegistrationPtr>> IrqfdRouter::BindAll(
    absl::Span<const Request> requests) {
  std::vector<pci::MsiMessage> messages;
  messages.reserve(requests.size());
  for (const Request& request : requests) messages.push_back(request.message);
  const absl::StatusOr<std::vector<uint32_t>> gsis = routes_.Add(messages);

  std::vector<absl::StatusOr<RegistrationPtr>> bound;
  bound.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!gsis.ok()) {
      bound.emplace_back(gsis.status());
    } else if (i < gsis->size()) {
      bound.push_back(Assign(vm_, routes_, requests[i].event, (*gsis)[i]));
    } else {
      bound.emplace_back(absl::ResourceExhaustedError(
          "the VM's table of interrupt routes is full"));
    }
  }
  return bound;
}

}  // namespace ivshmem::kvm
