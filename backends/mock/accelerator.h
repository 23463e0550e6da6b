// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_ACCELERATOR_H_
#define IVSHMEM_BACKENDS_MOCK_ACCELERATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/doorbell_accelerator.h"
#include "backends/mock/events.h"
#include "backends/mock/faults.h"
#include "backends/mock/log.h"

namespace ivshmem::mock {

// Ioeventfds in memory. AddressSpace shows it each access before any claim.
//
// Threading: any thread. Events are signalled outside locks.
class Accelerator final : public DoorbellAccelerator {
 public:
  struct Options {
    MissPolicy miss_policy = MissPolicy::kFallsThrough;
    size_t capacity = kUnlimited;  // Bindings at once.
    // Both optional.
    Log* log = nullptr;
    Faults* faults = nullptr;
  };

  // Everything outlives the object, but not its registrations.
  Accelerator(Events* events, const Options& options);
  ~Accelerator() override;

  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;

  // Errors: what is injected; NotFound for a handle that names no event,
  // AlreadyExists when the value is bound at this address, ResourceExhausted
  // when there are `capacity` bindings.
  absl::StatusOr<RegistrationPtr> Bind(uint64_t address, uint32_t value,
                                       EventHandle event) override;

  MissPolicy miss_policy() const override { return options_.miss_policy; }

  // Bindings in force.
  size_t size() const;

  // The guest's access. True when it ends here: a write of 4 bytes that matches
  // a binding, which signals its event; and where misses are swallowed, any
  // other access that lies inside the 4 bytes of a bound address: a read gives
  // zeros, a write is lost (ACRN's HSM).
  bool Access(uint64_t address, absl::Span<uint8_t> bytes);
  bool Access(uint64_t address, absl::Span<const uint8_t> bytes);

 private:
  struct State;

  bool Swallows(uint64_t address, size_t size) const;

  Events* const events_;
  const Options options_;
  const std::shared_ptr<State> state_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_ACCELERATOR_H_
