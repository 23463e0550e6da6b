// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/c_world.h"

#include <cstdint>
#include <memory>

#include "fuzz/c_host.h"
#include "fuzz/c_structs.h"
#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {
namespace {

constexpr int kMostSteps = 80;
constexpr int kDeepest = 3;

}  // namespace

uint32_t CWorld::Any(uint32_t most) { return Around(input_, most); }

CWorld::~CWorld() {
  ending_ = true;
  for (Slot& slot : slots_) {
    Destroy(slot);
    Require(slot.device == nullptr, "a device is destroyed from outside");
  }
  for (const auto& host : hosts_) host->RunWork(true);
  for (ivshmem_memory* each : memories_) ivshmem_memory_destroy(each);
  // A region of it may be the link's memory.
  Require(ivshmem_switchboard_destroy(switchboard_) == 0,
          "nobody has the switchboard");
  Require(ivshmem_link_destroy(link_) == 0, "nor the link");
  Require(ivshmem_loop_destroy(loop_) == 0, "nor the loop");
  Require(released_ == connected_, "each call that was connected is released");
}

void CWorld::Play() {
  while (input_.remaining_bytes() > 0 && steps_ < kMostSteps) Step();
}

uint64_t CWorld::AnyOffset() {
  return Mostly<uint64_t>(input_,
                          input_.ConsumeIntegralInRange<uint64_t>(0, 0x110),
                          {kMemory - 1, kMemory, ~0ull, ~0ull - 3, 1ull << 32});
}

void CWorld::CallBack() {
  if (ending_ || depth_ >= kDeepest || steps_ >= kMostSteps) return;
  if (input_.ConsumeIntegralInRange(0, 3) != 1) return;
  ++depth_;
  Step();
  --depth_;
}

void CWorld::Step() {
  ++steps_;
  switch (input_.ConsumeIntegralInRange(0, 15)) {
    case 0:
      return NewMemory();
    case 1:
    case 2:
      return NewDevice(nullptr);
    case 3:
      return Restore();
    case 4:
      return Save();
    case 5:
    case 6:
      return ConfigAccess();
    case 7:
    case 8:
    case 9:
      return Access();
    case 10:
      return Destroy(AnySlot());
    case 11:
    case 12:
      return Peers();
    case 13:
      return Regions();
    case 14:
      return Loops();
    default:
      return Links();
  }
}

}  // namespace ivshmem
