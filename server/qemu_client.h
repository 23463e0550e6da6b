// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_QEMU_CLIENT_H_
#define IVSHMEM_SERVER_QEMU_CLIENT_H_

#include <sys/types.h>

namespace ivshmem::server {

// Whether the process `pid` is a QEMU by its name (/proc/PID/comm begins with
// "qemu"), or cannot be told: it has gone, is hidden, or is of another PID
// namespace (0). A guess, for what does no harm when it is wrong that way.
bool MayBeQemu(pid_t pid);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_QEMU_CLIENT_H_
