// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_C_OPTIONS_H_
#define IVSHMEM_FUZZ_C_OPTIONS_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/c_structs.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {

// Any options of the C interface; most fields are right most of the time.

// `allowed` is what they point to.
inline ivshmem_limits AnyLimits(FuzzedDataProvider& input,
                                std::vector<ivshmem_allowed_rings>& allowed) {
  allowed.resize(2);
  allowed[0].peer = -1;
  allowed[1].peer = static_cast<int32_t>(Around(input, 4));
  allowed[1].vector = static_cast<int32_t>(Around(input, 3)) - 1;
  ivshmem_limits limits = {};
  limits.rings_per_second = Around(input, 1000000);
  limits.rings_burst = Around(input, 3);
  limits.interrupts_per_second = Around(input, 1000000);
  limits.interrupts_burst = Around(input, 3);
  limits.may_ring = input.ConsumeBool() ? allowed.data() : nullptr;
  limits.may_ring_count =
      Mostly<size_t>(input, limits.may_ring == nullptr ? 0 : allowed.size(),
                     {0, 1, 65537, ~size_t{0}});
  return limits;
}

// What both kinds of devices have.
template <typename Options>
Options CommonOptions(FuzzedDataProvider& input) {
  Options options = {};
  options.flags =
      Mostly<uint32_t>(input, input.ConsumeIntegralInRange<uint32_t>(0, 3),
                       {0x100, 0x300, 0x400, 0x7800, 0xffffffff});
  options.vectors = Around(input, 4);
  const bool has_id = (options.flags & IVSHMEM_DEVICE_HAS_ID) != 0;
  options.id = Around(input, has_id ? 4 : 0);
  options.reserved = Mostly<uint32_t>(input, 0, {1});
  return options;
}

inline ivshmem_pci_options AnyPciOptions(FuzzedDataProvider& input) {
  auto options = CommonOptions<ivshmem_pci_options>(input);
  options.dialect = Around(input, 3);
  options.interrupts = Mostly<uint32_t>(input, 0, {1, 2, 3});
  if ((options.flags & IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID) != 0) {
    options.subsystem_vendor_id = Around(input, 7);
  }
  return options;
}

inline ivshmem_flat_options AnyFlatOptions(FuzzedDataProvider& input) {
  auto options = CommonOptions<ivshmem_flat_options>(input);
  options.registers_address =
      Mostly<uint64_t>(input, 0x1000, {0, 1, ~0ull, ~0ull - 15});
  options.memory_address =
      Mostly<uint64_t>(input, 0x100000, {0, 0x1000, 2, ~0ull - 4095});
  return options;
}

inline ivshmem_link_options AnyLinkOptions(FuzzedDataProvider& input,
                                           const char* path) {
  ivshmem_link_options options = {};
  options.socket_path =
      Mostly<const char*>(input, path, {nullptr, "", "/none"});
  options.memory_size = Mostly<uint64_t>(input, 0, {4096, 1, ~0ull});
  options.flags = Mostly<uint32_t>(
      input, input.ConsumeIntegralInRange<uint32_t>(0, 3), {4, ~0u});
  options.vectors = Around(input, 3);
  options.greeting_deadline_ms = Mostly<uint32_t>(input, 0, {~0u});
  options.retry_first_ms = Mostly<uint32_t>(input, 0, {1, ~0u});
  options.retry_most_ms = Mostly<uint32_t>(input, 0, {1, ~0u});
  options.absent_peers_ms = Mostly<uint32_t>(input, 0, {1, ~0u});
  options.max_descriptors = Mostly<uint32_t>(input, 0, {1, 5, ~0u});
  options.reserved = Mostly<uint32_t>(input, 0, {1});
  options.identity = Mostly<const char*>(
      input, nullptr, {"", "0123456789abcdef0123456789abcdef", "x"});
  return options;
}

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_C_OPTIONS_H_
