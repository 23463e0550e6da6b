// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/flat_device.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/dialect.h"
#include "device/shown_memory.h"

namespace ivshmem {
namespace {

absl::Status CheckRange(const char* field, uint64_t address, uint64_t size) {
  if (address % 4 != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: expected a multiple of 4, got %#x", field, address));
  }
  if (address + (size - 1) < address) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: expected room for %d bytes below 2^64, got %#x",
                        field, size, address));
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(const char* field, uint64_t configured,
                          uint64_t saved) {
  if (configured == saved) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("state.%s: expected %#x, as configured, got %#x", field,
                      configured, saved));
}

absl::Status CheckState(const FlatDeviceState& state,
                        const FlatDevice::Config& config,
                        const SharedMemory& memory) {
  for (const absl::Status& status :
       {CheckState(state.memory, memory, config.block.access, config.role),
        CheckAddress("registers_address", config.registers_address,
                     state.registers_address),
        CheckAddress("memory_address", config.memory_address,
                     state.memory_address)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FlatDevice>> FlatDevice::Create(
    const Config& config, const SharedMemory& memory, const Host& host) {
  return Make(config, memory, host, nullptr);
}

absl::StatusOr<std::unique_ptr<FlatDevice>> FlatDevice::Restore(
    const Config& config, const SharedMemory& memory, const Host& host,
    const FlatDeviceState& state) {
  return Make(config, memory, host, &state);
}

absl::StatusOr<std::unique_ptr<FlatDevice>> FlatDevice::Make(
    const Config& config, const SharedMemory& memory, const Host& host,
    const FlatDeviceState* state) {
  if (state != nullptr) {
    const absl::Status status = CheckState(*state, config, memory);
    if (!status.ok()) return status;
  }
  // Before the block, which speaks to the host when it is made.
  const uint64_t registers_size = kQemuFlat.block_size;
  for (const absl::Status& status :
       {CheckRange("registers_address", config.registers_address,
                   registers_size),
        CheckRange("memory_address", config.memory_address,
                   std::max<uint64_t>(memory.size, 1))}) {
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckRole(
          config.role, state == nullptr ? config.block.id : state->device.id);
      !status.ok()) {
    return status;
  }
  auto flat = absl::WrapUnique(new FlatDevice(config, memory, host.mapper));
  const Limits& limits = config.block.limits;
  const AllowedShortcuts shortcuts =
      Allowed(limits, host.doorbells, /*router=*/nullptr, host.events);
  DeviceEvents* events = host.events;
  TrappedRings* trapped_rings = nullptr;
  if (shortcuts.doorbells != nullptr) {
    events = trapped_rings = &flat->trapped_rings_.emplace(host.events);
  }
  DeferralAlarm* const alarm =
      host.timers != nullptr && limits.interrupts.limited()
          ? &flat->deferral_alarm_
          : nullptr;
  const mmio::FlatBlock::Dependencies dependencies = {
      .irq = host.irq,
      .peers = flat.get(),
      .events = events,
      .clock = host.clock,
      .alarm = alarm,
      .written = &flat->written_};
  absl::StatusOr<std::unique_ptr<mmio::FlatBlock>> block =
      state == nullptr
          ? mmio::FlatBlock::Create(config.block, memory, dependencies)
          : mmio::FlatBlock::Restore(config.block, memory, dependencies,
                                     state->device);
  if (!block.ok()) return block.status();
  flat->block_ = *std::move(block);
  if (alarm != nullptr) {
    const absl::Status started =
        flat->deferral_alarm_.Start(flat->device(), *host.timers);
    if (!started.ok()) return started;
  }

  if (host.mmio != nullptr) {
    absl::StatusOr<RegistrationPtr> claim = host.mmio->Claim(
        config.registers_address, registers_size, flat->block_->registers());
    if (!claim.ok()) return claim.status();
    flat->registers_ = *std::move(claim);
  }
  absl::StatusOr<RegistrationPtr> shown = ShowMemory(
      config.memory_address, memory, config.block.access,
      flat->block_->memory(),
      {.mmio = host.mmio, .mapper = host.mapper, .events = host.events});
  if (!shown.ok()) return shown.status();
  flat->memory_ = *std::move(shown);

  const uint64_t doorbell = config.registers_address + kDoorbellOffset;
  flat->shortcuts_.emplace(
      flat->device(),
      Shortcuts::Config{
          .doorbell_address =
              [doorbell] { return std::optional<uint64_t>(doorbell); },
          .doorbells = shortcuts.doorbells,
          .trapped_rings = trapped_rings,
          .executor = host.executor,
          .events = host.events});
  return flat;
}

FlatDevice::FlatDevice(const Config& config, const SharedMemory& memory,
                       MemoryMapper* mapper)
    : memory_state_{.size = memory.size,
                    .access = config.block.access,
                    .role = config.role},
      registers_address_(config.registers_address),
      memory_address_(config.memory_address),
      written_(memory, mapper) {}

FlatDevice::~FlatDevice() {
  // Said, as PeersChanged() asks whether they are there.
  shortcuts_.reset();
  deferral_alarm_.Stop();
}

FlatDeviceState FlatDevice::Save() {
  return {.device = device().Save(),
          .memory = memory_state_,
          .registers_address = registers_address_,
          .memory_address = memory_address_};
}

void FlatDevice::PeersChanged() noexcept {
  if (shortcuts_.has_value()) shortcuts_->UpdateDoorbells();
}

}  // namespace ivshmem
