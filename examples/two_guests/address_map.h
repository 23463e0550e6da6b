// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_ADDRESS_MAP_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_ADDRESS_MAP_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// Who answers at which address of a machine: the claims on one side, the
// guest's accesses, by their address, on the other. An access that does not lie
// wholly in one claim reads ones and writes nothing.
//
// Threading: one thread. A handler may claim and release. Registrations may
// outlive the map.
class AddressMap : public MmioSpace, public MmioHandler {
 public:
  AddressMap() = default;
  AddressMap(const AddressMap&) = delete;
  AddressMap& operator=(const AddressMap&) = delete;

  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;

  void Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t address,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  struct Range {
    uint64_t last;  // Inclusive, so that the top of the space can be claimed.
    MmioHandler* handler;
  };
  using Ranges = absl::btree_map<uint64_t, Range>;
  class ClaimedRange;

  // The claim that [address, address + size) lies in, or end().
  Ranges::const_iterator Find(uint64_t address, uint64_t size) const;

  const std::shared_ptr<Ranges> ranges_ = std::make_shared<Ranges>();
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_ADDRESS_MAP_H_
