// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_SAME_SCRIPT_H_
#define IVSHMEM_TESTING_IOREQ_SAME_SCRIPT_H_

#include <cstdint>
#include <ostream>
#include <vector>

namespace ivshmem {

// One access of a guest, however it gets out of the guest.
struct GuestAccess {
  enum class Kind : uint8_t {
    kMemory,  // ECAM is memory as well.
    kPorts,
    kConfig,  // Of the device, by the platform's own way: ports or a request.
  };
  Kind kind;
  bool write;
  uint32_t size;
  uint64_t address;
  uint64_t value;
};

std::ostream& operator<<(std::ostream& out, const GuestAccess& access);

constexpr int kScriptDevice = 3;
constexpr uint64_t kScriptEcam = 0xb0000000;
constexpr uint64_t kScriptMemorySize = 1 << 20;
constexpr int kScriptVectors = 2;
constexpr uint16_t kScriptSelf = 1;
constexpr uint16_t kScriptPeer = 2;

// The accesses, always the same for the same seed: a driver's set-up, then
// `count` at random. What the ways out of a guest do differently by design is
// not among them: ports take no 8 bytes, config accesses are aligned (by ECAM
// they need not be), and nothing crosses a page, where a processor splits.
std::vector<GuestAccess> GuestScript(uint64_t seed, int count);

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_IOREQ_SAME_SCRIPT_H_
