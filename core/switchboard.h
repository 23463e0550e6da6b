// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_SWITCHBOARD_H_
#define IVSHMEM_CORE_SWITCHBOARD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "core/device.h"
#include "core/revocable.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Joins the devices of one process without a server, as ACRN's hypervisor does:
// those that are bound to the same named region share its memory and ring each
// other.
//
// Threading: everything from any thread at once, also from what a device calls.
// Rings take no lock of the switchboard's.
class Switchboard {
 public:
  class Port;

  Switchboard();
  // All ports are gone by then.
  ~Switchboard();
  Switchboard(const Switchboard&) = delete;
  Switchboard& operator=(const Switchboard&) = delete;

  // Makes `memory` known under `name`; who made it keeps it mapped. Errors:
  // AlreadyExists, or InvalidArgument for an empty name or memory.
  absl::Status AddRegion(absl::string_view name, const SharedMemory& memory)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Errors: NotFound, with the names that there are.
  absl::StatusOr<SharedMemory> FindRegion(absl::string_view name) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Connects `device` with all devices of the region, both ways, and with
  // itself, and gives it an id: `id` if given, else the lowest free one. The
  // device outlives the port. Errors: NotFound for the region, InvalidArgument
  // when its size is not `size`, AlreadyExists for an id in use,
  // ResourceExhausted when there is no id left; the device is as it was then.
  absl::StatusOr<std::unique_ptr<Port>> Bind(absl::string_view region,
                                             uint64_t size, Device& device,
                                             std::optional<PeerId> id = {})
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Region;
  struct Bound;
  class Inlet;

  mutable absl::Mutex mutex_;
  absl::btree_map<std::string, std::unique_ptr<Region>> regions_
      ABSL_GUARDED_BY(mutex_);
};

// A device's place on the switchboard. The destructor unbinds: the others lose
// the peer, the device its peers and its id, and nobody's ring reaches the
// device any more when it returns. It waits for rings into the device that
// other threads have under way; it may itself be called from inside one.
class Switchboard::Port {
 public:
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  PeerId id() const { return id_; }
  const SharedMemory& memory() const { return memory_; }

 private:
  friend class Switchboard;

  Port(Switchboard& switchboard, Region& region, const SharedMemory& memory,
       PeerId id, Device& device, std::shared_ptr<Revocable<Device>> receiver)
      : switchboard_(switchboard),
        region_(region),
        memory_(memory),
        id_(id),
        device_(device),
        receiver_(std::move(receiver)) {}

  Switchboard& switchboard_;
  Region& region_;
  const SharedMemory memory_;
  const PeerId id_;
  Device& device_;
  const std::shared_ptr<Revocable<Device>> receiver_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_SWITCHBOARD_H_
