// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_ADDRESS_MAP_H_
#define IVSHMEM_BACKENDS_ADDRESS_MAP_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem {

// Who answers at which address of a machine: the claims on one side, the
// guest's accesses, by their address, on the other. For a VMM that has no such
// map of its own: of memory, of I/O ports, of a PCI bus's config spaces (an
// ECAM window, where each function has 4 KiB).
//
// An access that does not lie wholly in one claim reads ones and writes
// nothing.
//
// Threading: everything from any thread at once. Accesses take no lock; a
// handler may claim and release, its own claim too. Registrations may outlive
// the map.
class AddressMap : public MmioSpace, public MmioHandler {
 public:
  AddressMap();
  ~AddressMap() override;
  AddressMap(const AddressMap&) = delete;
  AddressMap& operator=(const AddressMap&) = delete;

  // Errors: InvalidArgument for no bytes or a range past the last address,
  // AlreadyExists for one that overlaps another claim.
  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;

  // How much of an access is claimed.
  enum class Coverage : uint8_t {
    kWhole,  // All of it, by one claim.
    kPart,   // Some of it, or all of it by several.
    kNone,
  };

  // As Read() and Write(), for who wants to know: what is not wholly claimed
  // leaves `bytes` as they are.
  Coverage TryRead(uint64_t address, absl::Span<uint8_t> bytes) noexcept;
  Coverage TryWrite(uint64_t address, absl::Span<const uint8_t> bytes) noexcept;

  // Waits for the accesses that are under way. A handler whose claim was
  // released before is not called after this any more, so that it may be
  // destroyed while guests run. Not from inside an access: two that wait for
  // each other would do so for ever.
  void Synchronize();

  void Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t address,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  class Claims;
  class ClaimedRange;

  const std::shared_ptr<Claims> claims_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_ADDRESS_MAP_H_
