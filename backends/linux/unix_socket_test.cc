// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/unix_socket.h"

#include <sys/socket.h>

#include <array>

#include "backends/linux/event_fd.h"
#include "backends/linux/open_fds.h"
#include "gtest/gtest.h"

namespace ivshmem::unix_socket {
namespace {

TEST(UnixSocketTest, CarriesMessages) {
  const auto before = OpenFds();
  {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd sender(ends[0]);
    const UniqueFd receiver(ends[1]);
    const auto event = *EventFd::Create();
    auto sent = SendMessages(sender.get(), {{-1, event->fd()}, {7, -1}});
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(sent->messages, 2U);
    std::array<uint8_t, 8> buffer;
    auto received = Receive(receiver.get(), absl::MakeSpan(buffer));
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->bytes, 8U);
    EXPECT_EQ(received->fds.size(), 1U);
    EXPECT_EQ(buffer[7], 0xff);
    received = Receive(receiver.get(), absl::MakeSpan(buffer));
    EXPECT_EQ(buffer[0], 7);
    EXPECT_EQ(received->fds.size(), 0U);
  }
  EXPECT_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ivshmem::unix_socket
