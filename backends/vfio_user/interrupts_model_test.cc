// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Interrupts beside a model of them: whatever a client does with events, gates
// and resets, each event is signalled when, and only when, its vector may fire,
// and what is held shows in the PBA.

#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::vfio_user {
namespace {

constexpr int kVectors = 5;
constexpr uint32_t kConfig = 7;
constexpr uint32_t kMsixBar = 1;
constexpr uint32_t kMsixIrq = 2;

// What the device does, said simply.
struct Expected {
  bool enabled = false;
  bool function_mask = false;
  bool bus_master = false;
  std::array<int, kVectors> event = {-1, -1, -1, -1, -1};  // Its number.
  std::array<bool, kVectors> pending = {};
  std::set<int> signalled;  // In this step.

  void Settle() {
    for (int v = 0; v < kVectors; ++v) {
      if (!pending[v] || event[v] < 0) continue;
      if (!enabled || function_mask || !bus_master) continue;
      pending[v] = false;
      signalled.insert(event[v]);
    }
  }
  void Interrupt(int vector) {
    // What comes while MSI-X is off is lost.
    if (enabled) pending[vector] = true;
  }
};

class Played {
 public:
  Played()
      : model_(*IvshmemModel::Create(
            {.device = {.interrupts = InterruptMode::kMsix,
                        .vectors = kVectors}},
            {.view = mapped_.view(), .fd = memory_.fd(), .sealed = true})) {}

  void Step();

 private:
  void Write(uint64_t offset, uint16_t value) {
    const std::array<uint8_t, 2> bytes = {static_cast<uint8_t>(value),
                                          static_cast<uint8_t>(value >> 8)};
    model_->Write(kConfig, offset, bytes);
  }
  void SetGates() {
    Write(4, expected_.bus_master ? 4 : 0);
    Write(0x42, static_cast<uint16_t>((expected_.enabled ? 0x8000 : 0) |
                                      (expected_.function_mask ? 0x4000 : 0)));
  }
  void Compare();

  const MemoryObject memory_ = *MemoryObject::Memfd(4096);
  const MappedMemory mapped_ = *memory_.Map();
  const std::unique_ptr<IvshmemModel> model_;
  std::vector<std::shared_ptr<EventFd>> events_;
  Expected expected_;
};

void Played::Step() {
  const int start = *rc::gen::inRange(0, kVectors);
  const int count = *rc::gen::inRange(1, kVectors - start + 1);
  switch (*rc::gen::inRange(0, 12)) {
    case 0:
    case 1:
    case 2: {
      std::vector<UniqueFd> fds;
      for (int v = start; v < start + count; ++v) {
        expected_.event[v] = static_cast<int>(events_.size());
        events_.push_back(*EventFd::Create());
        fds.emplace_back(dup(events_.back()->fd()));
      }
      RC_ASSERT(
          model_->interrupts().SetEvents(kMsixIrq, start, std::move(fds)).ok());
      break;
    }
    case 3:
      model_->interrupts().DropEvents(kMsixIrq, start, count);
      for (int v = start; v < start + count; ++v) expected_.event[v] = -1;
      break;
    case 4:
      model_->ClientLeft();
      expected_.event.fill(-1);
      break;
    case 5:
      model_->Reset();
      expected_.pending.fill(false);
      expected_.enabled = expected_.function_mask = expected_.bus_master =
          false;
      break;
    case 6:
      expected_.enabled = *rc::gen::inRange(0, 4) != 0;
      SetGates();
      break;
    case 7:
      expected_.function_mask = *rc::gen::inRange(0, 3) == 0;
      SetGates();
      break;
    case 8:
      expected_.bus_master = *rc::gen::inRange(0, 4) != 0;
      SetGates();
      break;
    case 9:
      model_->interrupts().Trigger(kMsixIrq, start);
      if (expected_.event[start] >= 0) {
        expected_.signalled.insert(expected_.event[start]);
      }
      break;
    default:
      model_->device().OnPeerInterrupt(static_cast<Vector>(start));
      expected_.Interrupt(start);
  }
  expected_.Settle();
  Compare();
}

void Played::Compare() {
  std::set<int> signalled;
  for (size_t i = 0; i < events_.size(); ++i) {
    if (events_[i]->Drain()) signalled.insert(static_cast<int>(i));
  }
  RC_ASSERT(signalled == expected_.signalled);
  expected_.signalled.clear();
  std::array<uint8_t, 8> bits = {};
  model_->Read(kMsixBar, 0x800, absl::MakeSpan(bits));
  for (int v = 0; v < kVectors; ++v) {
    RC_ASSERT(((bits[0] >> v & 1) != 0) == expected_.pending[v]);
  }
}

RC_GTEST_PROP(Interrupts, AreAsTheModelSays, ()) {
  Played played;
  const int steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) played.Step();
}

}  // namespace
}  // namespace ivshmem::vfio_user
