// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/guest.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "backends/doorbell_accelerator.h"
#include "bus/access.h"

namespace ivshmem::script {
namespace {

constexpr uint32_t kMostBytes = 64;

uint32_t Size(const Access& access) {
  return access.has_size() ? access.size() : 4;
}

mock::Accelerator::Options AcceleratorOptions(Acceleration acceleration) {
  mock::Accelerator::Options options;
  if (acceleration == Acceleration::kLimited) options.capacity = 2;
  if (acceleration == Acceleration::kSwallowing) {
    options.miss_policy = DoorbellAccelerator::MissPolicy::kSwallowed;
  }
  return options;
}

mock::Router::Options RouterOptions(Acceleration acceleration) {
  mock::Router::Options options;
  if (acceleration == Acceleration::kLimited) options.capacity = 1;
  return options;
}

}  // namespace

Guest::Guest(const DeviceConfig& config, const SharedMemory& memory,
             Carriers& carriers, Acceleration acceleration)
    : config_(config),
      memory_(memory),
      carriers_(carriers),
      acceleration_(acceleration),
      accelerator_(&carriers.events(), AcceleratorOptions(acceleration)),
      router_(&carriers.events(), &msi_, RouterOptions(acceleration)),
      space_({.accelerator = &accelerator_}) {}

Guest::~Guest() { Unplug(); }

PciDevice::Host Guest::PciHost() {
  PciDevice::Host host = {.mmio = &space_,
                          .msi = &msi_,
                          .intx = &line_,
                          .executor = &executor_,
                          .timers = &timers_,
                          .clock = &timers_};
  if (accelerated()) {
    host.mapper = &space_;
    host.doorbells = &accelerator_;
    host.router = &router_;
  }
  return host;
}

FlatDevice::Host Guest::FlatHost() {
  FlatDevice::Host host = {.mmio = &space_,
                           .executor = &executor_,
                           .timers = &timers_,
                           .clock = &timers_};
  if (std::get<FlatDeviceConfig>(config_.bus).irq.has_value()) {
    host.irq = &pulse_;
  }
  if (accelerated()) {
    host.mapper = &space_;
    host.doorbells = &accelerator_;
  }
  return host;
}

void Guest::MakeVectors() {
  for (int v = 0; v < device()->config().vectors; ++v) {
    const auto vector = static_cast<Vector>(v);
    vectors_[vector] = carriers_.Make(
        [device = device(), vector] { device->OnPeerInterrupt(vector); });
  }
}

absl::Status Guest::Plug() {
  if (const auto* pci = std::get_if<PciDeviceConfig>(&config_.bus)) {
    auto made = PciDevice::Create(pci->device, memory_, PciHost());
    if (!made.ok()) return made.status();
    pci_ = *std::move(made);
  } else {
    const auto& flat = std::get<FlatDeviceConfig>(config_.bus);
    auto made = FlatDevice::Create(flat.device, memory_, FlatHost());
    if (!made.ok()) return made.status();
    flat_ = *std::move(made);
  }
  MakeVectors();
  return absl::OkStatus();
}

SavedDevice Guest::Save() {
  if (pci_ != nullptr) return pci_->Save();
  return flat_->Save();
}

absl::Status Guest::CheckState(const SavedDevice& state) const {
  if (const auto* pci = std::get_if<PciDeviceConfig>(&config_.bus)) {
    if (!std::holds_alternative<PciDeviceState>(state)) {
      return absl::InvalidArgumentError(
          "state: expected a PCI device's, got a flat one's");
    }
    // On a host that there is not, so that nobody hears of it.
    return PciDevice::Restore(pci->device, memory_, {},
                              std::get<PciDeviceState>(state))
        .status();
  }
  if (!std::holds_alternative<FlatDeviceState>(state)) {
    return absl::InvalidArgumentError(
        "state: expected a flat device's, got a PCI one's");
  }
  const auto& flat = std::get<FlatDeviceConfig>(config_.bus);
  mock::PulseRecorder pulse;
  FlatDevice::Host host;
  if (flat.irq.has_value()) host.irq = &pulse;
  return FlatDevice::Restore(flat.device, memory_, host,
                             std::get<FlatDeviceState>(state))
      .status();
}

absl::Status Guest::Restore(const SavedDevice& state) {
  if (absl::Status check = CheckState(state); !check.ok()) return check;
  if (const auto* pci = std::get_if<PciDeviceConfig>(&config_.bus)) {
    auto made = PciDevice::Restore(pci->device, memory_, PciHost(),
                                   std::get<PciDeviceState>(state));
    if (!made.ok()) return made.status();
    pci_ = *std::move(made);
  } else {
    const auto& flat = std::get<FlatDeviceConfig>(config_.bus);
    auto made = FlatDevice::Restore(flat.device, memory_, FlatHost(),
                                    std::get<FlatDeviceState>(state));
    if (!made.ok()) return made.status();
    flat_ = *std::move(made);
  }
  MakeVectors();
  return absl::OkStatus();
}

void Guest::Unplug() {
  for (auto& [vector, carrier] : vectors_) carrier->Close();
  pci_ = nullptr;
  flat_ = nullptr;
  vectors_.clear();
  // What it held up falls.
  if (line_.level()) line_.SetLevel(false);
}

Device* Guest::device() {
  if (pci_ != nullptr) return &pci_->device();
  if (flat_ != nullptr) return &flat_->device();
  return nullptr;
}

absl::Status Guest::CheckAccess(const Access& access) const {
  if (Size(access) < 1 || Size(access) > kMostBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "size: expected 1..%d, got %d", kMostBytes, Size(access)));
  }
  if (access.place_case() == Access::PLACE_NOT_SET) {
    return absl::InvalidArgumentError("place: expected one, got none");
  }
  const bool of_pci = access.has_config() || access.has_msix();
  if (of_pci && !std::holds_alternative<PciDeviceConfig>(config_.bus)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: expected a PCI device, got '%s', which is flat",
                        access.has_config() ? "config" : "msix", config_.name));
  }
  return absl::OkStatus();
}

