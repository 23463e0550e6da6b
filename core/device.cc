// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/device.h"

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

absl::Status Check(const Device::Config& config,
                   const Device::Dependencies& dependencies) {
  if (absl::Status status = CheckLimits(config.limits); !status.ok()) {
    return status;
  }
  if (config.limits.interrupts.limited() && dependencies.alarm == nullptr) {
    return absl::InvalidArgumentError(
        "limits.interrupts: expected no limit where nothing wakes the device "
        "(an alarm, a host's timers), as what is deferred would stay so; got "
        "one");
  }
  const auto expect_vectors = [&config](int least, int most) {
    if (config.vectors >= least && config.vectors <= most) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        least == most ? absl::StrFormat("vectors: expected %d, got %d", most,
                                        config.vectors)
                      : absl::StrFormat("vectors: expected %d..%d, got %d",
                                        least, most, config.vectors));
  };
  if (config.interrupts == InterruptMode::kNone) return expect_vectors(0, 0);
  if (config.interrupts == InterruptMode::kIntx) {
    if (dependencies.level == nullptr) {
      return absl::InvalidArgumentError(
          "level: expected a listener for a device with INTx, got none");
    }
    if (config.dialect.pci_revision != 0) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "interrupts: expected MSI-X or none of dialect %s (only rev0 has "
          "INTx), got INTx",
          config.dialect.name));
    }
    return expect_vectors(1, 1);
  }
  if (dependencies.interrupts == nullptr) {
    return absl::InvalidArgumentError(
        "interrupts: expected a sink for a device with vectors, got none");
  }
  return expect_vectors(1, config.dialect.max_vectors);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Create(
    const Config& config, const Dependencies& dependencies) {
  if (absl::Status status = Check(config, dependencies); !status.ok()) {
    return status;
  }
  return absl::WrapUnique(new Device(config, dependencies, {}));
}

absl::StatusOr<std::unique_ptr<Device>> Device::Restore(
    const Config& config, const Dependencies& dependencies,
    const DeviceState& state) {
  for (const absl::Status& status :
       {Check(config, dependencies),
        CheckState(state, config.dialect, config.interrupts, config.vectors)}) {
    if (!status.ok()) return status;
  }
  Config restored = config;
  restored.id = state.id;
  return absl::WrapUnique(new Device(restored, dependencies, state.registers));
}

Device::Device(const Config& config, const Dependencies& dependencies,
               RegisterState registers)
    : config_(config),
      dependencies_(dependencies),
      state_(registers),
      id_(config.id.has_value() ? *config.id : -1),
      clock_(dependencies.clock != nullptr ? *dependencies.clock
                                           : steady_clock_),
      may_ring_(config.limits.may_ring),
      peers_(in_flight_, dependencies.peers) {
  if (config.limits.rings.limited()) ring_bucket_.emplace(config.limits.rings);
  if (config.limits.interrupts.limited() && config.vectors != 0) {
    deferred_.emplace(config.limits.interrupts, config.vectors, clock_,
                      *dependencies.alarm);
  }
}

Device::~Device() = default;

inline void Device::Emit(const DeviceEvent& event) noexcept {
  if (dependencies_.events != nullptr) dependencies_.events->OnEvent(event);
}

std::optional<PeerId> Device::id() const noexcept {
  const int32_t id = id_.load(std::memory_order_acquire);
  if (id < 0) return std::nullopt;
  return static_cast<PeerId>(id);
}

void Device::SetId(std::optional<PeerId> id) noexcept {
  const InFlight::Call call(in_flight_);
  id_.store(id.has_value() ? *id : -1, std::memory_order_release);
  Emit({.kind = DeviceEvent::Kind::kIdChanged,
        .doorbell = {.peer = id.value_or(0)},
        .text = id.has_value() ? "" : "no id"});
  if (call.abandoned() || dependencies_.peers == nullptr) return;
  dependencies_.peers->PeersChanged();
}

uint32_t Device::Position() const noexcept {
  if (config_.interrupts == InterruptMode::kNone &&
      !config_.dialect.position_without_interrupts) {
    return 0;
  }
  const int32_t id = id_.load(std::memory_order_acquire);
  return id < 0 ? config_.dialect.position_before_setup
                : static_cast<uint32_t>(id);
}

