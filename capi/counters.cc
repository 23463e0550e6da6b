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

struct Counter {
  const char* name;
  std::variant<RingResult, InterruptResult> of;
};

// By the IVSHMEM_COUNT_..., to whose end new ones are added.
constexpr std::array<Counter, 14> kCounters = {{
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
}};

}  // namespace

uint64_t ivshmem_device_count(const ivshmem_device* device, uint32_t counter) {
  if (device == nullptr || counter >= kCounters.size()) return 0;
  return std::visit([&](auto of) { return device->core().count(of); },
                    kCounters[counter].of);
}

const char* ivshmem_counter_name(uint32_t counter) {
  return counter < kCounters.size() ? kCounters[counter].name : nullptr;
}
