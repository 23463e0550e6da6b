// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/record.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bus/access.h"
#include "script/aim.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

constexpr uint8_t kDeviceBit = 0x80;
constexpr int kValueShift = 4;
constexpr uint8_t kSizeBits = 0x0f;

constexpr uint32_t kVectorCounts[] = {1, 2, 0, 3, 8, 64, 65, 2048};
constexpr const char* kStateNames[] = {"a", "b"};
constexpr uint32_t kShareSizes[] = {4, 1, 2, 8};
constexpr int kVectors = 2048;

Raw Parse(const Record& record) {
  const absl::Span<const uint8_t> bytes(record);
  return {
      .form = static_cast<Form>(record[0] % kForms),
      .second = (record[1] & kDeviceBit) != 0,
      .write = (record[1] & kWriteBit) != 0,
      .meaning = static_cast<Meaning>(record[1] >> kValueShift & 3),
      .size = static_cast<uint8_t>(record[1] & kSizeBits),
      .where = static_cast<uint16_t>(LoadLittleEndian(bytes.subspan(2, 2))),
      .value = static_cast<uint32_t>(LoadLittleEndian(bytes.subspan(4, 4))),
  };
}

Record Write(const Raw& raw) {
  Record record = {};
  const absl::Span<uint8_t> bytes = absl::MakeSpan(record);
  record[0] = static_cast<uint8_t>(raw.form);
  record[1] = static_cast<uint8_t>(
      (raw.second ? kDeviceBit : 0) | (raw.write ? kWriteBit : 0) |
      static_cast<int>(raw.meaning) << kValueShift | raw.size);
  StoreLittleEndian(raw.where, bytes.subspan(2, 2));
  StoreLittleEndian(raw.value, bytes.subspan(4, 4));
  return record;
}

// Few vectors, or a number for the larger forms.
uint32_t VectorOf(const Raw& raw, bool few) {
  return few ? raw.value % 4 : raw.value % kVectors;
}

uint32_t IdOf(const Raw& raw, bool few) {
  return few ? kFavouriteIds[raw.where % kFavouriteIds.size()] : raw.where;
}

void SetShare(const Raw& raw, const Aims& aims, Share& share) {
  const uint32_t size = kShareSizes[raw.size % std::size(kShareSizes)];
  share.set_size(size);
  share.set_offset(raw.where % aims.memory & ~uint64_t{size - 1});
}

// The last for a number that is not among them.
uint32_t IndexOfCount(uint32_t value) {
  const auto* const found =
      std::find(std::begin(kVectorCounts), std::end(kVectorCounts), value);
  return found == std::end(kVectorCounts)
             ? std::size(kVectorCounts) - 1
             : static_cast<uint32_t>(found - kVectorCounts);
}

void SetOperation(const Raw& raw, const Aims& aims, int index, Step& step) {
  switch (raw.form) {
    case Form::kFewPeersJoin:
    case Form::kPeerJoins:
      step.mutable_peer_joins()->set_id(
          IdOf(raw, raw.form == Form::kFewPeersJoin));
      step.mutable_peer_joins()->set_vectors(
          kVectorCounts[raw.form == Form::kFewPeersJoin
                            ? raw.value % 2
                            : raw.value % std::size(kVectorCounts)]);
      return;
    case Form::kFewPeersLeave:
    case Form::kPeerLeaves:
      step.mutable_peer_leaves()->set_id(
          IdOf(raw, raw.form == Form::kFewPeersLeave));
      return;
    case Form::kFewVectorsArrive:
    case Form::kVectorArrives: {
      const bool few = raw.form == Form::kFewVectorsArrive;
      step.mutable_vector_arrives()->set_id(IdOf(raw, few));
      step.mutable_vector_arrives()->set_vector(VectorOf(raw, few));
      return;
    }
    case Form::kFewInterrupts:
      step.mutable_interrupt()->set_vector(raw.where %
                                           std::max(2, aims.vectors + 1));
      return;
    case Form::kInterrupt:
      step.mutable_interrupt()->set_vector(raw.where);
      return;
    case Form::kStore:
      SetShare(raw, aims, *step.mutable_store());
      step.mutable_store()->set_value(
          Cut(ValueOf(raw.meaning, raw.value), step.store().size()));
      return;
    case Form::kLoad:
      SetShare(raw, aims, *step.mutable_load());
      return;
    case Form::kSetId:
      step.mutable_set_id()->set_id(raw.where);
      return;
    case Form::kTakeId:
      step.mutable_set_id();
      return;
    case Form::kReset:
      step.mutable_reset();
      return;
    case Form::kSave:
      step.mutable_save()->set_name(kStateNames[raw.where % 2]);
      return;
    case Form::kRestore:
      step.mutable_restore()->set_name(kStateNames[raw.where % 2]);
      return;
    case Form::kLinkLost:
      step.mutable_link_lost();
      return;
    case Form::kLinkBack:
      step.mutable_link_back();
      return;
    case Form::kUnplug:
      step.mutable_unplug();
      return;
    case Form::kPlug:
      step.mutable_plug();
      return;
    default:
      (raw.write ? *step.mutable_write() : *step.mutable_read()) =
          AccessOf(raw, aims, index);
  }
}

