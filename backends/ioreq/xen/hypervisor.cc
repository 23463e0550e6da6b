// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/hypervisor.h"

namespace ivshmem::xen {

absl::Status CallError(int result, absl::string_view what) {
  return absl::ErrnoToStatus(-result, what);
}

}  // namespace ivshmem::xen
