// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/worlds.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "bus/pci/msix.h"
#include "bus/pci/registers.h"
#include "core/registers.h"

namespace ivshmem::script {
namespace {

using config::Pci;

constexpr uint64_t kRegionSize = 0x4000;
// Each of a world's devices has such a piece of each place.
constexpr uint64_t kApart = 0x100000;
constexpr uint64_t kMessages = 0x100000;
constexpr uint64_t kMessagesOfDevice = 0x1000;
constexpr uint64_t kMessageBytes = 16;

constexpr uint64_t kEntryBytes = 16;
constexpr uint32_t kFirstData = 0x40;

config::World OneRegion() {
  config::World world;
  config::Region& region = *world.add_regions();
  region.set_name("shared");
  region.set_size(kRegionSize);
  return world;
}

config::Device& AddDevice(config::World& world, const char* name, int id) {
  config::Device& device = *world.add_devices();
  device.set_name(name);
  device.set_region("shared");
  device.set_id(id);
  return device;
}

void AddPci(config::World& world, const char* name, int id,
            Pci::Dialect dialect, Pci::Interrupts interrupts, int vectors) {
  Pci& pci = *AddDevice(world, name, id).mutable_pci();
  pci.set_slot(4 + world.devices_size());
  pci.set_dialect(dialect);
  pci.set_interrupts(interrupts);
  pci.set_vectors(vectors);
}

void AddFlat(config::World& world, const char* name, int id, bool irq) {
  const uint64_t piece = kApart * (world.devices_size());
  config::Flat& flat = *AddDevice(world, name, id).mutable_flat();
  flat.set_registers_address(0x40000000 + piece);
  flat.set_memory_address(0x60000000 + piece);
  if (irq) flat.set_irq(3);
}

config::World OnePci(Pci::Dialect dialect, Pci::Interrupts interrupts,
                     int vectors) {
  config::World world = OneRegion();
  AddPci(world, "pci", 1, dialect, interrupts, vectors);
  return world;
}

config::World OneFlat(bool irq) {
  config::World world = OneRegion();
  AddFlat(world, "flat", 1, irq);
  return world;
}

std::vector<config::World> MakeWorlds() {
  std::vector<config::World> worlds = {
      OnePci(Pci::REV1, Pci::MSIX, 2), OnePci(Pci::REV1, Pci::NONE, 0),
      OnePci(Pci::REV0, Pci::INTX, 1), OnePci(Pci::REV0, Pci::MSIX, 2),
      OnePci(Pci::REV0, Pci::NONE, 0), OnePci(Pci::QEMU, Pci::MSIX, 2),
      OnePci(Pci::QEMU, Pci::NONE, 0), OnePci(Pci::ACRN, Pci::MSIX, 8),
      OnePci(Pci::ACRN, Pci::NONE, 0), OneFlat(/*irq=*/true),
      OneFlat(/*irq=*/false),
  };
  config::World two = OneRegion();
  AddPci(two, "first", 0, Pci::REV1, Pci::MSIX, 2);
  AddPci(two, "second", 1, Pci::REV1, Pci::MSIX, 3);
  worlds.push_back(two);
  config::World mixed = OneRegion();
  AddPci(mixed, "pci", 0, Pci::REV0, Pci::INTX, 1);
  AddFlat(mixed, "flat", 1, /*irq=*/true);
  worlds.push_back(mixed);
  // Pending bits of three quadwords, behind a table that leaves them no room at
  // their usual place.
  worlds.push_back(OnePci(Pci::REV1, Pci::MSIX, 130));
  worlds.push_back(OnePci(Pci::QEMU, Pci::MSIX, 70));
  config::World read_only = OnePci(Pci::REV1, Pci::MSIX, 1);
  read_only.mutable_devices(0)->set_read_only(true);
  worlds.push_back(read_only);
  return worlds;
}

// Writes steps of one device.
class Writer {
 public:
  Writer(std::string device, std::vector<Step>& steps)
      : device_(std::move(device)), steps_(steps) {}

