// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_STORM_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_STORM_H_

#include <linux/acrn.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>

namespace ivshmem::acrn_simulation {

// Requests as no hypervisor should make them, among such as it makes. The same
// for the same seed.
class Storm {
 public:
  // `addresses`: 8 of them, around which most accesses are.
  Storm(uint64_t seed, const uint8_t* addresses) : random_(seed) {
    std::memcpy(addresses_.data(), addresses, sizeof(addresses_));
  }

  acrn_io_request Next() {
    acrn_io_request request = {};
    for (__u64& word : request.reqs.data) word = random_();
    constexpr uint32_t kTypes[] = {0, 1, 1, 1, 2, 2, 3, 4, 0x80000001, ~0u};
    request.type = Any(kTypes);
    acrn_mmio_request& access = request.reqs.mmio_request;
    constexpr uint32_t kDirections[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, ~0u};
    access.direction = Any(kDirections);
    constexpr uint64_t kSizes[] = {1, 2, 4, 4, 4, 4,   8,          8,
                                   0, 3, 5, 7, 9, 256, 1ull << 32, ~0ull};
    access.size = Any(kSizes);
    access.address = addresses_[random_() % addresses_.size()] +
                     random_() % 0x20 - (Often() ? 0 : 0x10);
    if (request.type == ACRN_IOREQ_TYPE_PORTIO && Often()) {
      access.address = 0xcf0 + random_() % 0x18;
    }
    if (request.type == ACRN_IOREQ_TYPE_PCICFG && Often()) {
      acrn_pci_request& config = request.reqs.pci_request;
      config.bus = random_() % 2 == 0 ? 0 : config.bus;
      config.dev = random_() % 8;
      config.func = random_() % 2 == 0 ? 0 : random_() % 16;
      // Past the BARs and the command: what is there stays.
      config.reg = 0x40 + random_() % 0x2000;
    }
    return request;
  }

  bool Polls() { return random_() % 2 == 0; }

 private:
  template <typename T, size_t N>
  T Any(const T (&values)[N]) {
    return values[random_() % N];
  }
  bool Often() { return random_() % 4 != 0; }

  std::mt19937_64 random_;
  std::array<uint64_t, 8> addresses_;
};

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_STORM_H_
