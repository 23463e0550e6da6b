// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/bar_placement.h"

#include <utility>

#include "device/shown_memory.h"

namespace ivshmem {

void BarPlacement::Apply() {
  std::array<std::optional<uint64_t>, pci::kBars> wanted;
  for (int bar = 0; bar < pci::kBars; ++bar) {
    wanted[bar] = function_.BarAddress(bar);
    Placed& placed = placed_[bar];
    if (wanted[bar] == placed.address) continue;
    placed.shown = kNowhere;
    placed.refused = kNowhere;
    placed.registration.reset();
    placed.address.reset();
  }
  for (int bar = 0; bar < pci::kBars; ++bar) {
    Placed& placed = placed_[bar];
    if (wanted[bar] == placed.address) continue;
    placed.address = wanted[bar];
    absl::StatusOr<RegistrationPtr> registration = Place(bar, *wanted[bar]);
    if (registration.ok()) {
      placed.registration = *std::move(registration);
      placed.shown = *wanted[bar];
      continue;
    }
    placed.refused = *wanted[bar];
    if (dependencies_.events != nullptr) {
      dependencies_.events->OnEvent({.kind = DeviceEvent::Kind::kMapFailed,
                                     .address = *wanted[bar],
                                     .text = registration.status().message()});
    }
  }
}

bool BarPlacement::Hide(int bar) {
  const std::optional<uint64_t> address = function_.BarAddress(bar);
  if (!address.has_value()) return false;
  placed_[bar].address = address;
  placed_[bar].refused = *address;
  return true;
}

std::optional<uint64_t> BarPlacement::Shown(int bar) const {
  const std::optional<uint64_t> address = function_.BarAddress(bar);
  return address == placed_[bar].shown.load() ? address : std::nullopt;
}

absl::StatusOr<RegistrationPtr> BarPlacement::Place(int bar, uint64_t address) {
  if (bar == memory_bar_) {
    return ShowMemory(address, memory_, access_, function_.bar(bar),
                      {.mmio = dependencies_.mmio,
                       .mapper = dependencies_.mapper,
                       .events = dependencies_.events});
  }
  if (dependencies_.mmio == nullptr) return nullptr;
  return dependencies_.mmio->Claim(address, function_.BarSize(bar),
                                   function_.bar(bar));
}

}  // namespace ivshmem
