// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/joining_client.h"

#include <sys/socket.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "core/protocol/message.h"

namespace ivshmem::bench {

JoiningClient::JoiningClient(UniqueFd socket, const Shape& shape)
    : socket_(std::move(socket)),
      shape_(shape),
      vectors_(shape.clients),
      owed_(3 + int64_t{shape.clients} * shape.vectors) {}

absl::Status JoiningClient::Read(OneMessage& one) {
  while (true) {
    const absl::StatusOr<Arrived> arrived =
        one.Receive(socket_.get(), MSG_DONTWAIT);
    if (!arrived.ok()) {
      if (absl::IsUnavailable(arrived.status())) return absl::OkStatus();
      return arrived.status();
    }
    absl::Status taken = Take(*arrived);
    if (!taken.ok()) return taken;
    --owed_;
  }
}

absl::Status JoiningClient::Take(const Arrived& arrived) {
  const int64_t number = arrived.number;
  const bool has_fd = arrived.fd.valid();
  const bool is_id = number >= 0 && number < shape_.clients;
  bool owed = false;
  switch (greeted_) {
    case 0:
      owed = number == protocol::kVersion && !has_fd;
      break;
    case 1:
      owed = is_id && !has_fd;
      break;
    case 2:
      owed = number == protocol::kMemory && has_fd;
      break;
    default:
      owed = is_id && has_fd && vectors_[number]++ < shape_.vectors;
      break;
  }
  if (greeted_ < 3) ++greeted_;
  if (owed) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "after %d messages a client got one that it is not owed: %d %s",
      3 + int64_t{shape_.clients} * shape_.vectors - owed_, number,
      has_fd ? "with a descriptor" : "without a descriptor"));
}

}  // namespace ivshmem::bench