// The other way: by the one form of its kind that can say it all.
bool SetRaw(const Step& step, const Aims& aims, Raw& raw) {
  const auto form = [&raw](Form form, uint32_t where = 0, uint32_t value = 0) {
    raw.form = form;
    raw.where = static_cast<uint16_t>(where);
    raw.value = value;
    return true;
  };
  const auto share = [&](Form its_form, const Share& share) {
    const auto* const size =
        std::find(std::begin(kShareSizes), std::end(kShareSizes), share.size());
    if (size == std::end(kShareSizes)) return false;
    raw.size = static_cast<uint8_t>(size - kShareSizes);
    form(its_form, static_cast<uint32_t>(share.offset()));
    SetValue(share.value(), share.size(), raw);
    return true;
  };
  const auto state = [&](Form its_form, const std::string& name) {
    return form(its_form, name == kStateNames[1] ? 1 : 0);
  };
  switch (step.operation_case()) {
    case Step::kRead:
      return SetAccess(step.read(), aims, raw);
    case Step::kWrite:
      raw.write = true;
      return SetAccess(step.write(), aims, raw);
    case Step::kPeerJoins:
      return form(Form::kPeerJoins, step.peer_joins().id(),
                  IndexOfCount(step.peer_joins().vectors()));
    case Step::kPeerLeaves:
      return form(Form::kPeerLeaves, step.peer_leaves().id());
    case Step::kVectorArrives:
      return form(Form::kVectorArrives, step.vector_arrives().id(),
                  step.vector_arrives().vector());
    case Step::kInterrupt:
      return form(Form::kInterrupt, step.interrupt().vector());
    case Step::kStore:
      return share(Form::kStore, step.store());
    case Step::kLoad:
      return share(Form::kLoad, step.load());
    case Step::kSetId:
      return step.set_id().has_id() ? form(Form::kSetId, step.set_id().id())
                                    : form(Form::kTakeId);
    case Step::kReset:
      return form(Form::kReset);
    case Step::kSave:
      return state(Form::kSave, step.save().name());
    case Step::kRestore:
      return state(Form::kRestore, step.restore().name());
    case Step::kLinkLost:
      return form(Form::kLinkLost);
    case Step::kLinkBack:
      return form(Form::kLinkBack);
    case Step::kUnplug:
      return form(Form::kUnplug);
    case Step::kPlug:
      return form(Form::kPlug);
    case Step::OPERATION_NOT_SET:
      break;
  }
  return false;
}

}  // namespace

Step ToStep(const Record& record, const config::World& world) {
  const Raw raw = Parse(record);
  const int index = raw.second && world.devices_size() > 1 ? 1 : 0;
  Step step;
  if (index > 0) step.set_device(world.devices(index).name());
  SetOperation(raw, AimsOf(world, index), index, step);
  return step;
}

std::optional<Record> ToRecord(const Step& step, const config::World& world) {
  Raw raw;
  if (!step.device().empty() && step.device() != world.devices(0).name()) {
    if (world.devices_size() < 2 || step.device() != world.devices(1).name()) {
      return std::nullopt;
    }
    raw.second = true;
  }
  if (!SetRaw(step, AimsOf(world, raw.second ? 1 : 0), raw)) {
    return std::nullopt;
  }
  return Write(raw);
}

absl::Span<const uint8_t> FormsOf(Kind kind) {
  static const auto& all =
      *new std::array<std::vector<uint8_t>, kKinds + 1>([] {
        std::array<std::vector<uint8_t>, kKinds + 1> all;
        for (int form = 0; form < kForms; ++form) {
          for (const uint8_t write : {uint8_t{0}, kWriteBit}) {
            Record record = {static_cast<uint8_t>(form), write};
            std::vector<uint8_t>& forms =
                all[static_cast<size_t>(KindOf(ToStep(record, Worlds()[0])))];
            if (forms.empty() || forms.back() != form) {
              forms.push_back(static_cast<uint8_t>(form));
            }
          }
        }
        return all;
      }());
  return all[static_cast<size_t>(kind)];
}

}  // namespace ivshmem::script
