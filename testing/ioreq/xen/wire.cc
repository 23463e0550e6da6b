// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/xen/wire.h"

#include <sys/socket.h>

#include <cerrno>

namespace ivshmem::xen_simulation {

bool SendBytes(int socket, const void* bytes, uint64_t size) {
  ssize_t sent = 0;
  do {
    sent = send(socket, bytes, size, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

bool ReceiveBytes(int socket, void* bytes, uint64_t size) {
  ssize_t received = 0;
  do {
    received = recv(socket, bytes, size, 0);
  } while (received < 0 && errno == EINTR);
  return received == static_cast<ssize_t>(size);
}

}  // namespace ivshmem::xen_simulation
