// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_
#define IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "backends/address_map.h"
#include "backends/ioreq/guest_memory.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/mmio_space.h"

namespace ivshmem::ioreq {

// Finds who answers a request. Devices claim their ranges in space(); what they
// claim is claimed at the hypervisor too, where that is needed.
//
// Threading: everything from any thread at once. Answer() takes no lock. A
// handler may claim and release. Registrations may outlive the object, but not
// `claims`.
class Dispatcher {
 public:
  // How many requests nobody answered, or not to their end, by reason. A string
  // instruction counts once, by what failed first.
  struct Counts {
    uint64_t unclaimed = 0;  // Nothing is there (any more).
    uint64_t spanning = 0;   // No one claim holds all bytes, some hold some.
    uint64_t malformed = 0;  // No such type, direction, size, address, count.
  };

  // More items than this a string instruction does not have: a hypervisor
  // splits at a page.
  static constexpr uint32_t kMaxCount = 4096;

  // `claims` may be null, and `memory` too: then string instructions whose
  // operands are in memory are malformed. Both outlive this.
  Dispatcher(RangeClaims* claims, GuestMemory* memory);
  ~Dispatcher();

  // Where the devices of a space claim their ranges (PciDevice::Host::mmio). A
  // request that comes once the hypervisor knows a range finds its handler
  // there; after a release the hypervisor stops first. In config space whole
  // functions are claimed. Errors of a claim, which leave nothing claimed:
  // InvalidArgument for what is no range of that space, AlreadyExists for an
  // overlap, and the hypervisor's.
  MmioSpace& space(Space space);

  // Carries the access out and returns what a read reads, masked to its size:
  // all ones where nobody answers; what nobody answers writes nothing. Returns
  // `request.value` for a write, and where it is an address.
  //
  // Malformed is a size other than 1, 2, 4 and, in memory, 8; an access that
  // reaches past the end of its space (64 KiB of ports, 256 MiB of config
  // space) or, with its other items, past an end of memory; no items or more
  // than kMaxCount. None of these does anything. A string instruction ends
  // where an operand cannot be read or written.
  uint64_t Answer(const Request& request) noexcept;

  Counts counts() const;

  // Waits for the accesses that are under way; see AddressMap.
  void Synchronize();

 private:
  class ClaimedSpace;

  enum class Reason : uint8_t { kUnclaimed, kSpanning, kMalformed, kCount };
  using Failure = std::optional<Reason>;

  Failure Access(const Request& request, uint64_t address, uint64_t& value);
  Failure AnswerString(const Request& request, uint64_t& value);
  Failure MoveItem(const Request& request, uint64_t address, uint64_t operand);

  GuestMemory* const memory_;
  // By Space.
  std::array<std::unique_ptr<ClaimedSpace>, 3> spaces_;
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Reason::kCount)>
      failures_ = {};
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_
