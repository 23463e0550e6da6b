// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/check.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/doorbell.h"
#include "proto/config.h"
#include "script/census.h"
#include "script/wrong.h"

namespace ivshmem::script {
namespace {

constexpr uint32_t kMostBytes = 64;
constexpr uint32_t kMostVector = 0xffff;

absl::Status CheckValue(absl::string_view field, uint32_t size,
                        uint64_t value) {
  if (size >= sizeof(value) || value >> (8 * size) == 0) {
    return absl::OkStatus();
  }
  return Invalid(field, size == 1 ? "1 byte" : absl::StrCat(size, " bytes"),
                 absl::StrFormat("%#x", value));
}

absl::Status CheckAccess(const Access& access, bool write,
                         const DeviceConfig& device) {
  if (access.place_case() == Access::PLACE_NOT_SET) {
    return Invalid("place", "one of [config, registers, msix, memory, address]",
                   "none");
  }
  const bool of_pci = access.has_config() || access.has_msix();
  if (of_pci && !std::holds_alternative<PciDeviceConfig>(device.bus)) {
    return Invalid(access.has_config() ? "config" : "msix", "a PCI device",
                   absl::StrFormat("'%s', which is flat", device.name));
  }
  const uint32_t size = access.has_size() ? access.size() : 4;
  if (size < 1 || size > kMostBytes) {
    return Invalid("size", absl::StrCat("1..", kMostBytes), absl::StrCat(size));
  }
  return CheckValue("value", write ? size : 0, access.value());
}

absl::Status CheckShare(const Share& share, bool store, uint64_t memory) {
  const uint32_t size = share.size();
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return Invalid("size", "1, 2, 4 or 8", absl::StrCat(size));
  }
  if (share.offset() % size != 0) {
    return Invalid("offset", absl::StrFormat("a multiple of %d", size),
                   absl::StrCat(share.offset()));
  }
  if (size > memory || share.offset() > memory - size) {
    return Invalid("offset", absl::StrFormat("a place in %d bytes", memory),
                   absl::StrCat(share.offset()));
  }
  return CheckValue("value", store ? size : 0, share.value());
}

// Goes through the steps, and knows who is there before each.
class Checker {
 public:
  explicit Checker(const WorldConfig& world) : world_(world), census_(world) {}

  absl::Status CheckStart() { return census_.Start(); }
  absl::Status CheckStep(const Step& step);

 private:
  // Of the operation alone; names the place in it.
  absl::Status CheckOperation(const Step& step, const DeviceConfig& device);
  absl::Status CheckOutcome(const Step& step) const;
  absl::Status CheckDevice(absl::string_view field, absl::string_view name,
                           bool flat, bool pci) const;

  const DeviceConfig* Find(absl::string_view name) const;
  absl::Status NoDevice(absl::string_view field, absl::string_view name) const;

