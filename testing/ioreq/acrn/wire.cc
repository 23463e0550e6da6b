// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/wire.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ivshmem::acrn_simulation {

bool Send(int socket, const void* message, size_t size, int fd) {
  iovec data = {.iov_base = const_cast<void*>(message), .iov_len = size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

bool Receive(int socket, void* message, size_t size, UniqueFd* fd) {
  iovec data = {.iov_base = message, .iov_len = size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t received = 0;
  do {
    received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received <= 0) return false;
  const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(rights), sizeof(int));
    UniqueFd taken(number);
    if (fd != nullptr) *fd = std::move(taken);
  }
  return received == static_cast<ssize_t>(size);
}

}  // namespace ivshmem::acrn_simulation
