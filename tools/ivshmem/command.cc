// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/command.h"

#include "absl/strings/cord.h"

namespace ivshmem::tool {
namespace {

constexpr char kNotSo[] = "ivshmem/not-so";

}  // namespace

absl::Status NotSo(const std::string& message) {
  absl::Status status = absl::FailedPreconditionError(message);
  status.SetPayload(kNotSo, absl::Cord());
  return status;
}

bool IsNotSo(const absl::Status& status) {
  return status.GetPayload(kNotSo).has_value();
}

}  // namespace ivshmem::tool
