// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_ROUTER_H_
#define IVSHMEM_BACKENDS_MOCK_ROUTER_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/irq_router.h"
#include "backends/mock/events.h"
#include "backends/mock/faults.h"
#include "backends/mock/log.h"
#include "bus/pci/msi.h"

namespace ivshmem::mock {

// Irqfds in memory. What it does goes into the log of the events.
//
// Threading: any thread. Messages are sent on the stack of who signals the
// event, or of Bind() for a signal that the event held, outside locks.
class Router final : public IrqRouter {
 public:
  struct Options {
    size_t capacity = kUnlimited;  // Routes at once.
    Faults* faults = nullptr;      // Optional.
  };

  // Everything outlives the object, but not its registrations; the sink also
  // outlives signals that are under way.
  Router(Events* events, pci::MsiSink* sink, const Options& options);
  ~Router() override;

  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Signals that the event held send one message. Errors: what is injected;
  // NotFound for a handle that names no event, AlreadyExists when the event has
  // a route, ResourceExhausted when there are `capacity` routes.
  absl::StatusOr<RegistrationPtr> Bind(EventHandle event,
                                       const pci::MsiMessage& message) override;

  // Routes in force.
  size_t size() const;

 private:
  struct State;

  absl::StatusOr<RegistrationPtr> Add(EventHandle event,
                                      const pci::MsiMessage& message);

  Events* const events_;
  pci::MsiSink* const sink_;
  const Options options_;
  const std::shared_ptr<State> state_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_ROUTER_H_
