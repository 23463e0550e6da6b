// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/settings.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/config.pb.h"
#include "script/worlds.h"

namespace ivshmem::conformance {
namespace {

using config::Pci;

void MakeFlat(int index, config::Device& device) {
  config::Flat& flat = *device.mutable_flat();
  // QEMU's machine has them elsewhere; the device does not care.
  flat.set_registers_address(0x40000000);
  flat.set_memory_address(0x60000000);
  // Rarely without a line.
  if (*rc::gen::weightedElement<bool>({{9, true}, {1, false}})) {
    flat.set_irq(3 + index);
  }
  flat.set_vectors(*rc::gen::element(0, 1, 3, 64));
}

void MakePci(Pci::Dialect dialect, Pci::Interrupts interrupts, int index,
             config::Device& device) {
  Pci& pci = *device.mutable_pci();
  // Sometimes two functions of one slot.
  pci.set_slot(4 + (index == 0 ? 0 : *rc::gen::inRange(0, 2)));
  pci.set_function(index);
  pci.set_dialect(dialect);
  pci.set_interrupts(interrupts);
  // Pending bits of one dword and of several, in the middle of 4 KiB and
  // behind a longer table.
  if (interrupts == Pci::MSIX) {
    pci.set_vectors(*rc::gen::weightedElement<uint32_t>(
        {{20, 2}, {8, 1}, {8, 0}, {8, 40}, {1, 129}, {1, 300}}));
  }
  if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) {
    pci.set_subsystem_vendor_id(0x1234);
    pci.set_subsystem_id(*rc::gen::inRange(0, 0x10000));
  }
  if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) {
    pci.set_multi_function(*rc::gen::arbitrary<bool>());
  }
}

void MakeOf(Setting setting, int index, config::Device& device) {
  switch (setting) {
    case Setting::kRevision1:
      return MakePci(Pci::REV1, Pci::MSIX, index, device);
    case Setting::kRevision1Plain:
      return MakePci(Pci::REV1, Pci::NONE, index, device);
    case Setting::kRevision0Intx:
      return MakePci(Pci::REV0, Pci::INTX, index, device);
    case Setting::kRevision0Msix:
      return MakePci(Pci::REV0, Pci::MSIX, index, device);
    case Setting::kQemu:
      return MakePci(Pci::QEMU, Pci::MSIX, index, device);
    case Setting::kAcrn:
      return MakePci(Pci::ACRN, Pci::MSIX, index, device);
    case Setting::kFlat:
      return MakeFlat(index, device);
  }
}

void PlaceByFirmware(const script::Aims& aims, config::Device& device) {
  if (!device.has_pci()) return;
  Pci& pci = *device.mutable_pci();
  pci.set_bar0(aims.homes[0]);
  if (aims.vectors != 0) pci.set_bar1(aims.homes[1]);
  pci.set_bar2(aims.homes[2]);
}

config::World AnyWorld(Setting setting) {
  config::World world;
  config::Region& region = *world.add_regions();
  region.set_name("shared");
  region.set_size(*rc::gen::element(0x1000, 0x100, 0x2000));
  const int devices = *rc::gen::inRange(1, 3);
  for (int i = 0; i < devices; ++i) {
    config::Device& device = *world.add_devices();
    device.set_name(i == 0 ? "first" : "second");
    device.set_region("shared");
    if (*rc::gen::arbitrary<bool>()) device.set_id(i == 0 ? 1 : 0);
    device.set_read_only(
        *rc::gen::weightedElement<bool>({{9, false}, {1, true}}));
    MakeOf(i == 0 ? setting
                  : *rc::gen::element(
                        Setting::kRevision1, Setting::kRevision1Plain,
                        Setting::kRevision0Intx, Setting::kRevision0Msix,
                        Setting::kQemu, Setting::kAcrn, Setting::kFlat),
           i, device);
    if (*rc::gen::arbitrary<bool>()) {
      PlaceByFirmware(script::AimsOf(world, i), device);
    }
  }
  return world;
}

}  // namespace

absl::string_view NameOf(Setting setting) {
  switch (setting) {
    case Setting::kRevision1:
      return "Revision1";
    case Setting::kRevision1Plain:
      return "Revision1Plain";
    case Setting::kRevision0Intx:
      return "Revision0Intx";
    case Setting::kRevision0Msix:
      return "Revision0Msix";
    case Setting::kQemu:
      return "Qemu";
    case Setting::kAcrn:
      return "Acrn";
    case Setting::kFlat:
      return "Flat";
  }
  return "";
}

std::ostream& operator<<(std::ostream& os, Setting setting) {
  return os << NameOf(setting);
}

rc::Gen<script::Script> AnyBeginning(Setting setting) {
  return rc::gen::exec([setting] {
    script::Script script;
    *script.mutable_world() = AnyWorld(setting);
    const auto stage =
        *rc::gen::weightedElement<script::Stage>({{1, script::Stage::kNothing},
                                                  {1, script::Stage::kFirmware},
                                                  {2, script::Stage::kDriver},
                                                  {6, script::Stage::kPeers}});
    for (const script::Step& step : script::StepsOf(stage, script.world())) {
      *script.add_steps() = step;
    }
    return script;
  });
}

}  // namespace ivshmem::conformance
