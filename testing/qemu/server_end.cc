// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/server_end.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "gtest/gtest.h"

namespace ivshmem::qemu {

ServerEnd::ServerEnd() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  socket_.Reset(ends[0]);
  client_.Reset(ends[1]);
}

void ServerEnd::Send(int64_t number, int fd) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(number) >> (8 * i));
  }
  iovec data = {.iov_base = bytes, .iov_len = sizeof(bytes)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  }
  EXPECT_EQ(sendmsg(socket_.get(), &message, MSG_NOSIGNAL),
            static_cast<ssize_t>(sizeof(bytes)));
}

void ServerEnd::Greet(PeerId id, int memory) {
  Send(0);
  Send(id);
  Send(-1, memory);
}

std::vector<UniqueFd> ServerEnd::Connect(PeerId peer, int vectors) {
  std::vector<UniqueFd> events;
  for (int v = 0; v < vectors; ++v) {
    events.emplace_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    EXPECT_TRUE(events.back().valid());
    Send(peer, events.back().get());
  }
  return events;
}

UniqueFd MakeMemory(uint64_t size) {
  UniqueFd memory(memfd_create("ivshmem", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(memory.get(), static_cast<off_t>(size)), 0);
  return memory;
}

void Kick(const UniqueFd& event) {
  const uint64_t one = 1;
  EXPECT_EQ(write(event.get(), &one, sizeof(one)),
            static_cast<ssize_t>(sizeof(one)));
}

uint64_t TakeKicks(const UniqueFd& event) {
  // QEMU may have cleared O_NONBLOCK, which all share.
  pollfd readable = {.fd = event.get(), .events = POLLIN, .revents = 0};
  if (poll(&readable, 1, 0) != 1) return 0;
  uint64_t count = 0;
  return read(event.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
}

}  // namespace ivshmem::qemu
