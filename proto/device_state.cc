// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "proto/device_state.h"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bus/pci/bars.h"
#include "bus/pci/function_state.h"
#include "bus/pci/msix_state.h"
#include "core/device_state.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"
#include "device/memory_state.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "ivshmem/proto/device_state.pb.h"
#include "proto/text.h"

namespace ivshmem {
namespace {

constexpr uint32_t kVersion = 1;

absl::Status Invalid(absl::string_view field, absl::string_view expected,
                     absl::string_view got) {
  return absl::InvalidArgumentError(
      absl::StrFormat("state%s: expected %s, got %s", field, expected, got));
}

state::DeviceState::Interrupts ToProto(InterruptMode interrupts) {
  switch (interrupts) {
    case InterruptMode::kNone:
      return state::DeviceState::NONE;
    case InterruptMode::kMsix:
      return state::DeviceState::MSIX;
    case InterruptMode::kIntx:
      return state::DeviceState::INTX;
    case InterruptMode::kLine:
      return state::DeviceState::LINE;
  }
  return state::DeviceState::UNKNOWN;
}

absl::StatusOr<InterruptMode> FromProto(
    state::DeviceState::Interrupts interrupts) {
  switch (interrupts) {
    case state::DeviceState::NONE:
      return InterruptMode::kNone;
    case state::DeviceState::MSIX:
      return InterruptMode::kMsix;
    case state::DeviceState::INTX:
      return InterruptMode::kIntx;
    case state::DeviceState::LINE:
      return InterruptMode::kLine;
    default:
      return Invalid(".interrupts", "NONE, MSIX, INTX or LINE",
                     absl::StrCat(static_cast<int>(interrupts)));
  }
}

state::DeviceState::Role ToProto(MemoryRole role) {
  switch (role) {
    case MemoryRole::kOwner:
      return state::DeviceState::OWNER;
    case MemoryRole::kPeer:
      return state::DeviceState::PEER;
    case MemoryRole::kAuto:
      break;
  }
  return state::DeviceState::AUTO;
}

absl::StatusOr<MemoryRole> FromProto(state::DeviceState::Role role) {
  switch (role) {
    case state::DeviceState::AUTO:
      return MemoryRole::kAuto;
    case state::DeviceState::OWNER:
      return MemoryRole::kOwner;
    case state::DeviceState::PEER:
      return MemoryRole::kPeer;
    default:
      return Invalid(".role", "AUTO, OWNER or PEER",
                     absl::StrCat(static_cast<int>(role)));
  }
}

void Encode(const DeviceState& device, const MemoryState& memory,
            state::DeviceState& to) {
  to.set_version(kVersion);
  to.set_dialect(device.dialect);
  to.set_interrupts(ToProto(device.interrupts));
  to.set_vectors(device.vectors);
  to.set_memory_size(memory.size);
  to.set_read_only(memory.access == MemoryAccess::kReadOnly);
  to.set_role(ToProto(memory.role));
  if (device.id.has_value()) to.set_id(*device.id);
  to.set_mask(device.registers.mask);
  to.set_status(device.registers.status);
}

void Encode(const pci::FunctionState& function, state::PciState& to) {
  to.set_vendor_id(function.vendor_id);
  to.set_device_id(function.device_id);
  to.set_revision(function.revision);
  to.set_class_code(function.class_code);
  to.set_header_type(function.header_type);
  to.set_subsystem_vendor_id(function.subsystem_vendor_id);
  to.set_subsystem_id(function.subsystem_id);
  to.set_command(function.command);
  to.set_cache_line_size(function.cache_line_size);
  to.set_interrupt_line(function.interrupt_line);
  for (const uint32_t bar : function.bars) to.add_bars(bar);
  to.set_msix_control(function.msix_control);
  for (const pci::MsixVectorState& vector : function.msix) {
    state::MsixVectorState& entry = *to.add_msix();
    entry.set_address(vector.address);
    entry.set_data(vector.data);
    entry.set_control(vector.control);
    entry.set_pending(vector.pending);
  }
}

// Fields that are narrower than protobuf's numbers. The first that is too wide
// for its place is kept.
class Narrow {
 public:
  template <typename T>
  T As(const char* field, uint32_t value,
       uint32_t most = std::numeric_limits<T>::max()) {
    if (value > most && status_.ok()) {
      status_ = Invalid(field, absl::StrCat("0..", most), absl::StrCat(value));
    }
    return static_cast<T>(value);
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

absl::StatusOr<DeviceState> DecodeDevice(const state::DeviceState& from) {
  const absl::StatusOr<InterruptMode> interrupts = FromProto(from.interrupts());
  if (!interrupts.ok()) return interrupts.status();
  Narrow narrow;
  DeviceState device = {
      .dialect = from.dialect(),
      .interrupts = *interrupts,
      .vectors = narrow.As<int>(".vectors", from.vectors(), kMaxVectors),
      .registers = {.mask = from.mask(), .status = from.status()}};
  if (from.has_id()) device.id = narrow.As<PeerId>(".id", from.id());
  if (!narrow.status().ok()) return narrow.status();
  return device;
}

absl::StatusOr<pci::FunctionState> DecodeFunction(const state::PciState& from) {
  if (from.bars_size() != pci::kBars) {
    return Invalid(".bars", absl::StrCat(pci::kBars, " registers"),
                   absl::StrCat(from.bars_size()));
  }
  if (from.msix_size() > kMaxVectors) {
    return Invalid(".msix", absl::StrCat("at most ", kMaxVectors),
                   absl::StrCat(from.msix_size()));
  }
  Narrow narrow;
  const auto word = [&](const char* field, uint32_t value) {
    return narrow.As<uint16_t>(field, value);
  };
  const auto byte = [&](const char* field, uint32_t value) {
    return narrow.As<uint8_t>(field, value);
  };
  pci::FunctionState function = {
      .vendor_id = word(".vendor_id", from.vendor_id()),
      .device_id = word(".device_id", from.device_id()),
      .revision = byte(".revision", from.revision()),
      .class_code =
          narrow.As<uint32_t>(".class_code", from.class_code(), 0xffffff),
      .header_type = byte(".header_type", from.header_type()),
      .subsystem_vendor_id =
          word(".subsystem_vendor_id", from.subsystem_vendor_id()),
      .subsystem_id = word(".subsystem_id", from.subsystem_id()),
      .command = word(".command", from.command()),
      .cache_line_size = byte(".cache_line_size", from.cache_line_size()),
      .interrupt_line = byte(".interrupt_line", from.interrupt_line()),
      .msix_control = word(".msix_control", from.msix_control())};
  if (!narrow.status().ok()) return narrow.status();
  for (int bar = 0; bar < pci::kBars; ++bar) {
    function.bars[bar] = from.bars(bar);
  }
  function.msix.reserve(from.msix_size());
  for (const state::MsixVectorState& vector : from.msix()) {
    function.msix.push_back({.address = vector.address(),
                             .data = vector.data(),
                             .control = vector.control(),
                             .pending = vector.pending()});
  }
  return function;
}

absl::StatusOr<std::array<bool, pci::kBars>> DecodeHidden(
    const state::PciState& from) {
  std::array<bool, pci::kBars> hidden = {};
  uint32_t least = 0;
  for (const uint32_t bar : from.hidden_bars()) {
    if (bar < least || bar >= pci::kBars) {
      return Invalid(".hidden_bars",
                     absl::StrCat("ascending numbers below ", pci::kBars),
                     absl::StrCat(bar));
    }
    hidden[bar] = true;
    least = bar + 1;
  }
  return hidden;
}

absl::Status CheckKnown(absl::string_view field,
                        const google::protobuf::Message& message) {
  const google::protobuf::UnknownFieldSet& unknown =
      message.GetReflection()->GetUnknownFields(message);
  if (unknown.empty()) return absl::OkStatus();
  return Invalid(
      field, "fields that this library knows",
      absl::StrFormat("field %d, of a newer one", unknown.field(0).number()));
}

// A field that is not known may be a part of the guest's state, which then
// would not be as it was.
absl::Status CheckKnown(const state::DeviceState& from) {
  for (const absl::Status& status :
       {CheckKnown("", from), CheckKnown(".pci", from.pci()),
        CheckKnown(".flat", from.flat())}) {
    if (!status.ok()) return status;
  }
  for (int i = 0; i < from.pci().msix_size(); ++i) {
    absl::Status status =
        CheckKnown(absl::StrCat(".msix[", i, "]"), from.pci().msix(i));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<SavedDevice> Decode(const state::DeviceState& from) {
  if (from.version() != kVersion) {
    return Invalid(".version", absl::StrCat(kVersion),
                   from.version() > kVersion
                       ? absl::StrCat(from.version(), ", of a newer library")
                       : "none");
  }
  if (absl::Status status = CheckKnown(from); !status.ok()) return status;
  absl::StatusOr<DeviceState> device = DecodeDevice(from);
  if (!device.ok()) return device.status();
  const absl::StatusOr<MemoryRole> role = FromProto(from.role());
  if (!role.ok()) return role.status();
  const MemoryState memory = {.size = from.memory_size(),
                              .access = from.read_only()
                                            ? MemoryAccess::kReadOnly
                                            : MemoryAccess::kReadWrite,
                              .role = *role};
  switch (from.bus_case()) {
    case state::DeviceState::kPci: {
      absl::StatusOr<pci::FunctionState> function = DecodeFunction(from.pci());
      if (!function.ok()) return function.status();
      const absl::StatusOr<std::array<bool, pci::kBars>> hidden =
          DecodeHidden(from.pci());
      if (!hidden.ok()) return hidden.status();
      return PciDeviceState{.device = *std::move(device),
                            .memory = memory,
                            .function = *std::move(function),
                            .hidden_bars = *hidden};
    }
    case state::DeviceState::kFlat:
      return FlatDeviceState{
          .device = *std::move(device),
          .memory = memory,
          .registers_address = from.flat().registers_address(),
          .memory_address = from.flat().memory_address()};
    case state::DeviceState::BUS_NOT_SET:
      break;
  }
  return Invalid("", "pci or flat", "neither");
}

absl::Status CheckSize(absl::string_view bytes) {
  if (bytes.size() <= kMostStateBytes) return absl::OkStatus();
  return Invalid("", absl::StrCat("at most ", kMostStateBytes, " bytes"),
                 absl::StrCat(bytes.size()));
}

}  // namespace

std::string EncodeState(const SavedDevice& saved) {
  state::DeviceState to;
  if (const auto* device = std::get_if<PciDeviceState>(&saved)) {
    Encode(device->device, device->memory, to);
    Encode(device->function, *to.mutable_pci());
    for (int bar = 0; bar < pci::kBars; ++bar) {
      if (device->hidden_bars[bar]) to.mutable_pci()->add_hidden_bars(bar);
    }
  } else if (const auto* flat = std::get_if<FlatDeviceState>(&saved)) {
    Encode(flat->device, flat->memory, to);
    to.mutable_flat()->set_registers_address(flat->registers_address);
    to.mutable_flat()->set_memory_address(flat->memory_address);
  }
  return to.SerializeAsString();
}

absl::StatusOr<SavedDevice> DecodeState(absl::string_view bytes) {
  if (absl::Status status = CheckSize(bytes); !status.ok()) return status;
  state::DeviceState from;
  if (!from.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("", "a DeviceState of device_state.proto", "other bytes");
  }
  return Decode(from);
}

absl::StatusOr<SavedDevice> DecodeStateText(absl::string_view text) {
  if (absl::Status status = CheckSize(text); !status.ok()) return status;
  state::DeviceState from;
  if (absl::Status status = ParseText(text, from); !status.ok()) return status;
  return Decode(from);
}

}  // namespace ivshmem
