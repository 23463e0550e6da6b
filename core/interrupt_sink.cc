// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/interrupt_sink.h"

namespace ivshmem {

const char* InterruptResultName(InterruptResult result) {
  switch (result) {
    case InterruptResult::kDelivered:
      return "delivered";
    case InterruptResult::kHeld:
      return "held until unmasked";
    case InterruptResult::kDisabled:
      return "interrupts disabled";
    case InterruptResult::kNoSuchVector:
      return "no such vector";
    case InterruptResult::kNotConfigured:
      return "not configured for interrupts";
    case InterruptResult::kDeferred:
      return "deferred: over the rate";
    case InterruptResult::kCount:
      break;
  }
  return "unknown";
}

}  // namespace ivshmem
