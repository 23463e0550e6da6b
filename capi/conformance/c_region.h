// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_CONFORMANCE_C_REGION_H_
#define IVSHMEM_CAPI_CONFORMANCE_C_REGION_H_

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "capi/conformance/c_guest.h"
#include "capi/owned.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// A region's memory, and who shares it: those who can be rung, by their ids,
// and the devices that are told of them.
//
// Threading: one thread.
class CRegion {
 public:
  // Of zeros that cost nothing until they are touched; memory() is null when
  // there is no room.
  CRegion(uint64_t size, Carriage carriage);

  const capi::MemoryPtr& memory() const { return memory_; }

  bool Has(uint32_t id) const { return present_.contains(id); }
  std::optional<uint32_t> LowestFree() const;

  // Somebody comes under an id that is free, or with other vectors than before,
  // or goes.
  void Set(uint32_t id, const Vectors& vectors);
  void Remove(uint32_t id);

  // From now on `device` has all that are there, and hears of those who come
  // and go while its link is there; until Forget().
  void Tell(ivshmem_device* device);
  void Forget(ivshmem_device* device);
  void SetLink(ivshmem_device* device, bool link);

  // Peers that are no devices. Each gives false where there is none.
  void Join(uint32_t id, uint32_t vectors);
  bool Leave(uint32_t id);
  bool Arrive(uint32_t id, uint32_t vector);
  void TakeRings(Effects& effects);

 private:
  class Outside;
  // Whom a device knows.
  struct Link {
    bool up = true;
    std::map<uint32_t, Vectors> known;
  };

  void Connect(ivshmem_device* device, Link& link, uint32_t id,
               const Vectors& vectors) const;
  static void Disconnect(ivshmem_device* device, Link& link, uint32_t id);
  std::shared_ptr<Carrier> NewOutside(uint32_t id, uint32_t vector);

  struct Free {
    void operator()(void* bytes) const { std::free(bytes); }
  };

  const Carriage carriage_;
  const std::unique_ptr<void, Free> bytes_;
  capi::MemoryPtr memory_;
  std::map<uint32_t, Vectors> present_;
  std::map<ivshmem_device*, Link> links_;
  std::map<uint32_t, Vectors> outside_;
  std::vector<std::shared_ptr<Outside>> carriers_;  // All that there were.
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_CAPI_CONFORMANCE_C_REGION_H_
