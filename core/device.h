// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_DEVICE_H_
#define IVSHMEM_CORE_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/counters.h"
#include "core/deferred_interrupts.h"
#include "core/device_state.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "core/in_flight.h"
#include "core/interrupt_sink.h"
#include "core/limits.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "core/token_bucket.h"

namespace ivshmem {

// One guest's ivshmem device, without bus and hypervisor: registers, the peers
// it can ring, and the interrupts that it gets from them.
//
// Threading: everything from any thread at once. Accesses take no lock,
// allocate nothing and wait for nobody. What leads outside (a notifier, the
// sink, events) is called outside locks and may call back, even destroy the
// device. The destructor waits for calls out that other threads have under way;
// nothing is called afterwards. As with any object, no call in may begin once
// destruction has.
class Device {
 public:
  struct Config {
    Dialect dialect = kRevision1;
    InterruptMode interrupts = InterruptMode::kNone;
    // How many vectors peers can interrupt: 1..dialect.max_vectors; 0 with
    // kNone, 1 with kIntx.
    int vectors = 0;
    // The device's own id; absent while nobody has given it one.
    std::optional<PeerId> id;
    Limits limits;
  };

  // Each may be null and outlives the device.
  struct Dependencies {
    InterruptSink* interrupts = nullptr;  // Required by kMsix and kLine.
    LevelListener* level = nullptr;       // Required by kIntx.
    PeerTable::Listener* peers = nullptr;
    DeviceEvents* events = nullptr;
    // For limits. Absent: the machine's.
    Clock* clock = nullptr;
    // Required by `limits.interrupts`. When it goes off, DeliverDeferred() is
    // called.
    Alarm* alarm = nullptr;
  };

  // Errors: InvalidArgument that names the field, what was expected and what
  // came.
  static absl::StatusOr<std::unique_ptr<Device>> Create(
      const Config& config, const Dependencies& dependencies);

  // The device that `state` was saved of, or one that nobody can tell from it.
  // Its id is the state's, whatever `config.id` says. Calls nothing: whoever
  // follows the level asks for it. Errors: as Create(), and those of
  // CheckState().
  static absl::StatusOr<std::unique_ptr<Device>> Restore(
      const Config& config, const Dependencies& dependencies,
      const DeviceState& state);
  ~Device();

  // The guest's access to the register block; `size` in bytes. Total: whatever
  // dialect and specification do not define reads 0 and writes nothing.
  uint64_t Read(uint64_t offset, int size) noexcept;
  void Write(uint64_t offset, int size, uint64_t value) noexcept;

  // A peer rang this device. In kIntx mode the vector is ignored and the result
  // is kHeld while the guest's mask keeps the line down.
  InterruptResult OnPeerInterrupt(Vector vector) noexcept;

  // The alarm went off: delivers what may be delivered by now of what came
  // faster than `limits.interrupts`. Calls out as OnPeerInterrupt().
  void DeliverDeferred() noexcept;

  // Whether `limits.may_ring` lets the guest ring `doorbell`.
  bool MayRing(Doorbell doorbell) const noexcept {
    return !may_ring_.has_value() || may_ring_->Allows(doorbell);
  }

  // Whom the guest can ring. Its own id is a peer as any other.
  PeerTable& peers() { return peers_; }

  // The id that IVPosition shows. A device without one does not ring.
  std::optional<PeerId> id() const noexcept;
  void SetId(std::optional<PeerId> id) noexcept;

  // Mask and Status to 0. The id and the peers stay.
  void Reset() noexcept;

  // What the guest can see of it now, all registers of one moment. Before that,
  // signals that the notifiers of its own vectors hold become interrupts, as
  // if whoever reads them had been faster: what peers signalled before the call
  // is in the state, or was delivered when this returns, also what
  // `limits.interrupts` would still defer. May call out, as
  // OnPeerInterrupt(); what is called may not destroy the device.
  DeviceState Save();

  // kIntx: whether the device asserts its line now. Else false.
  bool interrupt_level() const noexcept;

  const Config& config() const { return config_; }

  // How often each result came since the device was made.
  uint64_t count(RingResult result) const { return rings_.Get(result); }
  uint64_t count(InterruptResult result) const {
    return interrupts_.Get(result);
  }

 private:
  Device(const Config& config, const Dependencies& dependencies,
         RegisterState registers);

  uint32_t Position() const noexcept;
  InterruptResult Deliver(Vector vector) noexcept;
  // Counts and tells what became of an interrupt.
  InterruptResult Report(const InFlight::Call& call, Vector vector,
                         InterruptResult result) noexcept;
  // Inlined for what PeerTable::Ring() is.
  ABSL_ATTRIBUTE_ALWAYS_INLINE inline RingResult TryRing(
      const InFlight::Call& call, Doorbell doorbell) noexcept;
  ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Ring(const InFlight::Call& call,
                                                Doorbell doorbell) noexcept;
  // All writes but a whole doorbell's.
  void WriteOther(uint64_t offset, int size, uint64_t value) noexcept;
  // Tells the bus when the level changed. The last thing that a call does.
  void SettleLevel(RegisterState before, RegisterState after) noexcept;
  void Emit(const DeviceEvent& event) noexcept;

  // Replaces the registers' state by `next(state)`, in one piece. Returns the
  // state before.
  template <typename Next>
  RegisterState Update(Next next) noexcept;

  const Config config_;
  const Dependencies dependencies_;
  std::atomic<RegisterState> state_;
  static_assert(std::atomic<RegisterState>::is_always_lock_free);
  std::atomic<int32_t> id_;  // -1: none.
  Counters<RingResult> rings_;
  Counters<InterruptResult> interrupts_;
  SteadyClock steady_clock_;
  Clock& clock_;
  // Each absent without its limit.
  const std::optional<RingAllowList> may_ring_;
  std::optional<TokenBucket> ring_bucket_;
  std::optional<DeferredInterrupts> deferred_;
  PeerTable peers_;
  // Last, so that what is under way ends before anything else goes.
  InFlight in_flight_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_DEVICE_H_
