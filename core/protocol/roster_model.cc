// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/roster_model.h"

#include <algorithm>
#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "core/protocol/roster_text.h"

namespace ivshmem::protocol {
namespace {

template <typename Value>
absl::Status Same(const char* what, PeerId id, const Value& expected,
                  const Value& got) {
  if (expected == got) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat("%s of %d: expected %d, got %d",
                                             what, id, expected, got));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const RosterStep& step) {
  switch (step.kind) {
    case RosterStep::Kind::kJoin:
      return out << "Join(" << step.id << ")";
    case RosterStep::Kind::kLeave:
      return out << "Leave(" << step.id << ")";
    case RosterStep::Kind::kReturn:
      return out << "Return(" << step.id << ")";
    case RosterStep::Kind::kSend:
      return out << "Peek(" << step.id << ", " << step.room << "), Sent("
                 << step.sent << ")";
    case RosterStep::Kind::kSettle:
      break;
  }
  return out << "Settle()";
}

absl::Status RosterModel::Do(const RosterStep& step) {
  absl::Status done;
  switch (step.kind) {
    case RosterStep::Kind::kJoin:
      done = Join(step.id);
      break;
    case RosterStep::Kind::kLeave:
      done = Leave(step.id);
      break;
    case RosterStep::Kind::kReturn:
      done = Return(step.id);
      break;
    case RosterStep::Kind::kSend:
      done = Send(step.id, step.room, step.sent);
      break;
    case RosterStep::Kind::kSettle:
      done = Settle();
      break;
  }
  if (done.ok()) done = Check();
  return done;
}

absl::Status RosterModel::Join(PeerId id) {
  const bool joins = !there_.contains(id);
  if (joins) {
    there_[id] = ++last_life_;
    Change(id);
    views_[id].came = last_change_;
  }
  return Same("Join", id, joins, roster_.Join(id));
}

absl::Status RosterModel::Leave(PeerId id) {
  roster_.Leave(id);
  if (there_.erase(id) != 0) Change(id);
  views_.erase(id);
  return absl::OkStatus();
}

// Nobody's life begins: others are told nothing.
absl::Status RosterModel::Return(PeerId id) {
  const bool returns = there_.contains(id);
  if (returns) {
    views_[id] = {};
    views_[id].came = last_change_;
  }
  return Same("Return", id, returns, roster_.Return(id));
}

void RosterModel::Change(PeerId id) {
  changed_[id] = ++last_change_;
  std::erase(changes_, id);
  changes_.push_back(id);
}

// What brings a view up to date, by the last change of each id; but of itself
// it is told after those who were there when it came.
std::vector<Outgoing> RosterModel::Expected(PeerId id) const {
  const auto it = views_.find(id);
  if (it == views_.end()) return {};
  const View& view = it->second;
  std::vector<Outgoing> messages = {
      {.number = 0},
      {.number = id},
      {.number = -1, .handle = Outgoing::Handle::kMemory}};
  messages.erase(messages.begin(), messages.begin() + view.greeting);

  std::vector<PeerId> order = changes_;
  std::erase(order, id);
  order.insert(
      std::find_if(order.begin(), order.end(),
                   [&](PeerId peer) { return changed_.at(peer) > view.came; }),
      id);
  for (const PeerId peer : order) {
    const auto there = there_.find(peer);
    const auto told = view.told.find(peer);
    int next = 0;
    if (told != view.told.end()) {
      if (there != there_.end() && there->second == told->second.life) {
        next = told->second.vectors;
      } else {
        messages.push_back({.number = peer});
      }
    }
    if (there == there_.end()) continue;
    for (; next < vectors_; ++next) {
      messages.push_back({.number = peer,
                          .handle = Outgoing::Handle::kVector,
                          .vector = static_cast<Vector>(next)});
    }
  }
  return messages;
}

absl::Status RosterModel::Send(PeerId id, size_t room, size_t sent) {
  const std::vector<Outgoing> owed = Expected(id);
  const auto expected =
      absl::MakeConstSpan(owed).first(std::min(room, owed.size()));
  // Twice, as the same call gives the same.
  for (int i = 0; i < 2; ++i) {
    const Outgoing untouched = {.number = -77};
    std::vector<Outgoing> out(room, untouched);
    const size_t count = roster_.Peek(id, absl::MakeSpan(out));
    if (count > room) return absl::InternalError("Peek gave more than asked");
    const auto peeked = absl::MakeConstSpan(out).first(count);
    if (peeked != expected) {
      return absl::InternalError(absl::StrFormat(
          "Peek of %d: expected %s; got %s", id, Text(expected), Text(peeked)));
    }
  }
  roster_.Sent(id, sent);
  for (size_t i = 0; i < std::min(sent, owed.size()); ++i) {
    absl::Status read = Read(id, views_.at(id), owed[i]);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status RosterModel::Read(PeerId id, View& view, const Outgoing& message) {
  using Kind = ClientEvent::Kind;
  const auto event = view.client.OnMessage(
      message.number, message.handle == Outgoing::Handle::kNone ? 0 : 1);
  if (!event.ok()) return event.status();
  const auto read = [&] {
    const PeerId peer = event->peer;
    const auto told = view.told.find(peer);
    switch (event->kind) {
      case Kind::kVersion:
      case Kind::kId:
      case Kind::kMemory:
        return ++view.greeting == (event->kind == Kind::kVersion ? 1
                                   : event->kind == Kind::kId    ? 2
                                                                 : 3);
      case Kind::kPeerVector:
      case Kind::kOwnVector: {
        if (event->vector != message.vector) return false;
        if ((event->kind == Kind::kOwnVector) != (peer == id)) return false;
        if (!there_.contains(peer)) return false;
        const Life life = there_.at(peer);
        Told& now = view.told.try_emplace(peer, Told{life, 0}).first->second;
        return now.life == life && ++now.vectors == event->vector + 1;
      }
      case Kind::kPeerLeft:
        if (told == view.told.end()) return false;
        view.told.erase(told);
        return true;
      case Kind::kSurplusVector:
      case Kind::kUnknownPeerLeft:
        break;
    }
    return false;
  };
  if (read()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrFormat("client %d is sent %s", id, Text({message})));
}

absl::Status RosterModel::Settle() {
  std::map<PeerId, Told> world;
  for (const auto& [id, life] : there_) world[id] = Told{life, vectors_};
  for (const auto& [id, view] : views_) {
    const size_t owed = roster_.Owed(id);
    absl::Status sent = Send(id, owed + 1, owed);
    if (!sent.ok()) return sent;
    if (!view.client.joined() || view.told != world) {
      return absl::InternalError(
          absl::StrFormat("client %d does not know who is there", id));
    }
  }
  return absl::OkStatus();
}

// Who is there, and who is gone while somebody was told of that id and of
// nothing since.
size_t RosterModel::ExpectedToBeRemembered() const {
  std::set<PeerId> ids;
  for (const auto& [id, life] : there_) ids.insert(id);
  for (const auto& [id, view] : views_) {
    for (const auto& [peer, told] : view.told) ids.insert(peer);
  }
  return ids.size();
}

absl::Status RosterModel::Check() const {
  absl::Status same = Same("size", 0, there_.size(), roster_.size());
  same.Update(
      Same("remembered", 0, ExpectedToBeRemembered(), roster_.remembered()));
  for (const PeerId id : changes_) {
    same.Update(Same("Has", id, there_.contains(id), roster_.Has(id)));
    same.Update(
        Same("Owed", id, uint64_t{Expected(id).size()}, roster_.Owed(id)));
  }
  return same;
}

}  // namespace ivshmem::protocol
