// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/numeric/bits.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "backends/linux/identity.h"
#include "core/doorbell.h"
#include "google/protobuf/text_format.h"
#include "proto/server_state.pb.h"
#include "proto/text.h"
#include "server/whole_file.h"

namespace ivshmem::server {
namespace {

using Kind = MemorySpec::Kind;

// Room for as many holdings as there are ids.
constexpr size_t kMostBytes = size_t{16} << 20;

absl::Status Invalid(absl::string_view field, absl::string_view expected,
                     absl::string_view got) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected %s, got %s", field, expected, got));
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMost = 100;  // Of what may be megabytes.
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kMost)), "'");
}

absl::StatusOr<Kind> ParseKind(state::Memory::Kind kind) {
  switch (kind) {
    case state::Memory::MEMFD:
      return Kind::kMemfd;
    case state::Memory::SHM:
      return Kind::kShm;
    case state::Memory::FILE:
      return Kind::kFile;
    default:
      return Invalid("memory.kind", "MEMFD, SHM or FILE",
                     absl::StrCat(static_cast<int>(kind)));
  }
}

state::Memory::Kind FormatKind(Kind kind) {
  switch (kind) {
    case Kind::kShm:
      return state::Memory::SHM;
    case Kind::kFile:
      return state::Memory::FILE;
    case Kind::kMemfd:
    case Kind::kDirectory:
      break;
  }
  return state::Memory::MEMFD;
}

bool IsNumber(absl::string_view text) {
  uint32_t number;
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, &number);
}

bool IsOwner(absl::string_view owner) {
  if (owner.empty()) return true;
  const std::vector<absl::string_view> parts = absl::StrSplit(owner, ':');
  return parts.size() == 3 && IsNumber(parts[0]) && IsNumber(parts[1]) &&
         IsIdentity(parts[2]);
}

absl::Status ParseMemory(const state::Memory& memory, State& state) {
  const absl::StatusOr<Kind> kind = ParseKind(memory.kind());
  if (!kind.ok()) return kind.status();
  state.kind = *kind;
  state.name = memory.name();
  state.size = memory.size();
  state.identity = {.device = memory.device(), .inode = memory.inode()};
  if (state.name.empty() != (state.kind == Kind::kMemfd)) {
    return Invalid("memory.name", "one for SHM and FILE, none for MEMFD",
                   Quoted(state.name));
  }
  if (!absl::has_single_bit(state.size)) {
    return Invalid("memory.size", "a power of two", absl::StrCat(state.size));
  }
  return absl::OkStatus();
}

absl::Status ParseHoldings(const state::ServerState& message, State& state) {
  std::set<uint32_t> ids;
  std::set<absl::string_view> owners;
  for (int i = 0; i < message.holdings_size(); ++i) {
    const state::Holding& holding = message.holdings(i);
    const std::string field = absl::StrFormat("holdings[%d]", i);
    if (holding.id() >= kMaxPeers || !ids.insert(holding.id()).second) {
      return Invalid(
          absl::StrCat(field, ".id"),
          absl::StrFormat("0 to %d that is not there yet", kMaxPeers - 1),
          absl::StrCat(holding.id()));
    }
    if (!IsOwner(holding.owner()) ||
        (!holding.owner().empty() && !owners.insert(holding.owner()).second)) {
      return Invalid(absl::StrCat(field, ".owner"),
                     "'uid:gid:identity' that is not there yet, or ''",
                     Quoted(holding.owner()));
    }
    state.holdings.push_back(
        {static_cast<PeerId>(holding.id()), holding.owner()});
  }
  return absl::OkStatus();
}

absl::Status Differs(absl::string_view what, absl::string_view saved,
                     absl::string_view now) {
  return absl::FailedPreconditionError(absl::StrFormat(
      "the state was saved with %s %s, but now it is %s; remove the file to "
      "start anew",
      what, saved, now));
}

absl::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kMemfd:
      return "a memfd";
    case Kind::kShm:
      return "shared memory";
    case Kind::kFile:
      return "a file";
    case Kind::kDirectory:
      break;
  }
  return "a file without a name";
}

std::string Format(const MemoryObject::Identity& identity) {
  return absl::StrFormat("%d:%d (device:inode)", identity.device,
                         identity.inode);
}

}  // namespace

absl::StatusOr<std::string> BootId() {
  const absl::StatusOr<std::optional<std::string>> text =
      ReadFile("/proc/sys/kernel/random/boot_id", kMostBytes);
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(text->value_or("")));
}

absl::StatusOr<State> ParseState(absl::string_view text) {
  state::ServerState message;
  absl::Status status = ParseText(text, message);
  if (!status.ok()) return status;
  State state = {.boot_id = message.boot_id()};
  if (state.boot_id.empty()) return Invalid("boot_id", "one", "none");
  status = ParseMemory(message.memory(), state);
  if (!status.ok()) return status;
  if (message.vectors() < 1 || message.vectors() > kMaxVectors) {
    return Invalid("vectors", absl::StrCat("1 to ", kMaxVectors),
                   absl::StrCat(message.vectors()));
  }
  state.vectors = static_cast<int>(message.vectors());
  status = ParseHoldings(message, state);
  if (!status.ok()) return status;
  return state;
}

std::string FormatState(const State& state) {
  state::ServerState message;
  message.set_boot_id(state.boot_id);
  state::Memory& memory = *message.mutable_memory();
  memory.set_kind(FormatKind(state.kind));
  memory.set_name(state.name);
  memory.set_size(state.size);
  memory.set_device(state.identity.device);
  memory.set_inode(state.identity.inode);
  message.set_vectors(state.vectors);
  for (const protocol::IdPool::Holding& held : state.holdings) {
    state::Holding& holding = *message.add_holdings();
    holding.set_id(held.id);
    holding.set_owner(held.owner);
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

absl::StatusOr<std::optional<State>> ReadState(const std::string& path) {
  const absl::StatusOr<std::optional<std::string>> text =
      ReadFile(path, kMostBytes);
  if (!text.ok()) return text.status();
  if (!text->has_value() || (*text)->empty()) return std::nullopt;
  absl::StatusOr<State> state = ParseState(**text);
  if (!state.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", state.status().message()));
  }
  return *std::move(state);
}

absl::Status WriteState(const std::string& path, const State& state) {
  return ReplaceFile(path, FormatState(state), 0600);
}

absl::Status CheckSameServer(const State& saved, const MemorySpec& spec,
                             int vectors) {
  if (saved.kind != spec.kind) {
    return Differs("memory that is", KindName(saved.kind), KindName(spec.kind));
  }
  if (saved.name != spec.name) {
    return Differs("memory named", Quoted(saved.name), Quoted(spec.name));
  }
  if (saved.size != spec.size) {
    return Differs("a size of", absl::StrCat(saved.size),
                   absl::StrCat(spec.size));
  }
  if (saved.vectors != vectors) {
    return Differs("--vectors", absl::StrCat(saved.vectors),
                   absl::StrCat(vectors));
  }
  return absl::OkStatus();
}

absl::Status CheckSameMemory(const State& saved, const MemoryObject& memory) {
  if (saved.identity == memory.identity()) return absl::OkStatus();
  return Differs("the memory object", Format(saved.identity),
                 Format(memory.identity()));
}

}  // namespace ivshmem::server
