// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_WORLDS_H_
#define IVSHMEM_SCRIPT_WORLDS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "proto/config.pb.h"
#include "proto/script.pb.h"

// The worlds that random Scripts happen in, and what was done in them before.
namespace ivshmem::script {

// Every dialect with every way to interrupt that it has; a flat device; two
// devices in one region. The order is part of the byte form (bytes.h): new ones
// come last.
const std::vector<config::World>& Worlds();

// How far a world's guests are when a Script begins.
enum class Stage : uint8_t {
  kPeers,     // As kDriver, and peers 2 (two vectors) and 9 (one) are there.
  kDriver,    // As kFirmware, and interrupts are on, all of them.
  kFirmware,  // The BARs are placed, decode and bus mastering are on.
  kNothing,   // As the machine is switched on.
};
inline constexpr int kStages = 4;

// The steps that do this in `world`, as firmware and a driver would.
std::vector<Step> StepsOf(Stage stage, const config::World& world);

// What there is to aim at in device `index` of a world: where its set-up puts
// things and where else they may go without touching another's.
struct Aims {
  bool flat = false;
  int vectors = 0;       // Of an MSI-X table.
  uint64_t pending = 0;  // Where that table's pending bits are, in BAR1.
  uint64_t memory = 0;   // The region's size.
  // Of BARs 0, 1 and 2; a flat device's registers, none, and memory.
  std::array<uint64_t, 3> homes = {};
  std::array<uint64_t, 3> others = {};
};
Aims AimsOf(const config::World& world, int index);

// Where the driver of device `index` has `vector` write its message: RAM of 4
// KiB for each device, 16 bytes for each of its vectors, 256 of them at most.
uint64_t MessageAddress(int index, int vector);

// Whose ids Scripts like: peers' and devices', and those at the edges.
inline constexpr std::array<uint16_t, 8> kFavouriteIds = {2, 9,  1,   0,
                                                          3, 16, 300, 65535};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_WORLDS_H_
