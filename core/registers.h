// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_REGISTERS_H_
#define IVSHMEM_CORE_REGISTERS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/dialect.h"

namespace ivshmem {

// The register block as pure functions: a state and an access give a value, a
// new state and what is to happen outside. Nothing is stored or locked here, so
// that a device keeps its state in one atomic word and tests run at compile
// time.

// Offsets in the block (specification, "PCI device registers").
inline constexpr uint64_t kMaskOffset = 0x0;
inline constexpr uint64_t kStatusOffset = 0x4;
inline constexpr uint64_t kPositionOffset = 0x8;
inline constexpr uint64_t kDoorbellOffset = 0xc;

// What the registers remember. Aligned so that every compiler keeps it in one
// atomic word.
struct alignas(8) RegisterState {
  uint32_t mask = 0;
  uint32_t status = 0;

  // Whether revision 0 asserts INTx.
  constexpr bool level() const { return (mask & status) != 0; }

  friend constexpr bool operator==(const RegisterState&,
                                   const RegisterState&) = default;
};

// What an access leads to.
struct AccessResult {
  // No access rings more often: of QEMU's pieces of an access that starts
  // inside the doorbell, two at most hit it.
  static constexpr int kMaxRings = 2;

  RegisterState state;
  uint64_t value = 0;                            // Of a read.
  int rings = 0;                                 // Of a write.
  std::array<uint32_t, kMaxRings> written = {};  // To the doorbell, in order.
};

namespace registers_internal {

constexpr uint32_t Load(Storage storage, uint32_t& stored) {
  const uint32_t value = storage == Storage::kNone ? 0 : stored;
  if (storage == Storage::kClearedByRead) stored = 0;
  return value;
}

constexpr void Store(Storage storage, uint32_t value, uint32_t& stored) {
  if (storage != Storage::kNone) stored = value;
}

// One register. The doorbell is write-only; what follows it is reserved.
constexpr uint32_t ReadRegister(const Dialect& dialect, uint32_t position,
                                uint64_t offset, RegisterState& state) {
  switch (offset) {
    case kMaskOffset:
      return Load(dialect.mask, state.mask);
    case kStatusOffset:
      return Load(dialect.status, state.status);
    case kPositionOffset:
      return position;
    default:
      return 0;
  }
}

constexpr void WriteRegister(const Dialect& dialect, uint64_t offset,
                             uint32_t value, AccessResult& result) {
  switch (offset) {
    case kMaskOffset:
      Store(dialect.mask, value, result.state.mask);
      break;
    case kStatusOffset:
      Store(dialect.status, value, result.state.status);
      break;
    case kDoorbellOffset:
      result.written[result.rings++] = value;
      break;
    default:
      break;
  }
}

constexpr bool IsSize(int size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

// The length of the piece of an access that starts at `offset` with `left`
// bytes to go: naturally aligned, 4 bytes at most.
constexpr int PieceSize(uint64_t offset, int left) {
  const int aligned =
      offset == 0 ? 4 : 1 << std::min(std::countr_zero(offset), 2);
  return std::min(
      aligned, static_cast<int>(std::bit_floor(static_cast<uint32_t>(left))));
}

// How many whole dwords an access is under the two simpler rules; 0 when it
// does nothing.
constexpr int Dwords(AccessRule rule, uint64_t offset, int size) {
  // Sizes are powers of two, and a division takes as long as all the rest.
  if ((offset & (static_cast<uint64_t>(size) - 1)) != 0) return 0;
  if (size == 4) return 1;
  return size == 8 && rule == AccessRule::kDwordOrPair ? 2 : 0;
}

// Whether all of the access lies in the block.
constexpr bool InBlock(const Dialect& dialect, uint64_t offset, int size) {
  return IsSize(size) && offset < dialect.block_size &&
         static_cast<uint64_t>(size) <= dialect.block_size - offset;
}

}  // namespace registers_internal

// A read of `size` bytes at `offset`; `position` is what IVPosition gives.
// Total: every size, alignment and offset has a result, which is 0 and no
// change where neither specification nor dialect gives another.
constexpr AccessResult ReadRegisters(const Dialect& dialect,
                                     RegisterState state, uint32_t position,
                                     uint64_t offset, int size) {
  using namespace registers_internal;  // NOLINT
  AccessResult result{.state = state};
  if (!InBlock(dialect, offset, size)) return result;
  if (dialect.access == AccessRule::kQemuPieces) {
    for (int done = 0; done < size;) {
      const int piece = PieceSize(offset + done, size - done);
      const uint64_t all =
          ReadRegister(dialect, position, offset + done, result.state);
      result.value |= (all & ((uint64_t{1} << 8 * piece) - 1)) << 8 * done;
      done += piece;
    }
    return result;
  }
  for (int i = 0; i < Dwords(dialect.access, offset, size); ++i) {
    const uint64_t dword =
        ReadRegister(dialect, position, offset + 4 * i, result.state);
    result.value |= dword << 32 * i;
  }
  return result;
}

// A write of the low `size` bytes of `value` at `offset`. Total, as
// ReadRegisters().
constexpr AccessResult WriteRegisters(const Dialect& dialect,
                                      RegisterState state, uint64_t offset,
                                      int size, uint64_t value) {
  using namespace registers_internal;  // NOLINT
  AccessResult result{.state = state};
  if (!InBlock(dialect, offset, size)) return result;
  if (dialect.access == AccessRule::kQemuPieces) {
    for (int done = 0; done < size;) {
      const int piece = PieceSize(offset + done, size - done);
      const uint64_t bytes =
          (value >> 8 * done) & ((uint64_t{1} << 8 * piece) - 1);
      WriteRegister(dialect, (offset + done) & ~uint64_t{3},
                    static_cast<uint32_t>(bytes), result);
      done += piece;
    }
    return result;
  }
  for (int i = 0; i < Dwords(dialect.access, offset, size); ++i) {
    WriteRegister(dialect, offset + 4 * i,
                  static_cast<uint32_t>(value >> 32 * i), result);
  }
  return result;
}

// Whether a write is what drivers write all day: the whole doorbell, which in
// every dialect rings once and changes no state.
constexpr bool IsDoorbell(uint64_t offset, int size) {
  return offset == kDoorbellOffset && size == 4;
}

// Whether a read is what drivers read most: the whole of IVPosition, which in
// every dialect gives the position and changes no state.
constexpr bool IsPosition(uint64_t offset, int size) {
  return offset == kPositionOffset && size == 4;
}

// A peer's interrupt reaches a device whose interrupt is a level.
constexpr RegisterState RaiseStatus(RegisterState state) {
  state.status |= 1;
  return state;
}

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_REGISTERS_H_
