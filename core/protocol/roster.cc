// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/roster.h"

#include "core/protocol/message.h"

namespace ivshmem::protocol {
namespace {

constexpr int kGreeting = 3;  // Version, id, memory.

}  // namespace

Roster::Roster(int vectors) : vectors_(vectors) {}

bool Roster::Join(PeerId id) {
  const auto [client, added] = clients_.try_emplace(id);
  if (!added) return false;
  Record(id);
  client->second.came = last_;
  return true;
}

bool Roster::Return(PeerId id) {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return false;
  ForgetAll(client->second);
  client->second.progress = {};
  client->second.came = last_;
  return true;
}

void Roster::Leave(PeerId id) {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return;
  ForgetAll(client->second);
  clients_.erase(client);
  Record(id);
  ForgetIfUnknown(id);
}

size_t Roster::Peek(PeerId client, absl::Span<Outgoing> out) {
  const auto it = clients_.find(client);
  if (it == clients_.end()) return 0;
  Progress progress = it->second.progress;
  size_t count = 0;
  Changes::const_iterator change = changes_.upper_bound(progress.cursor);
  while (count < out.size() &&
         Next(client, it->second, change, progress, out[count])) {
    ++count;
  }
  // Changes that this client need not be told of are passed over only once.
  if (count == 0) it->second.progress = progress;
  return count;
}

void Roster::Sent(PeerId client, size_t count) {
  const auto it = clients_.find(client);
  if (it == clients_.end()) return;
  Progress& progress = it->second.progress;
  Outgoing message;
  Changes::const_iterator change = changes_.upper_bound(progress.cursor);
  for (; count > 0; --count) {
    const bool greeting = progress.greeting < kGreeting;
    if (!Next(client, it->second, change, progress, message)) return;
    if (greeting) continue;
    const bool knows = message.handle == Outgoing::Handle::kVector;
    SetKnows(it->second, static_cast<PeerId>(message.number), knows);
    // Who is gone may have been forgotten now, and its change with it.
    if (!knows) change = changes_.upper_bound(progress.cursor);
  }
}

uint64_t Roster::Owed(PeerId client) const {
  const auto it = clients_.find(client);
  if (it == clients_.end()) return 0;
  Progress progress = it->second.progress;
  uint64_t owed = kGreeting - progress.greeting + vectors_ - progress.own;
  for (auto change = changes_.upper_bound(progress.cursor);
       change != changes_.end(); ++change) {
    if (change->second == client) continue;
    owed += Open(it->second, *change, progress);
  }
  return owed;
}

int Roster::Open(const Client& client, const Changes::value_type& change,
                 Progress& progress) const {
  const auto [serial, peer] = change;
  if (progress.current != serial) {
    progress.current = serial;
    progress.knew = peer < client.knows.size() && client.knows[peer];
    progress.told = 0;
  }
  const int messages = (progress.knew ? 1 : 0) + (Has(peer) ? vectors_ : 0);
  return messages - progress.told;
}

bool Roster::Next(PeerId id, const Client& client,
                  Changes::const_iterator& change, Progress& progress,
                  Outgoing& message) const {
  if (progress.greeting < kGreeting) {
    const Outgoing greeting[kGreeting] = {
        {.number = kVersion},
        {.number = id},
        {.number = kMemory, .handle = Outgoing::Handle::kMemory}};
    message = greeting[progress.greeting++];
    return true;
  }
  for (; change != changes_.end(); ++change) {
    if (change->first > client.came && progress.own < vectors_) break;
    if (change->second != id && Open(client, *change, progress) > 0) {
      const int vector = progress.told++ - (progress.knew ? 1 : 0);
      message = {.number = change->second};
      if (vector >= 0) {
        message.handle = Outgoing::Handle::kVector;
        message.vector = static_cast<Vector>(vector);
      }
      return true;
    }
    progress.cursor = change->first;
  }
  if (progress.own == vectors_) return false;
  message = {.number = id,
             .handle = Outgoing::Handle::kVector,
             .vector = static_cast<Vector>(progress.own++)};
  return true;
}

void Roster::Record(PeerId id) {
  Id& entry = ids_[id];
  changes_.erase(entry.changed);
  entry.changed = ++last_;
  changes_.emplace_hint(changes_.end(), entry.changed, id);
}

void Roster::ForgetAll(Client& client) {
  for (size_t known = 0; known < client.knows.size(); ++known) {
    SetKnows(client, static_cast<PeerId>(known), false);
  }
}

void Roster::SetKnows(Client& client, PeerId id, bool knows) {
  if (id >= client.knows.size()) client.knows.resize(id + 1);
  if (client.knows[id] == knows) return;
  client.knows[id] = knows;
  ids_[id].known_by += knows ? 1 : -1;
  ForgetIfUnknown(id);
}

void Roster::ForgetIfUnknown(PeerId id) {
  const auto it = ids_.find(id);
  if (it->second.known_by > 0 || Has(id)) return;
  changes_.erase(it->second.changed);
  ids_.erase(it);
}

}  // namespace ivshmem::protocol
