// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SERVE_H_
#define IVSHMEM_TOOLS_IVSHMEM_SERVE_H_

#include "absl/status/status.h"
#include "tools/ivshmem/server_options.h"

namespace ivshmem::tool {

// Serves until a signal says that it is enough.
absl::Status Serve(const ServerOptions& options);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SERVE_H_
