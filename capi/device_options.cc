// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/device_options.h"

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/dialect.h"
#include "core/doorbell.h"

namespace ivshmem::capi {
namespace {

constexpr uint32_t kFlatFlags =
    IVSHMEM_DEVICE_HAS_ID | IVSHMEM_DEVICE_READ_ONLY;
constexpr uint32_t kPciFlags =
    kFlatFlags | IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID |
    IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID | IVSHMEM_DEVICE_MULTI_FUNCTION |
    IVSHMEM_DEVICE_HAS_BAR0 | IVSHMEM_DEVICE_HAS_BAR1 | IVSHMEM_DEVICE_HAS_BAR2;
// Of the IVSHMEM_DIALECT_...
constexpr std::array<const Dialect*, 4> kPciDialects = {
    &kRevision1, &kRevision0, &kQemu, &kAcrn};
// Of the IVSHMEM_INTERRUPTS_...
constexpr std::array<InterruptMode, 3> kModes = {
    InterruptMode::kMsix, InterruptMode::kIntx, InterruptMode::kNone};

absl::Status CheckMost(const char* field, uint64_t value, uint64_t most) {
  if (value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected 0..%d, got %d", field, most, value));
}

absl::Status CheckFlags(uint32_t flags, uint32_t known, uint32_t reserved) {
  if ((flags & ~known) != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("flags: expected bits of %#x, got %#x", known, flags));
  }
  return CheckMost("reserved", reserved, 0);
}

// A value that counts only with a flag is zero without: whoever forgets the
// flag hears of it.
absl::Status CheckGiven(bool given, const char* field, const char* flag,
                        uint64_t value, uint64_t most) {
  if (given) return CheckMost(field, value, most);
  if (value == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected 0 without %s, got %d", field, flag, value));
}

absl::Status CheckId(uint32_t flags, uint32_t id) {
  return CheckGiven((flags & IVSHMEM_DEVICE_HAS_ID) != 0, "id",
                    "IVSHMEM_DEVICE_HAS_ID", id, kMaxPeers - 1);
}

std::optional<PeerId> Id(uint32_t flags, uint32_t id) {
  if ((flags & IVSHMEM_DEVICE_HAS_ID) == 0) return std::nullopt;
  return static_cast<PeerId>(id);
}

MemoryAccess Access(uint32_t flags) {
  return (flags & IVSHMEM_DEVICE_READ_ONLY) != 0 ? MemoryAccess::kReadOnly
                                                 : MemoryAccess::kReadWrite;
}

constexpr std::array<uint32_t, 3> kBarFlags = {
    IVSHMEM_DEVICE_HAS_BAR0, IVSHMEM_DEVICE_HAS_BAR1, IVSHMEM_DEVICE_HAS_BAR2};

absl::Status Check(const ivshmem_pci_options& options) {
  const bool has_vendor =
      (options.flags & IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID) != 0;
  const bool has_subsystem =
      (options.flags & IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID) != 0;
  for (const absl::Status& status :
       {CheckFlags(options.flags, kPciFlags, options.reserved),
        CheckMost("dialect", options.dialect, kPciDialects.size() - 1),
        CheckMost("interrupts", options.interrupts, kModes.size() - 1),
        CheckMost("vectors", options.vectors, kMaxVectors),
        CheckId(options.flags, options.id),
        CheckGiven(has_vendor, "subsystem_vendor_id",
                   "IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID",
                   options.subsystem_vendor_id, 0xffff),
        CheckGiven(has_subsystem, "subsystem_id",
                   "IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID", options.subsystem_id,
                   0xffff)}) {
    if (!status.ok()) return status;
  }
  for (size_t bar = 0; bar < kBarFlags.size(); ++bar) {
    absl::Status status =
        CheckGiven((options.flags & kBarFlags[bar]) != 0,
                   absl::StrFormat("bar_addresses[%d]", bar).c_str(),
                   absl::StrFormat("IVSHMEM_DEVICE_HAS_BAR%d", bar).c_str(),
                   options.bar_addresses[bar], ~uint64_t{0});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PciDevice::Config> ToConfig(const ivshmem_pci_options& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  PciDevice::Config config = {
      .dialect = *kPciDialects[options.dialect],
      .interrupts = kModes[options.interrupts],
      .vectors = static_cast<int>(options.vectors),
      .id = Id(options.flags, options.id),
      .multi_function = (options.flags & IVSHMEM_DEVICE_MULTI_FUNCTION) != 0,
      .access = Access(options.flags)};
  if ((options.flags & IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID) != 0) {
    config.subsystem_vendor_id =
        static_cast<uint16_t>(options.subsystem_vendor_id);
  }
  if ((options.flags & IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID) != 0) {
    config.subsystem_id = static_cast<uint16_t>(options.subsystem_id);
  }
  for (size_t bar = 0; bar < kBarFlags.size(); ++bar) {
    if ((options.flags & kBarFlags[bar]) == 0) continue;
    config.bar_addresses[bar] = options.bar_addresses[bar];
  }
  return config;
}

absl::StatusOr<FlatDevice::Config> ToConfig(
    const ivshmem_flat_options& options) {
  for (const absl::Status& status :
       {CheckFlags(options.flags, kFlatFlags, options.reserved),
        CheckMost("vectors", options.vectors, kQemuFlat.max_vectors),
        CheckId(options.flags, options.id)}) {
    if (!status.ok()) return status;
  }
  return FlatDevice::Config{
      .registers_address = options.registers_address,
      .memory_address = options.memory_address,
      .block = {.vectors = static_cast<int>(options.vectors),
                .id = Id(options.flags, options.id),
                .access = Access(options.flags)}};
}

}  // namespace ivshmem::capi
