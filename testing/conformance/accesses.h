// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_ACCESSES_H_
#define IVSHMEM_TESTING_CONFORMANCE_ACCESSES_H_

#include <cstdint>

#include "proto/script.pb.h"
#include "rapidcheck.h"
#include "script/worlds.h"

namespace ivshmem::conformance {

// The accesses of AnyStep(), drawn inside of a generator of its kind.

rc::Gen<uint32_t> AnyId();
// For a device with so many vectors.
rc::Gen<uint32_t> AnyVector(const script::Aims& aims);
// That fits into `size` bytes.
rc::Gen<uint64_t> AnyValue(uint64_t size);

void Ring(const script::Aims& aims, script::Access& access);
void WriteRegisters(const script::Aims& aims, script::Access& access);
void ReadRegisters(script::Access& access);
void WriteMsix(const script::Aims& aims, script::Access& access);
void ReadMsix(const script::Aims& aims, script::Access& access);
void WriteConfig(const script::Aims& aims, script::Access& access);
void ReadConfig(script::Access& access);
void WriteMemory(const script::Aims& aims, script::Access& access);
void ReadMemory(const script::Aims& aims, script::Access& access);
void WriteAddress(const script::Aims& aims, script::Access& access);
void ReadAddress(const script::Aims& aims, script::Access& access);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_ACCESSES_H_
