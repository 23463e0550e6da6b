// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_PROTO_TEXT_H_
#define IVSHMEM_PROTO_TEXT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace ivshmem {

// Reads `text` into `message`. Errors: InvalidArgument, which says line and
// column, counted from 1, of the first thing that is wrong.
absl::Status ParseText(absl::string_view text,
                       google::protobuf::Message& message);

}  // namespace ivshmem

#endif  // IVSHMEM_PROTO_TEXT_H_
