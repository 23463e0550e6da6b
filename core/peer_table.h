// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PEER_TABLE_H_
#define IVSHMEM_CORE_PEER_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/doorbell.h"
#include "core/in_flight.h"
#include "core/notifier.h"

namespace ivshmem {

// What became of a write to the doorbell.
enum class RingResult : uint8_t {
  kDelivered,
  // The peer's carrier holds all the signals that it can; the peer has one
  // waiting anyway.
  kCarrierFull,
  kCarrierFailed,
  kNoSuchPeer,
  kNoSuchVector,
  // The device that rings is not configured for interrupts or has no id yet.
  kNotConfigured,
  kNotAllowed,  // Lost: Limits::may_ring.
  kOverRate,    // Lost: Limits::rings.
  kCount,
};

// A short English name, as "no such peer".
const char* RingResultName(RingResult result);

// Who can be rung: for each connected peer, a notifier for each of its vectors.
//
// Threading: everything from any thread at once. Ring() takes no lock,
// allocates nothing and is as fast for 65,536 peers as for one. Peers may come
// back under the same id, and their vectors arrive one at a time, in any order.
class PeerTable {
 public:
  // One vector of one peer.
  struct Connection {
    Doorbell doorbell;
    std::shared_ptr<Notifier> notifier;
  };

  // Told, outside locks, after the set of connections has changed, or the id of
  // the device that has the table.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void PeersChanged() noexcept = 0;
  };

  // `in_flight` counts the calls that ring; both outlive the table. `listener`
  // may be null.
  PeerTable(InFlight& in_flight, Listener* listener);
  ~PeerTable();

  // From now on Ring({peer, vector}) signals `notifier`. Replaces the one that
  // was there. Errors: OutOfRange for a vector of kMaxVectors or above,
  // InvalidArgument for a null notifier.
  absl::Status Connect(PeerId peer, Vector vector,
                       std::shared_ptr<Notifier> notifier)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The peer is gone with all its vectors. Returns whether it was there; a
  // second time does nothing. A ring that is under way may still signal the old
  // notifier, which is destroyed after the last of these.
  bool Disconnect(PeerId peer) ABSL_LOCKS_EXCLUDED(mutex_);

  // All peers are gone.
  void DisconnectAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // Signals `doorbell`'s vector. `call` is the caller's, of the same InFlight:
  // when it comes back abandoned, the table is gone.
  //
  // Inlined, as is what it is called from: each function that returned after
  // the signal's system call was measured at as much as all the rest here
  // (docs/performance.md).
  ABSL_ATTRIBUTE_ALWAYS_INLINE inline RingResult Ring(
      const InFlight::Call& call, Doorbell doorbell) noexcept;

  // All connections of the moment, in the order of their doorbell values.
  std::vector<Connection> Connections() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Those of them that are new since the call that left `since` as it is, in
  // the order in which they came, so that each of many peers that come costs no
  // look at all the others. Some may be there twice; all are in it where 0 is
  // given, and where more has come than the table keeps account of.
  std::vector<Connection> ConnectionsSince(uint64_t& since) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Changes whenever a connection goes or gets another notifier: who saw the
  // same number before knows that none of those it knew has, without looking
  // at all of them. Told to listeners after that.
  uint64_t departures() const {
    return departures_.load(std::memory_order_acquire);
  }

  // The notifier of one vector; null when it is not connected.
  std::shared_ptr<Notifier> Find(Doorbell doorbell) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What Ring() reads. Found through two steps of 256 entries, so that few
  // peers cost little memory and many no time.
  struct Peer {
    explicit Peer(uint32_t room)
        : room(room), vectors(new std::atomic<Notifier*>[room]()) {}
    const uint32_t room;
    const std::unique_ptr<std::atomic<Notifier*>[]> vectors;
  };
  static constexpr int kFanOut = 256;
  using Page = std::array<std::atomic<const Peer*>, kFanOut>;

  // What keeps it alive.
  struct Owned {
    std::shared_ptr<Peer> peer;
    std::vector<std::shared_ptr<Notifier>> notifiers;
  };

  void Depart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    departures_.fetch_add(1, std::memory_order_release);
  }

  void Arrive(Doorbell doorbell) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::shared_ptr<Notifier> FindLocked(Doorbell doorbell) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  std::atomic<const Peer*>& Entry(PeerId peer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  InFlight& in_flight_;
  Listener* const listener_;
  // Pages stay until the table goes: half a megabyte when all ids were used.
  std::array<std::atomic<Page*>, kFanOut> pages_ = {};
  std::atomic<uint64_t> departures_{0};
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<PeerId, Owned> owned_ ABSL_GUARDED_BY(mutex_);
  // The last to be connected, some of which may have gone again, and how many
  // came before these.
  std::vector<Doorbell> arrivals_ ABSL_GUARDED_BY(mutex_);
  uint64_t forgotten_ ABSL_GUARDED_BY(mutex_) = 0;
};

inline RingResult PeerTable::Ring(const InFlight::Call& /*call*/,
                                  Doorbell doorbell) noexcept {
  const Page* page =
      pages_[doorbell.peer / kFanOut].load(std::memory_order_acquire);
  if (page == nullptr) return RingResult::kNoSuchPeer;
  const Peer* peer =
      (*page)[doorbell.peer % kFanOut].load(std::memory_order_seq_cst);
  if (peer == nullptr) return RingResult::kNoSuchPeer;
  if (doorbell.vector >= peer->room) return RingResult::kNoSuchVector;
  Notifier* notifier =
      peer->vectors[doorbell.vector].load(std::memory_order_seq_cst);
  if (notifier == nullptr) return RingResult::kNoSuchVector;
  switch (notifier->Signal()) {
    case Notifier::Outcome::kSignalled:
      return RingResult::kDelivered;
    case Notifier::Outcome::kFull:
      return RingResult::kCarrierFull;
    case Notifier::Outcome::kFailed:
      break;
  }
  return RingResult::kCarrierFailed;
}

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_PEER_TABLE_H_
