// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/peer_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

// Of 4 bytes each. One in so many that come has who follows look at all.
constexpr size_t kMostArrivals = 4096;

}  // namespace

const char* RingResultName(RingResult result) {
  switch (result) {
    case RingResult::kDelivered:
      return "delivered";
    case RingResult::kCarrierFull:
      return "carrier full";
    case RingResult::kCarrierFailed:
      return "carrier failed";
    case RingResult::kNoSuchPeer:
      return "no such peer";
    case RingResult::kNoSuchVector:
      return "no such vector";
    case RingResult::kNotConfigured:
      return "not configured for interrupts";
    case RingResult::kNotAllowed:
      return "not allowed";
    case RingResult::kOverRate:
      return "over the rate";
    case RingResult::kCount:
      break;
  }
  return "unknown";
}

PeerTable::PeerTable(InFlight& in_flight, Listener* listener)
    : in_flight_(in_flight), listener_(listener) {}

PeerTable::~PeerTable() {
  for (std::atomic<Page*>& page : pages_) delete page.load();
}

std::atomic<const PeerTable::Peer*>& PeerTable::Entry(PeerId peer) {
  std::atomic<Page*>& slot = pages_[peer / kFanOut];
  Page* page = slot.load(std::memory_order_relaxed);
  if (page == nullptr) {
    page = new Page();
    slot.store(page, std::memory_order_release);
  }
  return (*page)[peer % kFanOut];
}

absl::Status PeerTable::Connect(PeerId peer, Vector vector,
                                std::shared_ptr<Notifier> notifier) {
  if (vector >= kMaxVectors) {
    return absl::OutOfRangeError(
        absl::StrFormat("vector of peer %d: expected 0..%d, got %d", peer,
                        kMaxVectors - 1, vector));
  }
  if (notifier == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "notifier of peer %d vector %d: expected one, got null", peer, vector));
  }
  std::shared_ptr<const void> old_notifier;
  std::shared_ptr<const void> old_peer;
  {
    absl::MutexLock lock(&mutex_);
    Owned& owned = owned_[peer];
    if (owned.peer == nullptr || vector >= owned.peer->room) {
      // Rings go on in the old array until the new one is in place.
      auto grown = std::make_shared<Peer>(std::bit_ceil(vector + 1u));
      for (size_t v = 0; v < owned.notifiers.size(); ++v) {
        grown->vectors[v].store(owned.notifiers[v].get(),
                                std::memory_order_relaxed);
      }
      grown->vectors[vector].store(notifier.get(), std::memory_order_relaxed);
      Entry(peer).store(grown.get(), std::memory_order_seq_cst);
      old_peer = std::exchange(owned.peer, std::move(grown));
    } else {
      owned.peer->vectors[vector].store(notifier.get(),
                                        std::memory_order_seq_cst);
    }
    if (vector >= owned.notifiers.size()) owned.notifiers.resize(vector + 1);
    old_notifier = std::exchange(owned.notifiers[vector], std::move(notifier));
    if (old_notifier != nullptr) Depart();
    Arrive({peer, vector});
  }
  if (old_peer != nullptr) in_flight_.Retire(std::move(old_peer));
  if (old_notifier != nullptr) in_flight_.Retire(std::move(old_notifier));
  if (listener_ != nullptr) listener_->PeersChanged();
  return absl::OkStatus();
}

bool PeerTable::Disconnect(PeerId peer) {
  auto gone = std::make_shared<Owned>();
  {
    absl::MutexLock lock(&mutex_);
    const auto it = owned_.find(peer);
    if (it == owned_.end()) return false;
    Entry(peer).store(nullptr, std::memory_order_seq_cst);
    *gone = std::move(it->second);
    owned_.erase(it);
    Depart();
  }
  in_flight_.Retire(std::move(gone));
  if (listener_ != nullptr) listener_->PeersChanged();
  return true;
}

void PeerTable::DisconnectAll() {
  auto gone = std::make_shared<absl::flat_hash_map<PeerId, Owned>>();
  {
    absl::MutexLock lock(&mutex_);
    if (owned_.empty()) return;
    for (const auto& [peer, owned] : owned_) {
      Entry(peer).store(nullptr, std::memory_order_seq_cst);
    }
    gone->swap(owned_);
    Depart();
  }
  in_flight_.Retire(std::move(gone));
  if (listener_ != nullptr) listener_->PeersChanged();
}

std::vector<PeerTable::Connection> PeerTable::Connections() const {
  std::vector<Connection> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [peer, owned] : owned_) {
      for (size_t v = 0; v < owned.notifiers.size(); ++v) {
        if (owned.notifiers[v] == nullptr) continue;
        all.push_back({{peer, static_cast<Vector>(v)}, owned.notifiers[v]});
      }
    }
  }
  std::ranges::sort(all, {}, &Connection::doorbell);
  return all;
}

std::vector<PeerTable::Connection> PeerTable::ConnectionsSince(
    uint64_t& since) const {
  std::vector<Connection> arrived;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t from = std::exchange(since, forgotten_ + arrivals_.size());
    if (from >= forgotten_) {
      for (uint64_t i = from - forgotten_; i < arrivals_.size(); ++i) {
        std::shared_ptr<Notifier> notifier = FindLocked(arrivals_[i]);
        if (notifier != nullptr) {
          arrived.push_back({arrivals_[i], std::move(notifier)});
        }
      }
      return arrived;
    }
  }
  // What comes meanwhile is in it, and will be new once more.
  return Connections();
}

void PeerTable::Arrive(Doorbell doorbell) {
  if (arrivals_.size() == kMostArrivals) {
    forgotten_ += kMostArrivals;
    arrivals_.clear();
  }
  arrivals_.push_back(doorbell);
}

std::shared_ptr<Notifier> PeerTable::Find(Doorbell doorbell) const {
  absl::MutexLock lock(&mutex_);
  return FindLocked(doorbell);
}

std::shared_ptr<Notifier> PeerTable::FindLocked(Doorbell doorbell) const {
  const auto it = owned_.find(doorbell.peer);
  if (it == owned_.end()) return nullptr;
  const auto& notifiers = it->second.notifiers;
  return doorbell.vector < notifiers.size() ? notifiers[doorbell.vector]
                                            : nullptr;
}

}  // namespace ivshmem
