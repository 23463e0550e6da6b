// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <cstdint>
#include <variant>

#include "capi/device.h"
#include "core/interrupt_sink.h"
#include "core/peer_table.h"

using ivshmem::InterruptResult;
using ivshmem::RingResult;

namespace {

// Of memory that is read-only.
struct RefusedWrites {};

struct Counter {
  const char* name;
  std::variant<RingResult, InterruptResult, RefusedWrites> of;
};

uint64_t Count(const ivshmem_device& device, RingResult of) {
  return device.core().count(of);
}
uint64_t Count(const ivshmem_device& device, InterruptResult of) {
  return device.core().count(of);
}
uint64_t Count(const ivshmem_device& device, RefusedWrites /*of*/) {
  return device.pci != nullptr ? device.pci->refused_memory_writes()
                               : device.flat->refused_memory_writes();
}

// By the IVSHMEM_COUNT_..., to whose end new ones are added.
constexpr std::array<Counter, 15> kCounters = {{
    {"rings_delivered", RingResult::kDelivered},
    {"rings_carrier_full", RingResult::kCarrierFull},
    {"rings_carrier_failed", RingResult::kCarrierFailed},
    {"rings_no_such_peer", RingResult::kNoSuchPeer},
    {"rings_no_such_vector", RingResult::kNoSuchVector},
    {"rings_not_configured", RingResult::kNotConfigured},
    {"interrupts_delivered", InterruptResult::kDelivered},
    {"interrupts_held", InterruptResult::kHeld},
    {"interrupts_disabled", InterruptResult::kDisabled},
    {"interrupts_no_such_vector", InterruptResult::kNoSuchVector},
    {"interrupts_not_configured", InterruptResult::kNotConfigured},
    {"rings_not_allowed", RingResult::kNotAllowed},
    {"rings_over_rate", RingResult::kOverRate},
    {"interrupts_deferred", InterruptResult::kDeferred},
    {"memory_writes_refused", RefusedWrites{}},
}};

}  // namespace

uint64_t ivshmem_device_count(const ivshmem_device* device, uint32_t counter) {
  if (device == nullptr || counter >= kCounters.size()) return 0;
  return std::visit([&](auto of) { return Count(*device, of); },
                    kCounters[counter].of);
}

const char* ivshmem_counter_name(uint32_t counter) {
  return counter < kCounters.size() ? kCounters[counter].name : nullptr;
}
