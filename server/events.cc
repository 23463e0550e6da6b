// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/events.h"

namespace ivshmem::server {

absl::string_view Name(Departure departure) {
  switch (departure) {
    case Departure::kHungUp:
      return "hung up";
    case Departure::kSpoke:
      return "spoke";
    case Departure::kStalled:
      return "stalled";
    case Departure::kHoarded:
      return "hoarded";
    case Departure::kBroken:
      return "broken";
    case Departure::kCount:
      break;
  }
  return "unknown";
}

absl::string_view Name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNotAllowed:
      return "not allowed";
    case Refusal::kFull:
      return "full";
    case Refusal::kNoDescriptors:
      return "no descriptors";
    case Refusal::kBroken:
      return "broken";
    case Refusal::kCount:
      break;
  }
  return "unknown";
}

}  // namespace ivshmem::server
