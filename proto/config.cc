// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "proto/config.h"

#include <set>
#include <utility>

#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/limits.h"
#include "device/memory_state.h"
#include "proto/config.pb.h"
#include "proto/text.h"

namespace ivshmem {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view expected,
                     absl::string_view got) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected %s, got %s", field, expected, got));
}

absl::Status CheckMost(absl::string_view field, uint64_t value, uint64_t most) {
  if (value <= most) return absl::OkStatus();
  return Invalid(field, absl::StrCat("0..", most), absl::StrCat(value));
}

// An error of a device whose place in the world is `at`.
absl::Status InDevice(absl::string_view at, const absl::Status& error) {
  return absl::Status(error.code(), absl::StrCat(at, ".", error.message()));
}

// A name that is new among `names`, which it joins.
absl::Status CheckName(absl::string_view field, const std::string& name,
                       std::set<std::string>& names) {
  if (name.empty()) return Invalid(field, "a name", "none");
  if (!names.insert(name).second) {
    return Invalid(field, "a name of its own",
                   absl::StrFormat("'%s' twice", name));
  }
  return absl::OkStatus();
}

Dialect PciDialect(config::Pci::Dialect dialect) {
  switch (dialect) {
    case config::Pci::REV0:
      return kRevision0;
    case config::Pci::QEMU:
      return kQemu;
    case config::Pci::ACRN:
      return kAcrn;
    default:
      return kRevision1;
  }
}

InterruptMode PciInterrupts(config::Pci::Interrupts interrupts) {
  switch (interrupts) {
    case config::Pci::INTX:
      return InterruptMode::kIntx;
    case config::Pci::NONE:
      return InterruptMode::kNone;
    default:
      return InterruptMode::kMsix;
  }
}

absl::StatusOr<PciDeviceConfig> ReadPci(absl::string_view at,
                                        const config::Pci& pci) {
  const absl::Status checks[] = {
      CheckMost(absl::StrCat(at, ".slot"), pci.slot(), 31),
      CheckMost(absl::StrCat(at, ".function"), pci.function(), 7),
      CheckMost(absl::StrCat(at, ".vectors"), pci.vectors(), kMaxVectors),
      CheckMost(absl::StrCat(at, ".subsystem_vendor_id"),
                pci.subsystem_vendor_id(), 0xffff),
      CheckMost(absl::StrCat(at, ".subsystem_id"), pci.subsystem_id(), 0xffff),
  };
  for (const absl::Status& check : checks) {
    if (!check.ok()) return check;
  }
  PciDeviceConfig config;
  config.slot = static_cast<int>(pci.slot());
  config.function = static_cast<int>(pci.function());
  config.device.dialect = PciDialect(pci.dialect());
  config.device.interrupts = PciInterrupts(pci.interrupts());
  config.device.vectors = static_cast<int>(pci.vectors());
  if (pci.has_subsystem_vendor_id()) {
    config.device.subsystem_vendor_id =
        static_cast<uint16_t>(pci.subsystem_vendor_id());
  }
  if (pci.has_subsystem_id()) {
    config.device.subsystem_id = static_cast<uint16_t>(pci.subsystem_id());
  }
  config.device.multi_function =
      pci.has_multi_function()
          ? pci.multi_function()
          : pci.dialect() == config::Pci::ACRN && pci.function() == 0;
  if (pci.has_bar0()) config.device.bar_addresses[0] = pci.bar0();
  if (pci.has_bar1()) config.device.bar_addresses[1] = pci.bar1();
  if (pci.has_bar2()) config.device.bar_addresses[2] = pci.bar2();
  return config;
}

absl::StatusOr<FlatDeviceConfig> ReadFlat(absl::string_view at,
                                          const config::Flat& flat) {
  const absl::Status check = CheckMost(absl::StrCat(at, ".vectors"),
                                       flat.vectors(), kQemuFlat.max_vectors);
  if (!check.ok()) return check;
  FlatDeviceConfig config;
  if (flat.has_irq()) config.irq = flat.irq();
  config.device.registers_address = flat.registers_address();
  config.device.memory_address = flat.memory_address();
  config.device.block.vectors = static_cast<int>(flat.vectors());
  return config;
}

absl::StatusOr<std::vector<RegionConfig>> ReadRegions(
    const config::World& world) {
  std::vector<RegionConfig> regions;
  std::set<std::string> names;
  for (int i = 0; i < world.regions_size(); ++i) {
    const config::Region& region = world.regions(i);
    const std::string at = absl::StrFormat("regions[%d]", i);
    const absl::Status check =
        CheckName(absl::StrCat(at, ".name"), region.name(), names);
    if (!check.ok()) return check;
    if (region.size() == 0) {
      return Invalid(absl::StrCat(at, ".size"), "one byte at least", "0");
    }
    regions.push_back({region.name(), region.size()});
  }
  return regions;
}