std::optional<uint64_t> Guest::Base(const Access& access) const {
  if (const auto* flat = std::get_if<FlatDeviceConfig>(&config_.bus)) {
    return access.has_registers() ? flat->device.registers_address
                                  : flat->device.memory_address;
  }
  if (pci_ == nullptr) return std::nullopt;
  return pci_->function().BarAddress(
      access.has_registers() ? PciDevice::kRegisterBar
      : access.has_msix()    ? PciDevice::kMsixBar
                             : PciDevice::kMemoryBar);
}

std::optional<uint64_t> Guest::Address(const Access& access) const {
  if (access.has_address()) return access.address();
  const std::optional<uint64_t> base = Base(access);
  if (!base.has_value()) return std::nullopt;
  if (access.has_registers()) return *base + access.registers();
  if (access.has_msix()) return *base + access.msix();
  return *base + access.memory();
}

absl::StatusOr<uint64_t> Guest::Read(const Access& access) {
  if (absl::Status check = CheckAccess(access); !check.ok()) return check;
  std::array<uint8_t, kMostBytes> room;
  room.fill(0xff);
  const absl::Span<uint8_t> bytes(room.data(), Size(access));
  if (access.has_config()) {
    if (pci_ != nullptr) pci_->ConfigRead(access.config(), bytes);
  } else if (const auto address = Address(access); address.has_value()) {
    space_.Read(*address, bytes);
  }
  return LoadLittleEndian(
      bytes.first(std::min<size_t>(bytes.size(), sizeof(uint64_t))));
}

absl::Status Guest::Write(const Access& access) {
  if (absl::Status check = CheckAccess(access); !check.ok()) return check;
  std::array<uint8_t, kMostBytes> room = {};
  const absl::Span<uint8_t> bytes(room.data(), Size(access));
  StoreLittleEndian(access.value(), bytes.first(std::min<size_t>(
                                        bytes.size(), sizeof(uint64_t))));
  if (access.has_config()) {
    if (pci_ != nullptr) pci_->ConfigWrite(access.config(), bytes);
  } else if (const auto address = Address(access); address.has_value()) {
    space_.Write(*address, bytes);
  }
  return absl::OkStatus();
}

void Guest::Reset() {
  if (pci_ != nullptr) pci_->Reset();
  if (flat_ != nullptr) flat_->Reset();
}

void Guest::Interrupt(Vector vector) {
  const auto carrier = vectors_.find(vector);
  if (carrier != vectors_.end()) {
    carrier->second->Signal();
  } else {
    device()->OnPeerInterrupt(vector);
  }
}

void Guest::TakeEffects(Effects& effects) {
  for (const pci::MsiMessage& sent : msi_.Take()) {
    Message& message = *effects.add_messages();
    message.set_device(config_.name);
    message.set_address(sent.address);
    message.set_data(sent.data);
  }
  for (size_t pulses = pulse_.Take().size(); pulses != 0; --pulses) {
    effects.add_pulses()->set_device(config_.name);
  }
  line_.Take();
  const bool level = line_.level();
  if (std::exchange(line_seen_, level) != level) {
    Line& line = *effects.add_lines();
    line.set_device(config_.name);
    line.set_asserted(level);
  }
}

}  // namespace ivshmem::script
