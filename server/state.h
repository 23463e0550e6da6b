// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_STATE_H_
#define IVSHMEM_SERVER_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "backends/linux/memory_object.h"
#include "core/protocol/id_pool.h"
#include "server/memory.h"

namespace ivshmem::server {

// What a restarted server has to know (proto/server_state.proto).
struct State {
  std::string boot_id;
  MemorySpec::Kind kind = MemorySpec::Kind::kMemfd;  // Not kDirectory.
  std::string name;
  uint64_t size = 0;
  MemoryObject::Identity identity;
  int vectors = 0;
  std::vector<protocol::IdPool::Holding> holdings;
};

// Which run of the kernel this is.
absl::StatusOr<std::string> BootId();

// Reads what somebody else may have written. Errors: InvalidArgument, which
// names the field, what was expected and what came.
absl::StatusOr<State> ParseState(absl::string_view text);

std::string FormatState(const State& state);

// What the file at `path` says; nullopt if there is none or it is empty.
// Errors: InvalidArgument as ParseState(), with the path; what the kernel says.
absl::StatusOr<std::optional<State>> ReadState(const std::string& path);

// Puts the state in the place of what the file said, all at once: whoever reads
// it, or comes after this process has been killed, finds the old or the new.
// Does not wait for a disk, as what it says does not outlive the machine's run.
absl::Status WriteState(const std::string& path, const State& state);

// Whether a server that is started with `spec` and `vectors` can go on where
// `saved` ended. Errors: FailedPrecondition, which names what differs.
absl::Status CheckSameServer(const State& saved, const MemorySpec& spec,
                             int vectors);

// Whether `memory` is the object that clients of the saved server have. Errors:
// FailedPrecondition.
absl::Status CheckSameMemory(const State& saved, const MemoryObject& memory);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_STATE_H_