// The size of the region that `device` names.
absl::StatusOr<uint64_t> RegionSize(absl::string_view at,
                                    const config::Device& device,
                                    const std::vector<RegionConfig>& regions) {
  for (const RegionConfig& region : regions) {
    if (region.name != device.region()) continue;
    if (device.has_size() && device.size() != region.size) {
      return Invalid(absl::StrCat(at, ".size"),
                     absl::StrFormat("%d, the size of region '%s'", region.size,
                                     region.name),
                     absl::StrCat(device.size()));
    }
    if (device.has_pci() && !absl::has_single_bit(region.size)) {
      return Invalid(
          absl::StrCat(at, ".region"),
          "a region whose size is a power of two, as a BAR's is",
          absl::StrFormat("'%s' of %d bytes", region.name, region.size));
    }
    return region.size;
  }
  return Invalid(
      absl::StrCat(at, ".region"),
      absl::StrFormat("one of [%s]",
                      absl::StrJoin(regions, ", ",
                                    [](std::string* out, const auto& region) {
                                      absl::StrAppend(out, region.name);
                                    })),
      absl::StrFormat("'%s'", device.region()));
}

absl::StatusOr<RateLimit> ReadRate(absl::string_view at,
                                   const config::Rate& rate) {
  if (rate.per_second() == 0) {
    return Invalid(absl::StrCat(at, ".per_second"),
                   absl::StrCat("1..", RateLimit::kMost), "0");
  }
  RateLimit limit = {.per_second = rate.per_second()};
  if (rate.has_burst()) limit.burst = rate.burst();
  return limit;
}

absl::StatusOr<std::vector<AllowedRings>> ReadAllowList(
    absl::string_view at, const config::AllowList& list) {
  std::vector<AllowedRings> allowed;
  for (int i = 0; i < list.doorbells_size(); ++i) {
    const config::AllowedRings& from = list.doorbells(i);
    const std::string place = absl::StrFormat("%s.doorbells[%d]", at, i);
    for (const absl::Status& check :
         {CheckMost(absl::StrCat(place, ".peer"), from.peer(), kMaxPeers - 1),
          CheckMost(absl::StrCat(place, ".vector"), from.vector(),
                    kMaxVectors - 1)}) {
      if (!check.ok()) return check;
    }
    AllowedRings& to = allowed.emplace_back();
    if (from.has_peer()) to.peer = static_cast<PeerId>(from.peer());
    if (from.has_vector()) to.vector = static_cast<Vector>(from.vector());
  }
  return allowed;
}

absl::StatusOr<Limits> ReadLimits(absl::string_view at,
                                  const config::Limits& from) {
  Limits limits;
  if (from.has_rings()) {
    auto rate = ReadRate("limits.rings", from.rings());
    if (!rate.ok()) return InDevice(at, rate.status());
    limits.rings = *rate;
  }
  if (from.has_interrupts()) {
    auto rate = ReadRate("limits.interrupts", from.interrupts());
    if (!rate.ok()) return InDevice(at, rate.status());
    limits.interrupts = *rate;
  }
  if (from.has_may_ring()) {
    auto allowed = ReadAllowList("limits.may_ring", from.may_ring());
    if (!allowed.ok()) return InDevice(at, allowed.status());
    limits.may_ring = *std::move(allowed);
  }
  const absl::Status check = CheckLimits(limits);
  if (!check.ok()) return InDevice(at, check);
  return limits;
}

absl::StatusOr<MemoryRole> ReadRole(absl::string_view at,
                                    config::Device::Role role) {
  switch (role) {
    case config::Device::AUTO:
      return MemoryRole::kAuto;
    case config::Device::OWNER:
      return MemoryRole::kOwner;
    case config::Device::PEER:
      return MemoryRole::kPeer;
    default:
      return Invalid(absl::StrCat(at, ".role"), "AUTO, OWNER or PEER",
                     absl::StrCat(static_cast<int>(role)));
  }
}

