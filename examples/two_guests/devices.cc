// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/devices.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "examples/two_guests/guests/cortex_m/board.h"

namespace ivshmem::two_guests {
namespace {

absl::Status CheckSame(size_t device, absl::string_view field, uint64_t board,
                       uint64_t got) {
  if (got == board) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "devices[%d].flat.%s: expected %#x, where the board's software looks, "
      "got %#x",
      device, field, board, got));
}

absl::Status CheckBoard(size_t at, const FlatDeviceConfig& board,
                        const RegionConfig& region) {
  if (!board.irq.has_value()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "devices[%d].flat.irq: expected %d, the board's line, got none", at,
        CORTEX_M_IVSHMEM_IRQ));
  }
  if (region.size > CORTEX_M_IVSHMEM_MEMORY_MAX) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "size of region '%s': expected at most %d, the board's room, got %d",
        region.name, CORTEX_M_IVSHMEM_MEMORY_MAX, region.size));
  }
  for (const absl::Status& status :
       {CheckSame(at, "registers_address", CORTEX_M_IVSHMEM_REGISTERS,
                  board.device.registers_address),
        CheckSame(at, "memory_address", CORTEX_M_IVSHMEM_MEMORY,
                  board.device.memory_address),
        CheckSame(at, "irq", CORTEX_M_IVSHMEM_IRQ, *board.irq)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

const char kDefaultDevices[] = R"(
regions { name: "shared" size: 0x100000 }
devices { name: "pc" region: "shared" pci { slot: 4 vectors: 2 } }
devices {
  name: "board" region: "shared"
  flat { registers_address: 0x40000000 memory_address: 0x60000000 irq: 5 }
}
)";

absl::StatusOr<Devices> ReadDevices(absl::string_view text) {
  const absl::StatusOr<WorldConfig> world = ParseWorld(text);
  if (!world.ok()) return world.status();
  Devices devices;
  devices.text = std::string(text);
  int pcs = 0;
  int boards = 0;
  for (size_t i = 0; i < world->devices.size(); ++i) {
    const DeviceConfig& device = world->devices[i];
    for (const RegionConfig& region : world->regions) {
      if (region.name == device.region) devices.region = region;
    }
    if (device.region != world->devices[0].region) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "devices[%d].region: expected '%s', the other device's, got '%s'", i,
          world->devices[0].region, device.region));
    }
    if (const auto* pc = std::get_if<PciDeviceConfig>(&device.bus)) {
      ++pcs;
      devices.pc = *pc;
      devices.pc_id = device.id;
      devices.pc_name = device.name;
      if (pc->slot != 0) continue;
      return absl::InvalidArgumentError(absl::StrFormat(
          "devices[%d].pci.slot: expected 1..31 (the host bridge has 0), got 0",
          i));
    }
    ++boards;
    devices.board = std::get<FlatDeviceConfig>(device.bus);
    devices.board_id = device.id;
    const absl::Status status = CheckBoard(i, devices.board, devices.region);
    if (!status.ok()) return status;
  }
  if (pcs != 1 || boards != 1) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "devices: expected one pci and one flat, got %d and %d", pcs, boards));
  }
  return devices;
}

Devices DefaultDevices() { return *ReadDevices(kDefaultDevices); }

}  // namespace ivshmem::two_guests
