// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/facts.h"

namespace ivshmem::conformance {
namespace {

Kind KindOf(const config::Pci& pci) {
  switch (pci.dialect()) {
    case config::Pci::REV0:
      return Kind::kRevision0;
    case config::Pci::QEMU:
      return Kind::kQemu;
    case config::Pci::ACRN:
      return Kind::kAcrn;
    default:
      return Kind::kRevision1;
  }
}

// The specification's device has the vectors it is configured with; without a
// number QEMU's has 1. ACRN's has 8. One level knows of no vectors.
uint32_t VectorsOf(const config::Pci& pci, Interrupts interrupts) {
  if (interrupts == Interrupts::kNone) return 0;
  if (interrupts == Interrupts::kIntx) return 1;
  if (pci.vectors() != 0) return pci.vectors();
  return pci.dialect() == config::Pci::ACRN ? 8 : 1;
}

Interrupts InterruptsOf(const config::Pci& pci) {
  switch (pci.interrupts()) {
    case config::Pci::INTX:
      return Interrupts::kIntx;
    case config::Pci::NONE:
      return Interrupts::kNone;
    default:
      return Interrupts::kMsix;
  }
}

// PCI 6.2.1: the bit says that the slot has several functions. ACRN sets it in
// every function 0.
bool MultiFunction(const config::World& world, const config::Device& device) {
  const config::Pci& pci = device.pci();
  if (pci.has_multi_function()) return pci.multi_function();
  if (pci.dialect() == config::Pci::ACRN && pci.function() == 0) return true;
  for (const config::Device& other : world.devices()) {
    if (other.has_pci() && other.name() != device.name() &&
        other.pci().slot() == pci.slot()) {
      return true;
    }
  }
  return false;
}

void ReadPci(const config::World& world, const config::Device& device,
             Facts& facts) {
  const config::Pci& pci = device.pci();
  facts.kind = KindOf(pci);
  facts.interrupts = InterruptsOf(pci);
  facts.vectors = VectorsOf(pci, facts.interrupts);
  // QEMU's is 1af4:1100. ACRN's is Intel's and the region's number, which
  // config.proto gives as the subsystem id.
  const bool acrn = facts.kind == Kind::kAcrn;
  facts.subsystem_vendor_id = acrn ? 0x8086 : 0x1af4;
  facts.subsystem_id = acrn ? 0 : 0x1100;
  if (pci.has_subsystem_vendor_id()) {
    facts.subsystem_vendor_id =
        static_cast<uint16_t>(pci.subsystem_vendor_id());
  }
  if (pci.has_subsystem_id()) {
    facts.subsystem_id = static_cast<uint16_t>(pci.subsystem_id());
  }
  facts.multi_function = MultiFunction(world, device);
  if (pci.has_bar0()) facts.firmware_bars[0] = pci.bar0();
  if (pci.has_bar1()) facts.firmware_bars[1] = pci.bar1();
  if (pci.has_bar2()) facts.firmware_bars[2] = pci.bar2();
}

void ReadFlat(const config::Flat& flat, Facts& facts) {
  facts.kind = Kind::kFlat;
  facts.interrupts = flat.has_irq() ? Interrupts::kPulse : Interrupts::kNone;
  facts.vectors = flat.vectors() == 0 ? 2 : flat.vectors();
  if (!flat.has_irq()) facts.vectors = 0;
  facts.registers_address = flat.registers_address();
  facts.memory_address = flat.memory_address();
}

}  // namespace

Facts FactsOf(const config::World& world, const config::Device& device) {
  Facts facts;
  facts.read_only = device.read_only();
  if (device.has_id()) facts.id = device.id();
  for (const config::Region& region : world.regions()) {
    if (region.name() == device.region()) facts.memory_size = region.size();
  }
  if (device.has_pci()) {
    ReadPci(world, device, facts);
  } else {
    ReadFlat(device.flat(), facts);
  }
  return facts;
}

}  // namespace ivshmem::conformance
