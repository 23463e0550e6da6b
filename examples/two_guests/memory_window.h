// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_MEMORY_WINDOW_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_MEMORY_WINDOW_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/memory_mapper.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "core/shared_memory.h"
#include "examples/two_guests/unicorn_engine.h"

namespace ivshmem::two_guests {

// A stretch of a machine's addresses where devices live: what is mapped in it
// is memory to the guest, the rest is trapped.
//
// Map() and the end of a mapping are in force at once for accesses that are
// trapped. They reach the engine between slices, by Settle(), so they end the
// slice during which they come; what is left of its basic block may still reach
// memory that was unmapped.
//
// Threading: one thread. Registrations may outlive the window.
class MemoryWindow : public MemoryMapper, private MmioHandler {
 public:
  // Accesses that hit no memory go to `trapped`, by their address. Both
  // references outlive the window.
  MemoryWindow(UnicornEngine& engine, uint64_t base, uint64_t size,
               MmioHandler& trapped);

  // Errors: InvalidArgument, for what is not of whole pages or not inside the
  // window; AlreadyExists, when it overlaps another mapping.
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;

  // Brings the engine to what is wanted. Not inside a slice.
  absl::Status Settle();

 private:
  struct Mapping {
    SharedMemory memory;
    MemoryAccess access;
  };
  struct Wanted {
    UnicornEngine* engine;
    std::map<uint64_t, Mapping> mappings;  // By address.
    bool changed = true;
  };
  class Mapped;

  absl::Status MapTrapped(uint64_t begin, uint64_t end);
  // The mapping that [address, address + size) lies in, or null.
  const std::pair<const uint64_t, Mapping>* Find(uint64_t address,
                                                 uint64_t size) const;

  // MmioHandler, by address.
  void Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t address,
             absl::Span<const uint8_t> bytes) noexcept override;

  UnicornEngine& engine_;
  const uint64_t base_;
  const uint64_t end_;
  MmioHandler& trapped_;
  const std::shared_ptr<Wanted> wanted_;
  // What the engine has: begin and size.
  std::vector<std::pair<uint64_t, uint64_t>> pieces_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_MEMORY_WINDOW_H_
