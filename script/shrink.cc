// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/shrink.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "script/check.h"

namespace ivshmem::script {
namespace {

using ::google::protobuf::FieldDescriptor;

class Shrinker {
 public:
  Shrinker(Script script, absl::FunctionRef<bool(const Script&)> fails,
           int most_runs)
      : best_(std::move(script)),
        fails_(fails),
        runs_left_(most_runs),
        candidates_left_(int64_t{10} * most_runs) {}

  Script Run() {
    bool smaller = true;
    while (smaller && !IsDone()) {
      smaller = RemoveSteps();
      smaller |= RemoveDevices();
      smaller |= RemoveRegions();
      for (int i = 0; i < best_.world().regions_size(); ++i) {
        smaller |= SimplifyNumbers([i](Script& script) {
          return script.mutable_world()->mutable_regions(i);
        });
      }
      for (int i = 0; i < best_.steps_size() && !IsDone(); ++i) {
        smaller |= ForgetOutcome(i);
        smaller |= SimplifyNumbers(
            [i](Script& script) { return script.mutable_steps(i); });
      }
      for (int i = 0; i < best_.world().devices_size(); ++i) {
        smaller |= SimplifyNumbers([i](Script& script) {
          return script.mutable_world()->mutable_devices(i);
        });
      }
    }
    return std::move(best_);
  }

 private:
  // The part of a Script that is worked on.
  using Part = std::function<google::protobuf::Message*(Script&)>;

  bool IsDone() const { return runs_left_ <= 0 || candidates_left_ <= 0; }

  // Takes `candidate` if it fails, too.
  bool Try(const Script& candidate) {
    if (IsDone()) return false;
    --candidates_left_;
    if (!Check(candidate).ok()) return false;
    --runs_left_;
    if (!fails_(candidate)) return false;
    best_ = candidate;
    return true;
  }

  // Chunks first, so that a long Script takes few runs.
  bool RemoveSteps() {
    bool removed = false;
    int chunk = best_.steps_size();
    while (chunk > 0 && !IsDone()) {
      // From the end: what led to a failure is more needed than what came of
      // it.
      int end = best_.steps_size();
      while (end > 0 && !IsDone()) {
        const int begin = std::max(0, end - chunk);
        Script candidate = best_;
        candidate.mutable_steps()->DeleteSubrange(begin, end - begin);
        removed |= Try(candidate);
        end = begin;
      }
      chunk /= 2;
    }
    return removed;
  }

  bool RemoveDevices() {
    bool removed = false;
    for (int i = best_.world().devices_size() - 1; i >= 0; --i) {
      if (best_.world().devices_size() == 1) break;
      removed |= RemoveDevice(i);
    }
    return removed;
  }

  // With its steps, or with another that does what it did.
  bool RemoveDevice(int index) {
    Script without = best_;
    const std::string first = without.world().devices(0).name();
    const std::string gone = without.world().devices(index).name();
    without.mutable_world()->mutable_devices()->DeleteSubrange(index, 1);
    for (Step& step : *without.mutable_steps()) {
      if (step.device().empty()) step.set_device(first);
    }
    Script candidate = without;
    auto& steps = *candidate.mutable_steps();
    steps.erase(std::remove_if(steps.begin(), steps.end(),
                               [&gone](const Step& step) {
                                 return step.device() == gone;
                               }),
                steps.end());
    if (Try(candidate)) return true;
    for (const auto& other : without.world().devices()) {
      candidate = without;
      for (Step& step : *candidate.mutable_steps()) {
        if (step.device() == gone) step.set_device(other.name());
      }
      if (Try(candidate)) return true;
    }
    return false;
  }

  bool RemoveRegions() {
    bool removed = false;
    for (int i = best_.world().regions_size() - 1; i >= 0; --i) {
      Script candidate = best_;
      candidate.mutable_world()->mutable_regions()->DeleteSubrange(i, 1);
      removed |= Try(candidate);
    }
    return removed;
  }

  bool ForgetOutcome(int step) {
    bool forgot = false;
    if (best_.steps(step).has_effects()) {
      Script candidate = best_;
      candidate.mutable_steps(step)->clear_effects();
      forgot |= Try(candidate);
    }
    if (best_.steps(step).has_gives()) {
      Script candidate = best_;
      candidate.mutable_steps(step)->clear_gives();
      candidate.mutable_steps(step)->clear_of_bits();
      forgot |= Try(candidate);
    }
    return forgot;
  }

  bool SimplifyNumbers(const Part& part) {
    bool simpler = false;
    const google::protobuf::Message* const message = part(best_);
    std::vector<const FieldDescriptor*> fields;
    message->GetReflection()->ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_repeated()) continue;
      // What a step gives is not for us to choose.
      if (field->name() == "gives" || field->name() == "of_bits" ||
          field->name() == "effects") {
        continue;
      }
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        simpler |= SimplifyNumbers([part, field](Script& script) {
          google::protobuf::Message* const outer = part(script);
          return outer->GetReflection()->MutableMessage(outer, field);
        });
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
                 field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
        simpler |= SimplifyNumber(part, field);
      }
    }
    return simpler;
  }

  static uint64_t Get(const google::protobuf::Message& message,
                      const FieldDescriptor* field) {
    return field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32
               ? message.GetReflection()->GetUInt32(message, field)
               : message.GetReflection()->GetUInt64(message, field);
  }

  bool TryNumber(const Part& part, const FieldDescriptor* field,
                 uint64_t value) {
    Script candidate = best_;
    google::protobuf::Message* const message = part(candidate);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      message->GetReflection()->SetUInt32(message, field,
                                          static_cast<uint32_t>(value));
    } else {
      message->GetReflection()->SetUInt64(message, field, value);
    }
    return Try(candidate);
  }

  // Absent, then 0 and 1, then shorter, then without some of its bits.
  bool SimplifyNumber(const Part& part, const FieldDescriptor* field) {
    const uint64_t before = Get(*part(best_), field);
    if (field->has_presence() && field->real_containing_oneof() == nullptr) {
      Script candidate = best_;
      google::protobuf::Message* const message = part(candidate);
      message->GetReflection()->ClearField(message, field);
      if (Try(candidate)) return true;
    }
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}}) {
      if (value < before && TryNumber(part, field, value)) return true;
    }
    bool simpler = false;
    for (int shift = 32; shift > 0; shift /= 2) {
      const uint64_t value = Get(*part(best_), field) >> shift;
      simpler |= value > 1 && TryNumber(part, field, value);
    }
    for (int bit = 63; bit >= 0; --bit) {
      const uint64_t value = Get(*part(best_), field);
      const uint64_t mask = uint64_t{1} << bit;
      if ((value & mask) != 0 && value != mask) {
        simpler |= TryNumber(part, field, value & ~mask);
      }
    }
    return simpler;
  }

  Script best_;
  const absl::FunctionRef<bool(const Script&)> fails_;
  int runs_left_;
  int64_t candidates_left_;
};

}  // namespace

Script Shrink(Script script, absl::FunctionRef<bool(const Script&)> fails,
              int most_runs) {
  return Shrinker(std::move(script), fails, most_runs).Run();
}

}  // namespace ivshmem::script