  void Config(uint64_t offset, uint32_t size, uint64_t value) {
    Access& access = Write(value);
    access.set_config(offset);
    if (size != 4) access.set_size(size);
  }
  void Registers(uint64_t offset, uint64_t value) {
    Write(value).set_registers(offset);
  }
  void Msix(uint64_t offset, uint64_t value) { Write(value).set_msix(offset); }

 private:
  Access& Write(uint64_t value) {
    Step& step = steps_.emplace_back();
    step.set_device(device_);
    step.mutable_write()->set_value(value);
    return *step.mutable_write();
  }

  const std::string device_;
  std::vector<Step>& steps_;
};

void PlaceBars(const Aims& aims, Writer& writer) {
  writer.Config(pci::kBar0, 4, aims.homes[0]);
  if (aims.vectors > 0) writer.Config(pci::kBar0 + 4, 4, aims.homes[1]);
  writer.Config(pci::kBar0 + 8, 4, aims.homes[2] & 0xffffffff);
  writer.Config(pci::kBar0 + 12, 4, aims.homes[2] >> 32);
  writer.Config(pci::kCommand, 2,
                pci::kCommandMemorySpace | pci::kCommandBusMaster);
}

void EnableInterrupts(const config::Device& device, int index, const Aims& aims,
                      Writer& writer) {
  if (device.pci().interrupts() == Pci::INTX) {
    writer.Registers(kMaskOffset, 0xffffffff);
  }
  if (aims.vectors == 0) return;
  for (int vector = 0; vector < aims.vectors; ++vector) {
    const uint64_t entry = kEntryBytes * vector;
    writer.Msix(entry, MessageAddress(index, vector));
    writer.Msix(entry + 8, kFirstData + vector);
    writer.Msix(entry + 12, 0);
  }
  writer.Config(pci::kMsixControl, 2, pci::kMsixControlEnable);
}

Step Joins(uint32_t id, uint32_t vectors) {
  Step step;
  step.mutable_peer_joins()->set_id(id);
  step.mutable_peer_joins()->set_vectors(vectors);
  return step;
}

}  // namespace

const std::vector<config::World>& Worlds() {
  static const auto& worlds = *new std::vector<config::World>(MakeWorlds());
  return worlds;
}

std::vector<Step> StepsOf(Stage stage, const config::World& world) {
  std::vector<Step> steps;
  if (stage == Stage::kNothing) return steps;
  for (int index = 0; index < world.devices_size(); ++index) {
    const config::Device& device = world.devices(index);
    if (!device.has_pci()) continue;
    const Aims aims = AimsOf(world, index);
    Writer writer(index == 0 ? "" : device.name(), steps);
    PlaceBars(aims, writer);
    if (stage == Stage::kFirmware) continue;
    EnableInterrupts(device, index, aims, writer);
  }
  if (stage == Stage::kPeers) {
    steps.push_back(Joins(kFavouriteIds[0], 2));
    steps.push_back(Joins(kFavouriteIds[1], 1));
  }
  return steps;
}

Aims AimsOf(const config::World& world, int index) {
  const config::Device& device = world.devices(index);
  Aims aims = {.flat = device.has_flat()};
  for (const config::Region& region : world.regions()) {
    if (region.name() == device.region()) aims.memory = region.size();
  }
  if (aims.flat) {
    aims.homes = {device.flat().registers_address(), 0,
                  device.flat().memory_address()};
    aims.others = aims.homes;
    return aims;
  }
  const uint64_t piece = kApart * index;
  if (device.pci().interrupts() == Pci::MSIX) {
    aims.vectors = std::max<int>(1, static_cast<int>(device.pci().vectors()));
    aims.pending = pci::MsixLayout::For(aims.vectors).pba_offset;
  }
  aims.homes = {0xfe000000 + piece, 0xfe010000 + piece, 0x800000000 + piece};
  aims.others = {0xe0000000 + piece, 0xe0010000 + piece, 0xd0000000 + piece};
  return aims;
}

uint64_t MessageAddress(int index, int vector) {
  return kMessages + kMessagesOfDevice * index + kMessageBytes * (vector % 256);
}

}  // namespace ivshmem::script
