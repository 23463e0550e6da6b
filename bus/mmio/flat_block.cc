// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/mmio/flat_block.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"

namespace ivshmem::mmio {

absl::StatusOr<std::unique_ptr<FlatBlock>> FlatBlock::Create(
    const Config& config, const SharedMemory& memory,
    const Dependencies& dependencies) {
  return Make(config, memory, dependencies, nullptr);
}

absl::StatusOr<std::unique_ptr<FlatBlock>> FlatBlock::Restore(
    const Config& config, const SharedMemory& memory,
    const Dependencies& dependencies, const DeviceState& state) {
  return Make(config, memory, dependencies, &state);
}

absl::StatusOr<std::unique_ptr<FlatBlock>> FlatBlock::Make(
    const Config& config, const SharedMemory& memory,
    const Dependencies& dependencies, const DeviceState* state) {
  if (memory.data == nullptr || memory.size == 0) {
    return absl::InvalidArgumentError("memory: expected some, got none");
  }
  Device::Config device_config = {
      .dialect = kQemuFlat,
      .interrupts = InterruptMode::kNone,
      .vectors = 0,
      .id = config.id,
      .limits = config.limits,
  };
  if (dependencies.irq != nullptr) {
    device_config.interrupts = InterruptMode::kLine;
    device_config.vectors =
        config.vectors != 0 ? config.vectors : kQemuFlat.default_vectors;
  }
  auto irq = std::make_unique<Irq>(dependencies.irq);
  const Device::Dependencies device_dependencies = {
      .interrupts = irq.get(),
      .peers = dependencies.peers,
      .events = dependencies.events,
      .clock = dependencies.clock,
      .alarm = dependencies.alarm};
  absl::StatusOr<std::unique_ptr<Device>> device =
      state == nullptr
          ? Device::Create(device_config, device_dependencies)
          : Device::Restore(device_config, device_dependencies, *state);
  if (!device.ok()) return device.status();
  if (dependencies.irq == nullptr && dependencies.events != nullptr) {
    dependencies.events->OnEvent(
        {.kind = DeviceEvent::Kind::kWarning,
         .text = "no interrupt line: notifications are off both ways"});
  }
  return absl::WrapUnique(new FlatBlock(std::move(irq), *std::move(device),
                                        memory, config.access,
                                        dependencies.written));
}

InterruptResult FlatBlock::Irq::Deliver(Vector /*vector*/) noexcept {
  line_->Pulse();
  return InterruptResult::kDelivered;
}

}  // namespace ivshmem::mmio
