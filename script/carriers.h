// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_CARRIERS_H_
#define IVSHMEM_SCRIPT_CARRIERS_H_

#include <map>
#include <memory>
#include <vector>

#include "backends/mock/events.h"
#include "backends/registration.h"
#include "core/doorbell.h"
#include "core/notifier.h"

namespace ivshmem::script {

class Carriers;

// Carries rings to one vector of somebody: an event that a hypervisor may bind
// doorbells to and route, and a reader for what it does not take.
class Carrier : public Notifier {
 public:
  ~Carrier() override;

  Outcome Signal() noexcept override;
  EventHandle event() const noexcept override { return event_; }

  // Who has the vector is gone: signals of those who do not know are lost.
  void Close() { reader_ = nullptr; }

 private:
  friend class Carriers;
  Carrier(Carriers& carriers, EventHandle event)
      : carriers_(carriers), event_(event) {}

  Carriers& carriers_;
  const EventHandle event_;
  RegistrationPtr reader_;
};

// All vectors of somebody.
using Vectors = std::map<Vector, std::shared_ptr<Carrier>>;

// Makes carriers, on one set of events, and uses the events of those that went
// again.
//
// Threading: one thread.
class Carriers {
 public:
  Carriers() = default;
  Carriers(const Carriers&) = delete;
  Carriers& operator=(const Carriers&) = delete;

  // `read` is called for each signal that no hypervisor takes. The carriers
  // outlive what is made.
  std::shared_ptr<Carrier> Make(mock::Events::Callback read);

  mock::Events& events() { return events_; }

 private:
  friend class Carrier;

  mock::Events events_;
  std::vector<EventHandle> free_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_CARRIERS_H_
