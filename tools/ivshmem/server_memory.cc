// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/server_memory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/memory.h"
#include "tools/ivshmem/systemd.h"

namespace ivshmem::tool {
namespace {

using Kind = server::MemorySpec::Kind;

absl::Status WithPath(const std::string& path, const absl::Status& error) {
  if (error.ok()) return error;
  return absl::Status(error.code(),
                      absl::StrCat("--state ", path, ": ", error.message()));
}

}  // namespace

absl::StatusOr<ServerMemory> ServerMemory::Open(const ServerOptions& options,
                                                UniqueFd stored) {
  ServerMemory memory(options);
  absl::Status status = memory.ReadState();
  if (status.ok()) status = memory.OpenObject(std::move(stored));
  if (!status.ok()) return status;
  return memory;
}

ServerMemory::ServerMemory(const ServerOptions& options)
    : spec_(options.memory),
      state_path_(options.state),
      vectors_(options.vectors) {}

ServerMemory::~ServerMemory() {
  if (!object_.has_value() || !object_->created()) return;
  if (!saved_) server::RemoveShm(spec_, *object_);
}

absl::Status ServerMemory::ReadState() {
  if (state_path_.empty()) return absl::OkStatus();
  if (spec_.kind == Kind::kDirectory) {
    return absl::InvalidArgumentError(
        "--state needs memory that outlives the server: use --shm-name or "
        "--file instead of --directory");
  }
  absl::StatusOr<std::string> boot_id = server::BootId();
  if (!boot_id.ok()) return boot_id.status();
  state_.boot_id = *std::move(boot_id);
  absl::StatusOr<std::optional<server::State>> before =
      server::ReadState(state_path_);
  if (!before.ok()) return WithPath(state_path_, before.status());
  if (!before->has_value()) return absl::OkStatus();
  if ((*before)->boot_id != state_.boot_id) {
    notice_ = absl::StrFormat(
        "--state %s: is of before the machine was booted, and ignored",
        state_path_);
    return absl::OkStatus();
  }
  before_ = *std::move(before);
  return WithPath(state_path_,
                  server::CheckSameServer(*before_, spec_, vectors_));
}

absl::Status ServerMemory::OpenObject(UniqueFd stored) {
  const bool needs_store = spec_.kind == Kind::kMemfd && !state_path_.empty();
  if (needs_store && !stored.valid() && !Systemd::Present()) {
    return absl::InvalidArgumentError(
        "--state needs an object with a name: a memfd ends with the server, "
        "unless systemd stores it; use --shm-name or --file");
  }
  const bool was_stored = stored.valid();
  absl::StatusOr<MemoryObject> object =
      was_stored ? MemoryObject::Adopt(std::move(stored), spec_.size)
                 : server::OpenMemory(spec_);
  if (!object.ok()) return object.status();
  object_ = *std::move(object);
  if (before_.has_value() && needs_store && !was_stored) {
    notice_ = absl::StrFormat(
        "--state %s: systemd has not stored the memory that it tells of; it is "
        "ignored",
        state_path_);
    before_.reset();
  }
  if (before_.has_value()) {
    const absl::Status same = server::CheckSameMemory(*before_, *object_);
    if (!same.ok()) {
      if (object_->created()) server::RemoveShm(spec_, *object_);
      return WithPath(state_path_, same);
    }
  }
  state_.kind = spec_.kind;
  state_.name = spec_.name;
  state_.size = object_->size();
  state_.identity = object_->identity();
  state_.vectors = vectors_;
  if (!needs_store || was_stored) return absl::OkStatus();
  return Systemd::StoreMemory(object_->fd());
}

std::string ServerMemory::description() const {
  switch (spec_.kind) {
    case Kind::kShm:
      return absl::StrFormat("shared memory '%s'", spec_.name);
    case Kind::kFile:
      return absl::StrFormat("file '%s'", spec_.name);
    case Kind::kDirectory:
      return absl::StrFormat("file without a name in '%s'", spec_.name);
    case Kind::kMemfd:
      break;
  }
  return "memfd";
}

server::Server::Holdings ServerMemory::TakeHoldings() {
  if (!before_.has_value()) return {};
  return std::move(before_->holdings);
}

absl::Status ServerMemory::Save(const server::Server::Holdings& holdings) {
  if (state_path_.empty()) return absl::OkStatus();
  state_.holdings = holdings;
  const absl::Status written = server::WriteState(state_path_, state_);
  saved_ = saved_ || written.ok();
  return WithPath(state_path_, written);
}

}  // namespace ivshmem::tool
