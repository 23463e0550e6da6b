// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_RECEIVED_FDS_H_
#define IVSHMEM_BACKENDS_LINUX_RECEIVED_FDS_H_

#include <sys/socket.h>

#include <vector>

#include "backends/linux/unique_fd.h"

namespace ivshmem {

// Appends the descriptors that recvmsg() received with `message` to `fds`,
// which own them. Those that its control buffer had no room for (MSG_CTRUNC)
// are not among them; the kernel has closed them. Any thread.
void TakeReceivedFds(msghdr& message, std::vector<UniqueFd>& fds);

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_RECEIVED_FDS_H_