  const WorldConfig& world_;
  Census census_;
};

const DeviceConfig* Checker::Find(absl::string_view name) const {
  for (const DeviceConfig& device : world_.devices) {
    if (name.empty() || device.name == name) return &device;
  }
  return nullptr;
}

absl::Status Checker::NoDevice(absl::string_view field,
                               absl::string_view name) const {
  return Invalid(
      field,
      absl::StrFormat("one of [%s]",
                      absl::StrJoin(world_.devices, ", ",
                                    [](std::string* out, const auto& device) {
                                      absl::StrAppend(out, device.name);
                                    })),
      absl::StrFormat("'%s'", name));
}

absl::Status Checker::CheckOperation(const Step& step,
                                     const DeviceConfig& device) {
  switch (step.operation_case()) {
    case Step::kRead:
      return CheckAccess(step.read(), /*write=*/false, device);
    case Step::kWrite:
      return CheckAccess(step.write(), /*write=*/true, device);
    case Step::kStore:
      return CheckShare(step.store(), /*store=*/true, device.size);
    case Step::kLoad:
      return CheckShare(step.load(), /*store=*/false, device.size);
    case Step::kInterrupt:
      if (absl::Status there = census_.CheckPlugged(device); !there.ok()) {
        return there;
      }
      return CheckMost("vector", step.interrupt().vector(), kMostVector);
    case Step::kPeerJoins: {
      const PeerJoins& joins = step.peer_joins();
      if (absl::Status most =
              CheckMost("vectors", joins.vectors(), kMaxVectors);
          !most.ok()) {
        return most;
      }
      return census_.Join(device, joins);
    }
    case Step::kPeerLeaves:
      return census_.Leave(device, step.peer_leaves().id());
    case Step::kVectorArrives: {
      const VectorArrives& arrives = step.vector_arrives();
      if (absl::Status most =
              CheckMost("vector", arrives.vector(), kMaxVectors - 1);
          !most.ok()) {
        return most;
      }
      return census_.CheckJoined(device, arrives.id());
    }
    case Step::kSetId:
      return census_.SetId(device, step.set_id().has_id()
                                       ? std::optional(step.set_id().id())
                                       : std::nullopt);
    case Step::kReset:
    case Step::kLinkLost:
    case Step::kLinkBack:
      return census_.CheckPlugged(device);
    case Step::kSave:
      return census_.Save(device, step.save().name());
    case Step::kRestore:
      return census_.Restore(device, step.restore().name());
    case Step::kUnplug:
      return census_.Unplug(device);
    case Step::kPlug:
      return census_.Plug(device);
    case Step::OPERATION_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckDevice(absl::string_view field,
                                  absl::string_view name, bool flat,
                                  bool pci) const {
  const DeviceConfig* const device = Find(name);
  if (device == nullptr) return NoDevice(field, name);
  const bool is_pci = std::holds_alternative<PciDeviceConfig>(device->bus);
  if (is_pci ? pci : flat) return absl::OkStatus();
  return Invalid(field, flat ? "a flat device" : "a PCI device",
                 absl::StrFormat("'%s'", device->name));
}

absl::Status Checker::CheckOutcome(const Step& step) const {
  if (step.has_gives() && !step.has_read() && !step.has_load()) {
    return Invalid("gives", "a read or a load", "another operation");
  }
  if (step.has_of_bits() && !step.has_gives()) {
    return Invalid("of_bits", "gives", "none");
  }
  if (step.has_gives()) {
    const uint32_t size = step.has_load()          ? step.load().size()
                          : step.read().has_size() ? step.read().size()
                                                   : 4;
    absl::Status wide = CheckValue("gives", size, step.gives());
    if (!wide.ok()) return wide;
  }
  const auto owner = [&step](const std::string& name) -> absl::string_view {
    return name.empty() ? step.device() : name;
  };
  const Effects& effects = step.effects();
  for (int i = 0; i < effects.rings_size(); ++i) {
    const std::string at = absl::StrFormat("effects.rings[%d]", i);
    const Ring& ring = effects.rings(i);
    for (const absl::Status& check :
         {CheckMost(absl::StrCat(at, ".peer"), ring.peer(), kMaxPeers - 1),
          CheckMost(absl::StrCat(at, ".vector"), ring.vector(),
                    kMaxVectors - 1)}) {
      if (!check.ok()) return check;
    }
  }
  for (int i = 0; i < effects.messages_size(); ++i) {
    absl::Status check =
        CheckDevice(absl::StrFormat("effects.messages[%d].device", i),
                    owner(effects.messages(i).device()), false, true);
    if (!check.ok()) return check;
  }
  for (int i = 0; i < effects.lines_size(); ++i) {
    absl::Status check =
        CheckDevice(absl::StrFormat("effects.lines[%d].device", i),
                    owner(effects.lines(i).device()), false, true);
    if (!check.ok()) return check;
  }
  for (int i = 0; i < effects.pulses_size(); ++i) {
    absl::Status check =
        CheckDevice(absl::StrFormat("effects.pulses[%d].device", i),
                    owner(effects.pulses(i).device()), true, false);
    if (!check.ok()) return check;
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckStep(const Step& step) {
  const DeviceConfig* const device = Find(step.device());
  if (device == nullptr) return NoDevice("device", step.device());
  if (step.operation_case() == Step::OPERATION_NOT_SET) {
    return Invalid("operation", "one", "none");
  }
  const absl::Status operation = CheckOperation(step, *device);
  if (!operation.ok()) {
    const google::protobuf::FieldDescriptor* field =
        Step::descriptor()->FindFieldByNumber(step.operation_case());
    return absl::Status(operation.code(),
                        absl::StrCat(field->name(), ".", operation.message()));
  }
  return CheckOutcome(step);
}

}  // namespace

absl::Status Check(const Script& script) {
  const absl::StatusOr<WorldConfig> world = ToWorldConfig(script.world());
  if (!world.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("world.", world.status().message()));
  }
  Checker checker(*world);
  if (absl::Status start = checker.CheckStart(); !start.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("world.", start.message()));
  }
  for (int i = 0; i < script.steps_size(); ++i) {
    const absl::Status step = checker.CheckStep(script.steps(i));
    if (!step.ok()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("steps[%d].%s", i, step.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace ivshmem::script
