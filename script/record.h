// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_RECORD_H_
#define IVSHMEM_SCRIPT_RECORD_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/kinds.h"

namespace ivshmem::script {

// A Step as 8 bytes, any 8 bytes:
//
//   0     form: what is done and what it is aimed at
//   1     bit 7: device, bit 6: write, bits 5:4: how `value` is meant,
//         bits 3:0: size
//   2..3  where, little-endian: an offset, an id
//   4..7  value, little-endian
//
// One form of each kind of Step can say all that this kind has here. The others
// are those with a higher chance to hit: the doorbell with an id that exists,
// an entry of the MSI-X table, the command register.
using Record = std::array<uint8_t, 8>;

// Every Record is a Step of `world`, one that names what exists: config space
// only of a PCI device, ids and sizes in their ranges, shared memory inside the
// region. Whether it can be done at its moment is the Subject's to say.
Step ToStep(const Record& record, const config::World& world);

// A Record that is this Step. A Step that ToStep() does not give becomes one
// that is like it; nullopt for one without an operation, or of a device that
// the world does not have.
std::optional<Record> ToRecord(const Step& step, const config::World& world);

// The forms, values of byte 0, that give Steps of that kind, and what else byte
// 1 needs for it. Bytes 2 to 7 and the other bits are free.
absl::Span<const uint8_t> FormsOf(Kind kind);
inline constexpr uint8_t kWriteBit = 0x40;

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_RECORD_H_
