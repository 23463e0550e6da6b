// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_BAR_PLACEMENT_H_
#define IVSHMEM_DEVICE_BAR_PLACEMENT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/pci/function.h"
#include "core/events.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Shows a function's BARs to the guest where the guest put them: one as mapped
// memory, the others as trapped ranges.
//
// Threading: none of its own; one call at a time.
class BarPlacement {
 public:
  struct Dependencies {
    MmioSpace* mmio = nullptr;  // Absent: the embedder dispatches by itself.
    // Absent: the memory BAR traps as the others do.
    MemoryMapper* mapper = nullptr;
    DeviceEvents* events = nullptr;
  };

  // `memory` is behind BAR `memory_bar`. `function` outlives the object.
  BarPlacement(pci::Function& function, int memory_bar,
               const SharedMemory& memory, MemoryAccess access,
               const Dependencies& dependencies)
      : function_(function),
        memory_bar_(memory_bar),
        memory_(memory),
        access_(access),
        dependencies_(dependencies) {}

  // Brings what the guest sees to where the BARs are now. All that is to go
  // goes first, so that BARs may change places. A BAR that cannot be shown is
  // left out, with an event, until it moves or its decode is toggled.
  void Apply();

  // For a restored function: BAR `bar` was refused where it is now. Before the
  // first Apply(). False, and nothing happens, if it has no place.
  bool Hide(int bar);

  // Whether BAR `bar` was refused at `address`, where it was put last. Any
  // thread.
  bool Refused(int bar, std::optional<uint64_t> address) const {
    return address == placed_[bar].refused.load();
  }

  // Where the guest really sees BAR `bar`: where it is now, and shown. Any
  // thread.
  std::optional<uint64_t> Shown(int bar) const;

 private:
  // No BAR is there: its address would not be a multiple of its size.
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  struct Placed {
    std::optional<uint64_t> address;
    RegistrationPtr registration;
    std::atomic<uint64_t> shown{kNowhere};
    std::atomic<uint64_t> refused{kNowhere};
  };

  absl::StatusOr<RegistrationPtr> Place(int bar, uint64_t address);

  pci::Function& function_;
  const int memory_bar_;
  const SharedMemory memory_;
  const MemoryAccess access_;
  const Dependencies dependencies_;
  std::array<Placed, pci::kBars> placed_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_BAR_PLACEMENT_H_