template <typename Next>
RegisterState Device::Update(Next next) noexcept {
  RegisterState before = state_.load(std::memory_order_acquire);
  // Goes round only when another thread's access came in between.
  for (;;) {
    const RegisterState after = next(before);
    if (after == before ||
        state_.compare_exchange_weak(before, after, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      return before;
    }
  }
}

uint64_t Device::Read(uint64_t offset, int size) noexcept {
  const uint32_t position = Position();
  if (IsPosition(offset, size)) return position;
  uint64_t value = 0;
  RegisterState after;
  const RegisterState before = Update([&](RegisterState state) {
    const AccessResult result =
        ReadRegisters(config_.dialect, state, position, offset, size);
    value = result.value;
    return after = result.state;
  });
  SettleLevel(before, after);
  return value;
}

inline RingResult Device::TryRing(const InFlight::Call& call,
                                  Doorbell doorbell) noexcept {
  if (config_.interrupts == InterruptMode::kNone ||
      id_.load(std::memory_order_acquire) < 0) {
    return RingResult::kNotConfigured;
  }
  if (!MayRing(doorbell)) return RingResult::kNotAllowed;
  if (ring_bucket_.has_value() && !ring_bucket_->Take(clock_.Now())) {
    return RingResult::kOverRate;
  }
  return peers_.Ring(call, doorbell);
}

inline void Device::Ring(const InFlight::Call& call,
                         Doorbell doorbell) noexcept {
  const RingResult result = TryRing(call, doorbell);
  if (call.abandoned()) return;
  rings_.Add(result);
  Emit(
      {.kind = DeviceEvent::Kind::kRing, .doorbell = doorbell, .ring = result});
}

void Device::Write(uint64_t offset, int size, uint64_t value) noexcept {
  if (!IsDoorbell(offset, size)) return WriteOther(offset, size, value);
  const InFlight::Call call(in_flight_);
  Ring(call, Doorbell::Decode(static_cast<uint32_t>(value)));
}

void Device::WriteOther(uint64_t offset, int size, uint64_t value) noexcept {
  AccessResult result;
  const RegisterState before = Update([&](RegisterState state) {
    result = WriteRegisters(config_.dialect, state, offset, size, value);
    return result.state;
  });
  if (result.rings == 0) return SettleLevel(before, result.state);
  const InFlight::Call call(in_flight_);
  for (int i = 0; i < result.rings; ++i) {
    Ring(call, Doorbell::Decode(result.written[i]));
    if (call.abandoned()) return;
  }
  SettleLevel(before, result.state);
}

InterruptResult Device::OnPeerInterrupt(Vector vector) noexcept {
  const InFlight::Call call(in_flight_);
  if (deferred_.has_value()) {
    // An interrupt that is a level has one vector, whatever the peer says.
    const Vector kept = config_.interrupts == InterruptMode::kIntx ? 0 : vector;
    if (kept < config_.vectors && !deferred_->Admit(kept)) {
      return Report(call, vector, InterruptResult::kDeferred);
    }
  }
  return Report(call, vector, Deliver(vector));
}

void Device::DeliverDeferred() noexcept {
  if (!deferred_.has_value()) return;
  const InFlight::Call call(in_flight_);
  // Peers may ring faster than this goes round.
  for (int i = 0; i < config_.vectors; ++i) {
    const std::optional<Vector> vector = deferred_->Next();
    if (!vector.has_value()) return;
    Report(call, *vector, Deliver(*vector));
    if (call.abandoned()) return;
  }
  deferred_->Later();
}

InterruptResult Device::Report(const InFlight::Call& call, Vector vector,
                               InterruptResult result) noexcept {
  if (call.abandoned()) return result;
  interrupts_.Add(result);
  Emit({.kind = DeviceEvent::Kind::kInterrupt,
        .doorbell = {.vector = vector},
        .interrupt = result});
  return result;
}

InterruptResult Device::Deliver(Vector vector) noexcept {
  switch (config_.interrupts) {
    case InterruptMode::kNone:
      return InterruptResult::kNotConfigured;
    case InterruptMode::kIntx: {
      RegisterState after;
      const RegisterState before = Update(
          [&after](RegisterState state) { return after = RaiseStatus(state); });
      SettleLevel(before, after);
      return after.level() ? InterruptResult::kDelivered
                           : InterruptResult::kHeld;
    }
    case InterruptMode::kMsix:
    case InterruptMode::kLine:
      break;
  }
  if (vector >= config_.vectors) return InterruptResult::kNoSuchVector;
  return dependencies_.interrupts->Deliver(vector);
}

void Device::Reset() noexcept {
  const InFlight::Call call(in_flight_);
  const RegisterState before =
      Update([](RegisterState) { return RegisterState{}; });
  SettleLevel(before, {});
  if (call.abandoned()) return;
  Emit({.kind = DeviceEvent::Kind::kReset});
}

DeviceState Device::Save() {
  if (const std::optional<PeerId> own = id(); own.has_value()) {
    for (int v = 0; v < config_.vectors; ++v) {
      const auto vector = static_cast<Vector>(v);
      const std::shared_ptr<Notifier> bell = peers_.Find({*own, vector});
      if (bell != nullptr && bell->TakeSignals()) OnPeerInterrupt(vector);
    }
  }
  if (deferred_.has_value()) {
    const InFlight::Call call(in_flight_);
    for (int i = 0; i < config_.vectors; ++i) {
      const std::optional<Vector> vector = deferred_->TakeAny();
      if (!vector.has_value()) break;
      Report(call, *vector, Deliver(*vector));
    }
  }
  return {.dialect = std::string(config_.dialect.name),
          .interrupts = config_.interrupts,
          .vectors = config_.vectors,
          .id = id(),
          .registers = state_.load(std::memory_order_acquire)};
}

bool Device::interrupt_level() const noexcept {
  return config_.interrupts == InterruptMode::kIntx &&
         state_.load(std::memory_order_acquire).level();
}

void Device::SettleLevel(RegisterState before, RegisterState after) noexcept {
  if (config_.interrupts != InterruptMode::kIntx ||
      before.level() == after.level()) {
    return;
  }
  const InFlight::Call call(in_flight_);
  dependencies_.level->LevelMayHaveChanged();
}

}  // namespace ivshmem