absl::StatusOr<DeviceConfig> ReadDevice(
    absl::string_view at, const config::Device& device,
    const std::vector<RegionConfig>& regions) {
  const absl::StatusOr<uint64_t> size = RegionSize(at, device, regions);
  if (!size.ok()) return size.status();
  const absl::Status id_check =
      CheckMost(absl::StrCat(at, ".id"), device.id(), kMaxPeers - 1);
  if (!id_check.ok()) return id_check;
  DeviceConfig config;
  config.name = device.name();
  config.region = device.region();
  config.size = *size;
  if (device.has_id()) config.id = static_cast<PeerId>(device.id());
  const absl::StatusOr<MemoryRole> role = ReadRole(at, device.role());
  if (!role.ok()) return role.status();
  const absl::Status role_check = CheckRole(*role, config.id);
  if (!role_check.ok()) return InDevice(at, role_check);
  if (*role == MemoryRole::kOwner) config.id = 0;
  const absl::StatusOr<Limits> limits = ReadLimits(at, device.limits());
  if (!limits.ok()) return limits.status();
  const MemoryAccess access =
      device.read_only() ? MemoryAccess::kReadOnly : MemoryAccess::kReadWrite;
  if (device.has_pci()) {
    absl::StatusOr<PciDeviceConfig> pci =
        ReadPci(absl::StrCat(at, ".pci"), device.pci());
    if (!pci.ok()) return pci.status();
    pci->device.access = access;
    pci->device.role = *role;
    pci->device.limits = *limits;
    config.bus = *std::move(pci);
  } else if (device.has_flat()) {
    absl::StatusOr<FlatDeviceConfig> flat =
        ReadFlat(absl::StrCat(at, ".flat"), device.flat());
    if (!flat.ok()) return flat.status();
    flat->device.block.access = access;
    flat->device.role = *role;
    flat->device.block.limits = *limits;
    config.bus = *std::move(flat);
  } else {
    return Invalid(absl::StrCat(at, ".bus"), "pci or flat", "neither");
  }
  return config;
}

// What only the devices together can get wrong: two in one place, or with one
// id.
absl::Status CheckTogether(const WorldConfig& world) {
  std::set<std::pair<int, int>> places;
  std::set<std::pair<std::string, PeerId>> ids;
  for (size_t i = 0; i < world.devices.size(); ++i) {
    const DeviceConfig& device = world.devices[i];
    if (device.id.has_value() &&
        !ids.emplace(device.region, *device.id).second) {
      return Invalid(
          absl::StrFormat("devices[%d].id", i),
          absl::StrFormat("one of its own in region '%s' (the memory's owner "
                          "has 0)",
                          device.region),
          absl::StrFormat("%d twice", *device.id));
    }
    const auto* pci = std::get_if<PciDeviceConfig>(&device.bus);
    if (pci != nullptr && !places.emplace(pci->slot, pci->function).second) {
      return Invalid(absl::StrFormat("devices[%d].pci", i),
                     "a slot and function of its own",
                     absl::StrFormat("%d.%d twice", pci->slot, pci->function));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorldConfig> ToWorldConfig(const config::World& message) {
  absl::StatusOr<std::vector<RegionConfig>> regions = ReadRegions(message);
  if (!regions.ok()) return regions.status();
  WorldConfig world = {.regions = *std::move(regions), .devices = {}};
  std::set<std::string> names;
  for (int i = 0; i < message.devices_size(); ++i) {
    const std::string at = absl::StrFormat("devices[%d]", i);
    const config::Device& device = message.devices(i);
    const absl::Status check =
        CheckName(absl::StrCat(at, ".name"), device.name(), names);
    if (!check.ok()) return check;
    absl::StatusOr<DeviceConfig> config = ReadDevice(at, device, world.regions);
    if (!config.ok()) return config.status();
    world.devices.push_back(*std::move(config));
  }
  if (absl::Status check = CheckTogether(world); !check.ok()) return check;
  // A guest looks for further functions of a slot only where function 0 says
  // that there are some.
  for (int i = 0; i < message.devices_size(); ++i) {
    auto* pci = std::get_if<PciDeviceConfig>(&world.devices[i].bus);
    if (pci == nullptr || message.devices(i).pci().has_multi_function()) {
      continue;
    }
    for (const DeviceConfig& other : world.devices) {
      const auto* neighbour = std::get_if<PciDeviceConfig>(&other.bus);
      if (neighbour != nullptr && neighbour != pci &&
          neighbour->slot == pci->slot) {
        pci->device.multi_function = true;
      }
    }
  }
  return world;
}

absl::StatusOr<WorldConfig> ParseWorld(absl::string_view text) {
  config::World message;
  const absl::Status parsed = ParseText(text, message);
  if (!parsed.ok()) return parsed;
  return ToWorldConfig(message);
}

}  // namespace ivshmem
