// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_ROSTER_TEXT_H_
#define IVSHMEM_CORE_PROTOCOL_ROSTER_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/doorbell.h"
#include "core/protocol/roster.h"

// What a roster gives, for tests to read. A message is written as its number,
// "+" and a vector when that one's handle goes with it, "+memory" when the
// memory does: "0 3 -1+memory 3+0 3+1".
namespace ivshmem::protocol {

inline std::string Text(absl::Span<const Outgoing> messages) {
  std::string text;
  for (const Outgoing& message : messages) {
    absl::StrAppend(&text, text.empty() ? "" : " ", message.number);
    if (message.handle == Outgoing::Handle::kMemory) text += "+memory";
    if (message.handle == Outgoing::Handle::kVector) {
      absl::StrAppend(&text, "+", message.vector);
    }
  }
  return text;
}

// What `client` is to be sent next, at most `room` messages.
inline std::string Peek(Roster& roster, PeerId client, size_t room = 100) {
  std::vector<Outgoing> out(room);
  const size_t count = roster.Peek(client, absl::MakeSpan(out));
  return Text(absl::MakeConstSpan(out).first(std::min(count, room)));
}

// As Peek(), of messages which are sent.
inline std::string Send(Roster& roster, PeerId client, size_t room = 100) {
  std::string text = Peek(roster, client, room);
  roster.Sent(client, room);
  return text;
}

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_ROSTER_TEXT_H_
