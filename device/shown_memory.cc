// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/shown_memory.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ivshmem {
namespace {

class MappedAndClaimed : public Registration {
 public:
  MappedAndClaimed(RegistrationPtr mapping, RegistrationPtr claim)
      : mapping_(std::move(mapping)), claim_(std::move(claim)) {}

 private:
  const RegistrationPtr mapping_;
  const RegistrationPtr claim_;
};

}  // namespace

absl::StatusOr<RegistrationPtr> ShowMemory(uint64_t address,
                                           const SharedMemory& memory,
                                           MemoryAccess access,
                                           MmioHandler& trapped,
                                           const MemoryHost& host) {
  if (host.mapper == nullptr) {
    if (host.mmio == nullptr) return nullptr;
    return host.mmio->Claim(address, memory.size, trapped);
  }
  absl::StatusOr<RegistrationPtr> mapping =
      host.mapper->Map(address, memory, access);
  if (!mapping.ok() || access != MemoryAccess::kReadOnly ||
      host.mapper->refused_writes() != MemoryMapper::RefusedWrites::kTrapped ||
      host.mmio == nullptr) {
    return mapping;
  }
  absl::StatusOr<RegistrationPtr> claim =
      host.mmio->Claim(address, memory.size, trapped);
  if (claim.ok()) {
    return std::make_unique<MappedAndClaimed>(*std::move(mapping),
                                              *std::move(claim));
  }
  if (host.events != nullptr) {
    host.events->OnEvent(
        {.kind = DeviceEvent::Kind::kWarning,
         .address = address,
         .text = absl::StrCat("writes to read-only memory are not counted: ",
                              claim.status().message())});
  }
  return mapping;
}

}  // namespace ivshmem
