// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/steps.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "script/worlds.h"
#include "testing/conformance/accesses.h"
#include "testing/conformance/model/config_space.h"
#include "testing/conformance/model/device.h"
#include "testing/conformance/model/facts.h"
#include "testing/conformance/model/msix.h"

namespace ivshmem::conformance {
namespace {

using script::Step;

// What a step may do, and how often.
enum class Deed {
  kWriteRegisters,
  kReadRegisters,
  kRing,
  kInterrupt,
  kWriteMsix,
  kReadMsix,
  kWriteConfig,
  kReadConfig,
  kMemory,
  kAddress,
  kJoin,
  kLeave,
  kVector,
  kShare,
  kSetId,
  kLinkLost,
  kLinkBack,
  kReset,
  kUnplug,
  kPlug,
  kSave,
  kRestore,
};

rc::Gen<Deed> AnyDeed() {
  return rc::gen::weightedElement<Deed>(
      {{30, Deed::kWriteRegisters}, {30, Deed::kReadRegisters},
       {60, Deed::kRing},           {50, Deed::kInterrupt},
       {50, Deed::kWriteMsix},      {25, Deed::kReadMsix},
       {50, Deed::kWriteConfig},    {20, Deed::kReadConfig},
       {15, Deed::kMemory},         {20, Deed::kAddress},
       {25, Deed::kJoin},           {10, Deed::kLeave},
       {10, Deed::kVector},         {10, Deed::kShare},
       {8, Deed::kSetId},           {5, Deed::kLinkLost},
       {15, Deed::kLinkBack},       {5, Deed::kReset},
       {5, Deed::kUnplug},          {30, Deed::kPlug},
       {10, Deed::kSave},           {10, Deed::kRestore}});
}

void Share(const script::Aims& aims, Step& step) {
  const bool store = *rc::gen::arbitrary<bool>();
  script::Share& share = store ? *step.mutable_store() : *step.mutable_load();
  const uint32_t size = *rc::gen::element(4, 8, 2, 1);
  const uint64_t slots = aims.memory / size;
  share.set_size(size);
  share.set_offset(size *
                   *rc::gen::element<uint64_t>(0, 1, slots / 2, slots - 1));
  if (store) share.set_value(*AnyValue(size));
}

void SetId(Step& step) {
  script::SetId& set = *step.mutable_set_id();
  if (*rc::gen::weightedElement<bool>({{3, true}, {1, false}})) {
    set.set_id(*AnyId());
  }
}

// Of each device its own: what fits one may fit the other or not.
std::string StateName(int index) {
  return absl::StrCat(*rc::gen::element<std::string>("a", "b"), index);
}

void Do(Deed deed, int index, const script::Aims& aims, Step& step) {
  switch (deed) {
    case Deed::kWriteRegisters:
      return WriteRegisters(aims, *step.mutable_write());
    case Deed::kReadRegisters:
      return ReadRegisters(*step.mutable_read());
    case Deed::kRing:
      return Ring(aims, *step.mutable_write());
    case Deed::kInterrupt:
      return step.mutable_interrupt()->set_vector(*AnyVector(aims));
    case Deed::kWriteMsix:
      return WriteMsix(aims, *step.mutable_write());
    case Deed::kReadMsix:
      return ReadMsix(aims, *step.mutable_read());
    case Deed::kWriteConfig:
      return WriteConfig(aims, *step.mutable_write());
    case Deed::kReadConfig:
      return ReadConfig(*step.mutable_read());
    case Deed::kMemory:
      return *rc::gen::arbitrary<bool>()
                 ? WriteMemory(aims, *step.mutable_write())
                 : ReadMemory(aims, *step.mutable_read());
    case Deed::kAddress:
      return *rc::gen::arbitrary<bool>()
                 ? WriteAddress(aims, *step.mutable_write())
                 : ReadAddress(aims, *step.mutable_read());
    case Deed::kJoin:
      step.mutable_peer_joins()->set_id(*AnyId());
      return step.mutable_peer_joins()->set_vectors(*rc::gen::inRange(0, 4));
    case Deed::kLeave:
      return step.mutable_peer_leaves()->set_id(*AnyId());
    case Deed::kVector:
      step.mutable_vector_arrives()->set_id(*AnyId());
      return step.mutable_vector_arrives()->set_vector(
          std::min<uint32_t>(*AnyVector(aims), 2047));
    case Deed::kShare:
      return Share(aims, step);
    case Deed::kSetId:
      return SetId(step);
    case Deed::kLinkLost:
      step.mutable_link_lost();
      return;
    case Deed::kLinkBack:
      step.mutable_link_back();
      return;
    case Deed::kReset:
      step.mutable_reset();
      return;
    case Deed::kUnplug:
      step.mutable_unplug();
      return;
    case Deed::kPlug:
      step.mutable_plug();
      return;
    case Deed::kSave:
      return step.mutable_save()->set_name(StateName(index));
    case Deed::kRestore:
      return step.mutable_restore()->set_name(StateName(index));
  }
}

bool OfPci(Deed deed) {
  return deed == Deed::kWriteMsix || deed == Deed::kReadMsix ||
         deed == Deed::kWriteConfig || deed == Deed::kReadConfig;
}

// A BAR that is decoded nowhere.
std::optional<int> Misplaced(const Device& device) {
  for (int bar = 0; bar < 3; ++bar) {
    if (device.config().BarSize(bar) != 0 && !device.Place(bar).has_value()) {
      return bar;
    }
  }
  return std::nullopt;
}

// One of the first vectors.
std::optional<int> Masked(const Device& device) {
  const std::vector<Msix::Entry>& entries = device.msix().entries;
  for (size_t vector = 0; vector < std::min<size_t>(2, entries.size());
       ++vector) {
    if (entries[vector].control != 0) return static_cast<int>(vector);
  }
  return std::nullopt;
}

// What a driver would have to do next for its device to work; nullopt when it
// does.
std::optional<Step> NextOfDriver(const WorldModel& model, int index,
                                 const script::Aims& aims) {
  Step step;
  const Device* device = model.device(index);
  if (device == nullptr) {
    step.mutable_plug();
    return step;
  }
  if (!model.linked(index)) {
    step.mutable_link_back();
    return step;
  }
  if (!model.has_id(index)) {
    step.mutable_set_id()->set_id(index);
    return step;
  }
  if (aims.flat) return std::nullopt;
  const ConfigSpace& config = device->config();
  script::Access& write = *step.mutable_write();
  const std::optional<int> bar = Misplaced(*device);
  if (!config.Decodes() || !config.BusMaster() || config.IntxDisabled()) {
    write.set_config(4);
    write.set_size(2);
    write.set_value(6);
  } else if (bar.has_value()) {
    write.set_config(0x10 + 4 * *bar);
    if (*bar == 2) write.set_size(8);
    write.set_value(aims.homes[*bar]);
  } else if (aims.vectors > 0 &&
             (!config.MsixEnabled() || config.MsixFunctionMasked())) {
    write.set_config(0x42);
    write.set_size(2);
    write.set_value(0x8000);
  } else if (aims.vectors > 0 && Masked(*device).has_value()) {
    write.set_msix(16 * *Masked(*device) + 12);
  } else if (device->registers().interrupts == Interrupts::kIntx &&
             device->registers().mask == 0) {
    write.set_registers(0);
    write.set_value(1);
  } else {
    return std::nullopt;
  }
  return step;
}

}  // namespace

rc::Gen<Step> AnyStep(std::shared_ptr<const config::World> world,
                      const WorldModel& model) {
  std::vector<std::optional<Step>> next;
  for (int i = 0; i < world->devices_size(); ++i) {
    next.push_back(NextOfDriver(model, i, script::AimsOf(*world, i)));
  }
  return rc::gen::exec([world, next] {
    Step step;
    const int index = *rc::gen::inRange(0, world->devices_size());
    const script::Aims aims = script::AimsOf(*world, index);
    if (next[index].has_value() && *rc::gen::inRange(0, 4) == 0) {
      step = *next[index];
    } else {
      const Deed deed = *AnyDeed();
      RC_PRE(!aims.flat || !OfPci(deed));
      Do(deed, index, aims, step);
    }
    if (index != 0) step.set_device(world->devices(index).name());
    return step;
  });
}

}  // namespace ivshmem::conformance
