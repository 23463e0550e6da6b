// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_AIM_H_
#define IVSHMEM_SCRIPT_AIM_H_

#include <cstdint>

#include "proto/script.pb.h"
#include "script/worlds.h"

// What the fields of a Record (record.h) mean, accesses above all. For
// record.cc.
namespace ivshmem::script {

// New ones come last: saved bytes name them.
enum class Form : uint8_t {
  // Accesses.
  kConfig,  // Any byte of config space, and some behind it.
  kCommand,
  kBar,
  kMsixCapability,
  kRegisters,  // Any byte of the block, and some behind it.
  kRegister,   // The four that there are.
  kDoorbell,
  kMsix,  // Any byte of BAR1.
  kMsixEntry,
  kPendingBits,
  kMemory,  // Any byte of the memory, and some behind it.
  kEndOfMemory,
  kAddress,  // 16 places of 4 KiB.
  // The rest.
  kFewPeersJoin,
  kPeerJoins,
  kFewPeersLeave,
  kPeerLeaves,
  kFewVectorsArrive,
  kVectorArrives,
  kFewInterrupts,
  kInterrupt,
  kStore,
  kLoad,
  kSetId,
  kTakeId,
  kReset,
  kSave,
  kRestore,
  kLinkLost,
  kLinkBack,
  kUnplug,
  kPlug,
};
inline constexpr int kForms = static_cast<int>(Form::kPlug) + 1;

// How 32 bits stand for up to 64.
enum class Meaning : uint8_t {
  kLiteral,
  kTwice,      // Both halves.
  kOnesAbove,  // The upper half is all ones.
  kListed,     // An index into a list of values that matter.
};

// A Record's fields.
struct Raw {
  Form form = Form::kConfig;
  bool second = false;
  bool write = false;
  Meaning meaning = Meaning::kLiteral;
  uint8_t size = 0;
  uint16_t where = 0;
  uint32_t value = 0;
};

uint64_t ValueOf(Meaning meaning, uint32_t value);

// Sets `meaning` and `value` to what gives `value`, cut to `size` bytes, or
// its low bits where nothing does.
void SetValue(uint64_t value, uint32_t size, Raw& raw);

// The low `size` bytes.
uint64_t Cut(uint64_t value, uint32_t size);

// Of a Raw whose form is an access, in device `index`.
Access AccessOf(const Raw& raw, const Aims& aims, int index);

// The other way, by a form that can say it all; or what is like it. False when
// it has no place.
bool SetAccess(const Access& access, const Aims& aims, Raw& raw);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_AIM_H_
