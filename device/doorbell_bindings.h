// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_DOORBELL_BINDINGS_H_
#define IVSHMEM_DEVICE_DOORBELL_BINDINGS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "backends/doorbell_accelerator.h"
#include "backends/registration.h"
#include "core/device.h"

namespace ivshmem {

// The doorbells of one device that the hypervisor rings by itself. What it has
// no room for stays on the trapped path, which a guest cannot tell apart, and
// gets a place in turn.
//
// Where the hypervisor swallows what matches no bound value, all connected
// doorbells are bound or none: one that cannot be bound would be lost. (A guest
// that rings while they are bound one after the other can lose a ring there:
// the hypervisor takes them one at a time.)
//
// A doorbell that the device may not ring (Limits::may_ring) is never bound. As
// one of an absent peer it is trapped and counted; where misses are swallowed,
// it is swallowed while others are bound.
//
// Threading: none of its own; one call at a time.
class DoorbellBindings {
 public:
  // All outlive the object; `events` may be null.
  DoorbellBindings(Device& device, DoorbellAccelerator& accelerator,
                   DeviceEvents* events)
      : device_(device), accelerator_(accelerator), events_(events) {}

  // Takes down what is bound and should not be, the doorbell register being at
  // `address` now (nullopt: out of the guest's sight). No more than `most`,
  // except where all or none are bound: the next call goes on.
  void TakeDown(std::optional<uint64_t> address, int most);

  // Binds what should be bound and is not, as far as there is room; nothing
  // while something is bound elsewhere. Takes long for many peers, so it breaks
  // off when `stale` says that something has changed again.
  void Add(std::optional<uint64_t> address, absl::FunctionRef<bool()> stale);

  // Binds `doorbell` in the place of the one that has been bound longest, if it
  // should be bound and is not.
  void TakeTurn(std::optional<uint64_t> address, Doorbell doorbell);

  // Whether there was no room for all when it was last tried.
  bool crowded() const { return crowded_; }

 private:
  struct Binding {
    // Holds the event until the hypervisor has let go of it.
    std::shared_ptr<Notifier> notifier;
    RegistrationPtr registration;
    uint64_t turn = 0;  // In the order in which they were bound.
  };
  using Bindings = std::map<Doorbell, Binding>;

  bool AllOrNone() const {
    return accelerator_.miss_policy() ==
           DoorbellAccelerator::MissPolicy::kSwallowed;
  }

  absl::Status Bind(uint64_t address, Doorbell doorbell,
                    std::shared_ptr<Notifier> notifier);

  // The connections that the guest may ring, in the order of the doorbells; of
  // those, what is new (PeerTable::ConnectionsSince()).
  std::vector<PeerTable::Connection> Connections() const;
  std::vector<PeerTable::Connection> ConnectionsSince(uint64_t& since) const;

  // Binds those that are not bound; false when it broke off.
  bool BindMissing(uint64_t address,
                   const std::vector<PeerTable::Connection>& connections,
                   absl::FunctionRef<bool()> stale);

  // Whether the guest can ring anybody.
  bool Rings(std::optional<uint64_t> address) const;

  // Whether `connections`, which are all, may be bound as the hypervisor needs
  // it.
  bool CanBind(const std::vector<PeerTable::Connection>& connections) const;

  Device& device_;
  DoorbellAccelerator& accelerator_;
  DeviceEvents* const events_;
  std::optional<uint64_t> bound_at_;
  // When all that was bound was last found connected. A server brings peers one
  // vector at a time, and none of these makes it look at all the others.
  std::optional<uint64_t> checked_departures_;
  // Nor does it where all that came before this was bound, or cannot be; 0: not
  // all of them were looked at.
  uint64_t bound_until_ = 0;
  Bindings bindings_;
  uint64_t next_turn_ = 0;
  bool crowded_ = false;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_DOORBELL_BINDINGS_H_
