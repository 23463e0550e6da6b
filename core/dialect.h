// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_DIALECT_H_
#define IVSHMEM_CORE_DIALECT_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "core/doorbell.h"

namespace ivshmem {

// How a device interrupts its guest.
enum class InterruptMode : uint8_t {
  kNone,  // Not configured for interrupts: memory only.
  kMsix,
  kIntx,  // Revision 0: the level is Status & Mask.
  kLine,  // The flat device's one line, pulsed.
};

// What is behind the Mask or the Status register.
enum class Storage : uint8_t {
  kNone,           // Reads 0, writes are ignored.
  kPlain,          // Reads what was written.
  kClearedByRead,  // Reads what was written or raised, and is 0 afterwards.
};

// What accesses of other sizes and alignments than 4 bytes, aligned, do. The
// specification leaves them undefined. None of these rules lets an access
// touch anything but the register it hits.
enum class AccessRule : uint8_t {
  // They read 0 and write nothing (ACRN, QEMU's flat device).
  kDword,
  // As kDword, but an aligned access of 8 bytes is two of 4, low one first, as
  // a bus that is 32 bits wide makes it.
  kDwordOrPair,
  // QEMU's PCI device: the access falls into naturally aligned pieces of at
  // most 4 bytes. A piece at a register's start reads that register's low
  // bytes, with the side effect; elsewhere it reads 0. A written piece replaces
  // the whole register it hits, zero-extended and unshifted: writing byte 1 at
  // 0xf rings vector 1 of peer 0.
  kQemuPieces,
};

// Where the references disagree: one value of this drives one implementation.
struct Dialect {
  absl::string_view name;  // As in config.proto.
  uint32_t block_size;     // Bytes. Past the registers all reads 0.
  AccessRule access;
  Storage mask;
  Storage status;
  // IVPosition while the device has no id yet.
  uint32_t position_before_setup;
  // Whether IVPosition gives the id even when not configured for interrupts.
  bool position_without_interrupts;
  int max_vectors;
  int default_vectors;
  uint8_t pci_revision;
};

// The specification's device as it is today (revision 1).
inline constexpr Dialect kRevision1 = {
    .name = "rev1",
    .block_size = 256,
    .access = AccessRule::kDwordOrPair,
    .mask = Storage::kPlain,
    .status = Storage::kClearedByRead,
    .position_before_setup = 0,
    .position_without_interrupts = false,
    .max_vectors = kMaxVectors,
    .default_vectors = 1,
    .pci_revision = 1,
};

// The specification's device before QEMU 2.6: INTx gated by Mask and Status, or
// MSI-X, where the two gate nothing.
inline constexpr Dialect kRevision0 = {
    .name = "rev0",
    .block_size = 256,
    .access = AccessRule::kDwordOrPair,
    .mask = Storage::kPlain,
    .status = Storage::kClearedByRead,
    .position_before_setup = 0xffffffff,
    .position_without_interrupts = false,
    .max_vectors = kMaxVectors,
    .default_vectors = 1,
    .pci_revision = 0,
};

// QEMU's PCI device, down to what it does with bytes and words. Its doorbell
// looks at 8 bits of the vector; that is a fault and not copied.
inline constexpr Dialect kQemu = {
    .name = "qemu",
    .block_size = 256,
    .access = AccessRule::kQemuPieces,
    .mask = Storage::kPlain,
    .status = Storage::kClearedByRead,
    .position_before_setup = 0,
    .position_without_interrupts = false,
    .max_vectors = kMaxVectors,
    .default_vectors = 1,
    .pci_revision = 1,
};

// QEMU's ivshmem-flat, for machines without PCI.
inline constexpr Dialect kQemuFlat = {
    .name = "qemu-flat",
    .block_size = 16,
    .access = AccessRule::kDword,
    .mask = Storage::kNone,
    .status = Storage::kNone,
    .position_before_setup = 0,
    .position_without_interrupts = true,
    .max_vectors = 64,
    .default_vectors = 2,
    .pci_revision = 1,
};

// ACRN's device in the hypervisor.
inline constexpr Dialect kAcrn = {
    .name = "acrn",
    .block_size = 256,
    .access = AccessRule::kDword,
    .mask = Storage::kPlain,
    .status = Storage::kPlain,
    .position_before_setup = 0,
    .position_without_interrupts = true,
    .max_vectors = kMaxVectors,
    .default_vectors = 8,
    .pci_revision = 1,
};

inline constexpr std::array<const Dialect*, 5> kDialects = {
    &kRevision1, &kRevision0, &kQemu, &kQemuFlat, &kAcrn};

// The dialect of that name; nullopt when there is none.
constexpr std::optional<Dialect> FindDialect(absl::string_view name) {
  for (const Dialect* dialect : kDialects) {
    if (dialect->name == name) return *dialect;
  }
  return std::nullopt;
}

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_DIALECT_H_
