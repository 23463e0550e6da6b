// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_DOORBELL_H_
#define IVSHMEM_CORE_DOORBELL_H_

#include <compare>
#include <cstdint>

namespace ivshmem {

// The number by which the doorbell and the server name a device: 0..65535.
using PeerId = uint16_t;

// An interrupt vector of a device, from 0.
using Vector = uint16_t;

// MSI-X has room for this many vectors in one function.
inline constexpr int kMaxVectors = 2048;

// How many peers the doorbell's 16 bits can name.
inline constexpr int kMaxPeers = 65536;

// What a guest writes to the Doorbell register (specification, "PCI device
// registers"): the peer in bits 31:16, the vector in bits 15:0. All 16 bits of
// the vector count; QEMU's trapped path looks at 8 of them, so that 0x100 rings
// vector 0 there.
struct Doorbell {
  PeerId peer = 0;
  Vector vector = 0;

  static constexpr Doorbell Decode(uint32_t value) {
    return {static_cast<PeerId>(value >> 16),
            static_cast<Vector>(value & 0xffff)};
  }

  constexpr uint32_t Encode() const {
    return static_cast<uint32_t>(peer) << 16 | vector;
  }

  friend constexpr bool operator==(const Doorbell&, const Doorbell&) = default;
  friend constexpr auto operator<=>(const Doorbell&, const Doorbell&) = default;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_DOORBELL_H_
