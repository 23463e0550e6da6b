// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/link_peers.h"

#include <utility>

namespace ivshmem {

using Change = DeviceAttachment::Change;

void LinkPeers::BeginSession(PeerId own) {
  Push({.kind = Change::Kind::kNewSession});
  descriptors_ -= std::exchange(earlier_, {}).size();
  // The device's own vectors are no peer that could be on its way back.
  const auto self = present_.find(own_);
  if (self != present_.end()) {
    descriptors_ -= self->second.size();
    present_.erase(self);
    if (own != own_) Push({.kind = Change::Kind::kDisconnect, .peer = own_});
  }
  own_ = own;
  Push({.kind = Change::Kind::kId, .peer = own});
  // Of a peer that has been away for two sessions, the later one is kept.
  for (auto& [peer, events] : present_) {
    const auto [it, added] = absent_.try_emplace(peer);
    descriptors_ -= it->second.size();
    it->second = std::move(events);
  }
  present_.clear();
  // Nor is a peer whose id is the device's now.
  Disconnect(own);
}

bool LinkPeers::Connect(PeerId peer, Vector vector,
                        std::shared_ptr<EventFd> event) {
  const bool known = present_.contains(peer) || absent_.contains(peer);
  const auto there = present_.find(peer);
  const size_t has = there == present_.end() ? 0 : there->second.size();
  // The server tells them in order, but who had the device before may have kept
  // fewer of its own.
  if (vector > has) return false;
  Events& events = present_[peer];
  if (vector == has) {
    events.emplace_back();
    ++descriptors_;
  }
  events[vector] = std::move(event);
  PushVector(peer, vector, events[vector]);
  return !known;
}

bool LinkPeers::Disconnect(PeerId peer) {
  bool known = false;
  for (Peers* peers : {&present_, &absent_}) {
    const auto it = peers->find(peer);
    if (it == peers->end()) continue;
    known = true;
    descriptors_ -= it->second.size();
    peers->erase(it);
  }
  if (known) Push({.kind = Change::Kind::kDisconnect, .peer = peer});
  return known;
}

std::vector<PeerId> LinkPeers::DropAbsent() {
  std::vector<PeerId> left;
  for (const auto& [peer, events] : absent_) {
    descriptors_ -= events.size();
    const auto back = present_.find(peer);
    if (back == present_.end()) {
      left.push_back(peer);
      Push({.kind = Change::Kind::kDisconnect, .peer = peer});
    } else if (back->second.size() < events.size()) {
      Push({.kind = Change::Kind::kDisconnect, .peer = peer});
      for (size_t v = 0; v < back->second.size(); ++v) {
        PushVector(peer, static_cast<Vector>(v), back->second[v]);
      }
    }
  }
  absent_.clear();
  return left;
}

void LinkPeers::Attach(std::shared_ptr<DeviceAttachment> attachment,
                       int vectors) {
  attachment_ = std::move(attachment);
  device_vectors_ = vectors;
  Push({.kind = Change::Kind::kId, .peer = own_});
  for (const LinkHandOver::EarlierEvent& earlier : earlier_) {
    if (earlier.vector >= vectors) continue;
    Push({.kind = Change::Kind::kOwnVector,
          .vector = earlier.vector,
          .event = earlier.event});
  }
  if (!earlier_.empty()) Push({.kind = Change::Kind::kNewSession});
  for (const Peers* peers : {&absent_, &present_}) {
    for (const auto& [peer, events] : *peers) {
      for (size_t v = 0; v < events.size(); ++v) {
        PushVector(peer, static_cast<Vector>(v), events[v]);
      }
    }
  }
}

std::shared_ptr<DeviceAttachment> LinkPeers::Detach() {
  return std::exchange(attachment_, nullptr);
}

void LinkPeers::HandOver(LinkHandOver& to) {
  to.id = own_;
  for (auto* peers : {&present_, &absent_}) {
    for (auto& [peer, events] : *peers) {
      to.peers.push_back({.id = peer,
                          .absent = peers == &absent_,
                          .events = std::move(events)});
    }
    peers->clear();
  }
  // Those of an attached device are the attachment's to tell.
  if (attachment_ == nullptr) to.earlier = std::exchange(earlier_, {});
  descriptors_ = 0;
}

void LinkPeers::Adopt(LinkHandOver& from) {
  own_ = from.id;
  for (LinkHandOver::Peer& peer : from.peers) {
    descriptors_ += peer.events.size();
    (peer.absent ? absent_ : present_)[peer.id] = std::move(peer.events);
  }
  earlier_ = std::move(from.earlier);
  descriptors_ += earlier_.size();
}

void LinkPeers::Push(Change change) {
  if (attachment_ != nullptr) attachment_->Push(std::move(change));
}

void LinkPeers::PushVector(PeerId peer, Vector vector,
                           const std::shared_ptr<EventFd>& event) {
  if (peer == own_) {
    if (vector >= device_vectors_) return;
    Push({.kind = Change::Kind::kOwnVector, .vector = vector, .event = event});
  }
  Push({.kind = Change::Kind::kConnect,
        .peer = peer,
        .vector = vector,
        .event = event});
}

}  // namespace ivshmem
