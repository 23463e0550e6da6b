// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_FACTS_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_FACTS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "proto/config.pb.h"

namespace ivshmem::conformance {

// Which device it is. The specification (ivshmem-spec.txt) describes the first
// two; the others are existing devices that differ from it.
enum class Kind { kRevision1, kRevision0, kQemu, kAcrn, kFlat };

// How it interrupts its guest. kNone: it is not configured for interrupts.
enum class Interrupts { kNone, kMsix, kIntx, kPulse };

// What a device is for as long as it exists.
struct Facts {
  Kind kind = Kind::kRevision1;
  Interrupts interrupts = Interrupts::kNone;
  uint32_t vectors = 0;  // How many its peers can interrupt.
  uint64_t memory_size = 0;
  bool read_only = false;
  std::optional<uint32_t> id;  // That it asks for.

  // PCI.
  uint16_t subsystem_vendor_id = 0;
  uint16_t subsystem_id = 0;
  bool multi_function = false;
  std::array<std::optional<uint64_t>, 3> firmware_bars;

  // Flat.
  uint64_t registers_address = 0;
  uint64_t memory_address = 0;

  bool pci() const { return kind != Kind::kFlat; }
};

// Of `device`, which is one of `world`'s.
Facts FactsOf(const config::World& world, const config::Device& device);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_FACTS_H_
