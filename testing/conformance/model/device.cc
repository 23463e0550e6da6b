// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/device.h"

namespace ivshmem::conformance {
namespace {

constexpr int kRegisters = 0;
constexpr int kMsix = 1;
constexpr int kMemory = 2;

uint64_t ToNumber(const Bytes& bytes, uint64_t at, uint64_t size) {
  uint64_t value = 0;
  for (uint64_t i = 0; i < size && i < 8; ++i) {
    value |= uint64_t{bytes[at + i]} << (8 * i);
  }
  return value;
}

void FromNumber(uint64_t value, uint64_t at, uint64_t size, Bytes& bytes) {
  for (uint64_t i = 0; i < size; ++i) {
    bytes[at + i] = i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : 0;
  }
}

}  // namespace

Device::Device(const Facts& facts)
    : facts_(facts),
      registers_{.kind = facts.kind, .interrupts = facts.interrupts},
      config_(facts),
      msix_(facts.interrupts == Interrupts::kMsix ? facts.vectors : 0) {
  config_.PlaceByFirmware(facts);
  FollowConfig();
}

uint64_t Device::SizeOf(int bar) const {
  if (facts_.pci()) return config_.BarSize(bar);
  // The flat device: 16 bytes of registers, the memory, no MSI-X.
  if (bar == kRegisters) return 16;
  return bar == kMemory ? facts_.memory_size : 0;
}

// A flat device is where its machine has it, a BAR where software decodes it.
std::optional<uint64_t> Device::Place(int bar) const {
  if (facts_.pci()) return config_.BarAddress(bar);
  if (bar == kRegisters) return facts_.registers_address;
  if (bar == kMemory) return facts_.memory_address;
  return std::nullopt;
}

bool Device::IsFree(uint64_t address, uint64_t size) const {
  for (int bar = 0; bar < 3; ++bar) {
    if (!shown_[bar].has_value()) continue;
    const uint64_t start = *shown_[bar];
    if (address <= start + (SizeOf(bar) - 1) && start <= address + (size - 1)) {
      return false;
    }
  }
  return true;
}

// PCI leaves open who answers where two BARs overlap. Here it is who was there
// first, of those that come at once the lowest; who came too late is nowhere
// until software moves it or decodes it anew.
void Device::FollowConfig() {
  msix_.enabled = config_.MsixEnabled();
  msix_.function_masked = config_.MsixFunctionMasked();
  msix_.bus_master = config_.BusMaster();
  std::array<bool, 3> moved = {};
  for (int bar = 0; bar < 3; ++bar) {
    moved[bar] = Place(bar) != wanted_[bar];
    wanted_[bar] = Place(bar);
    if (moved[bar]) shown_[bar] = std::nullopt;
  }
  for (int bar = 0; bar < 3; ++bar) {
    if (moved[bar] && wanted_[bar].has_value() &&
        IsFree(*wanted_[bar], SizeOf(bar))) {
      shown_[bar] = wanted_[bar];
    }
  }
}

std::optional<int> Device::BarAt(uint64_t address) const {
  for (int bar = 0; bar < 3; ++bar) {
    if (shown_[bar].has_value() && address >= *shown_[bar] &&
        address - *shown_[bar] < SizeOf(bar)) {
      return bar;
    }
  }
  return std::nullopt;
}

// An access that lies in several ranges, or partly in none, is as many
// accesses.
std::vector<Device::Part> Device::Split(uint64_t address, uint64_t size) const {
  // Nothing is behind the last address; an access that goes on there gets lost.
  if (address + (size - 1) < address) return {{.at = 0, .size = size}};
  std::vector<Part> parts;
  for (uint64_t i = 0; i < size; ++i) {
    const std::optional<int> bar = BarAt(address + i);
    if (i == 0 || bar != parts.back().bar) {
      Part part{.at = i, .size = 0, .bar = bar};
      if (bar.has_value()) part.offset = address + i - *shown_[*bar];
      parts.push_back(part);
    }
    ++parts.back().size;
  }
  return parts;
}

// PCI 6.1: config space has 256 bytes, accessed by any byte enables. Beyond
// nobody answers, which reads ones.
Bytes Device::ReadConfig(uint64_t offset, uint64_t size) const {
  Bytes bytes(size, 0xff);
  for (uint64_t i = 0; i < size && offset + i >= offset; ++i) {
    bytes[i] = config_.Read(offset + i, registers_.Level());
  }
  return bytes;
}

void Device::WriteConfig(uint64_t offset, const Bytes& bytes,
                         DeviceEffects& effects) {
  for (uint64_t i = 0; i < bytes.size() && offset + i >= offset; ++i) {
    config_.Write(offset + i, bytes[i]);
  }
  FollowConfig();
  msix_.SendPending(effects.messages);
}

// Where nobody answers, all bits read one.
Bytes Device::ReadAddress(uint64_t address, uint64_t size,
                          const Bytes& memory) {
  Bytes bytes(size, 0xff);
  for (const Part& part : Split(address, size)) {
    if (!part.bar.has_value()) continue;
    if (*part.bar == kRegisters) {
      FromNumber(registers_.Read(part.offset, part.size), part.at, part.size,
                 bytes);
    } else if (*part.bar == kMsix) {
      FromNumber(msix_.Read(part.offset, part.size), part.at, part.size, bytes);
    } else {
      for (uint64_t i = 0; i < part.size; ++i) {
        bytes[part.at + i] = memory[part.offset + i];
      }
    }
  }
  return bytes;
}

void Device::WriteAddress(uint64_t address, const Bytes& bytes, Bytes& memory,
                          DeviceEffects& effects) {
  for (const Part& part : Split(address, bytes.size())) {
    if (!part.bar.has_value()) continue;
    const uint64_t value = ToNumber(bytes, part.at, part.size);
    if (*part.bar == kRegisters) {
      for (uint32_t doorbell :
           registers_.Write(part.offset, part.size, value)) {
        effects.doorbells.push_back(doorbell);
      }
    } else if (*part.bar == kMsix) {
      msix_.Write(part.offset, part.size, value);
      msix_.SendPending(effects.messages);
    } else if (!facts_.read_only) {
      for (uint64_t i = 0; i < part.size; ++i) {
        memory[part.offset + i] = bytes[part.at + i];
      }
    }
  }
}

// What a device that is not configured for interrupts gets is lost. Revision 0
// without MSI-X takes any vector for the one that it has, and the flat device
// pulses its line for each that it has.
void Device::Interrupt(uint32_t vector, DeviceEffects& effects) {
  switch (facts_.interrupts) {
    case Interrupts::kNone:
      break;
    case Interrupts::kMsix:
      msix_.Interrupt(vector, effects.messages);
      break;
    case Interrupts::kIntx:
      registers_.Interrupt();
      break;
    case Interrupts::kPulse:
      if (vector < facts_.vectors) ++effects.pulses;
  }
}

// PCI 4.3: reset brings config space to its initial state; where firmware had
// placed the BARs is forgotten. MSI-X and the device's registers likewise.
void Device::Reset() {
  registers_.Reset();
  config_ = ConfigSpace(facts_);
  msix_.Reset();
  FollowConfig();
}

// PCI 6.2.2: Interrupt Disable keeps the function from asserting INTx.
bool Device::Line() const {
  return registers_.Level() && !config_.IntxDisabled();
}

}  // namespace ivshmem::conformance
