// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What connections carry: numbers, and descriptors beside them.

#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction.
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/linux/descriptor_limit.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "core/protocol/message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::unix_socket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class UnixSocketMessagesTest : public testing::Test {
 protected:
  UnixSocketMessagesTest() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                         ends),
              0);
    server_.Reset(ends[0]);
    client_.Reset(ends[1]);
  }
  ~UnixSocketMessagesTest() override {
    server_.Reset();
    client_.Reset();
    event_.Reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  SendResult Send(absl::Span<const Message> messages, size_t skip = 0) {
    absl::StatusOr<SendResult> result =
        SendMessages(server_.get(), messages, skip);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : SendResult{};
  }

  // Reads into `buffer_`.
  Received ReceiveUpTo(size_t size) {
    absl::StatusOr<Received> received =
        Receive(client_.get(), absl::MakeSpan(buffer_).first(size));
    EXPECT_TRUE(received.ok()) << received.status();
    return received.ok() ? *std::move(received) : Received{};
  }

  // One message with at most one descriptor, as clients read it.
  std::pair<int64_t, UniqueFd> ReceiveMessage() {
    Received received = ReceiveUpTo(protocol::kMessageBytes);
    EXPECT_EQ(received.condition, Condition::kOk);
    EXPECT_EQ(received.bytes, protocol::kMessageBytes);
    EXPECT_LE(received.fds.size(), 1U);
    EXPECT_FALSE(received.fds_lost);
    protocol::MessageBytes bytes;
    std::memcpy(bytes.data(), buffer_.data(), bytes.size());
    return {protocol::Decode(bytes), received.fds.empty()
                                         ? UniqueFd()
                                         : std::move(received.fds.front())};
  }

  // Sends one byte with descriptors, as a server that keeps to nothing may.
  void SendFds(const std::vector<int>& fds) {
    iovec part = {.iov_base = const_cast<char*>("x"), .iov_len = 1};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    ASSERT_EQ(sendmsg(server_.get(), &message, 0), 1);
  }

  const std::map<int, std::string> before_ = OpenFds();
  UniqueFd server_;
  UniqueFd client_;
  UniqueFd event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::array<uint8_t, 256> buffer_;
};

// A number is 64 bits, signed, little-endian.
TEST_F(UnixSocketMessagesTest, Numbers) {
  const std::vector<int64_t> numbers = {
      0, 1, -1, 65535, 0x0123456789abcdef, INT64_MIN, INT64_MAX};
  std::vector<Message> messages;
  for (const int64_t number : numbers) messages.push_back({number});
  const SendResult result = Send(messages);
  EXPECT_EQ(result.condition, Condition::kOk);
  EXPECT_EQ(result.messages, numbers.size());
  EXPECT_EQ(result.bytes, 0U);
  for (const int64_t number : numbers) {
    const auto [came, fd] = ReceiveMessage();
    EXPECT_EQ(came, number);
    EXPECT_FALSE(fd.valid());
  }
  Send({Message{.number = 0x0102}});
  ReceiveUpTo(8);
  EXPECT_THAT(absl::MakeSpan(buffer_).first(8),
              ElementsAre(2, 1, 0, 0, 0, 0, 0, 0));
}

// A descriptor comes with its own message, however many are sent in one call;
// it is the same file, closed on exec; the sender keeps his.
TEST_F(UnixSocketMessagesTest, DescriptorsComeWithTheirMessages) {
  const UniqueFd other(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Send({Message{0, -1},
                  {1, event_.get()},
                  {2, -1},
                  {3, -1},
                  {4, other.get()},
                  {5, event_.get()}})
                .messages,
            6U);
  eventfd_write(event_.get(), 7);
  for (const int64_t number : {0, 1, 2, 3, 4, 5}) {
    const auto [came, fd] = ReceiveMessage();
    EXPECT_EQ(came, number);
    EXPECT_EQ(fd.valid(), number == 1 || number >= 4);
    if (!fd.valid()) continue;
    EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(OpenFds().at(fd.get()),
              number == 4 ? "/dev/null" : "anon_inode:[eventfd]");
    if (number == 1) {
      uint64_t count = 0;
      EXPECT_EQ(read(fd.get(), &count, sizeof(count)), 8);
      EXPECT_EQ(count, 7U);
    }
  }
  EXPECT_TRUE(OpenFds().contains(event_.get()));
}

// So does one whose receiver reads more than a message at a time, up to the
// next descriptor.
TEST_F(UnixSocketMessagesTest, ReadsUpToTheNextDescriptor) {
  Send({Message{0, event_.get()}, {1, event_.get()}});
  for (int i = 0; i < 2; ++i) {
    const Received received = ReceiveUpTo(100);
    EXPECT_EQ(received.bytes, 8U);
    EXPECT_THAT(received.fds, SizeIs(1));
  }
}

// Nothing to send is nothing sent.
TEST_F(UnixSocketMessagesTest, NoMessages) {
  const SendResult result = Send({});
  EXPECT_EQ(result.condition, Condition::kOk);
  EXPECT_EQ(result.messages, 0U);
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kWouldBlock);
}

// One call sends no more than kMaxBatch messages.
TEST_F(UnixSocketMessagesTest, Batch) {
  for (const size_t count : {kMaxBatch - 1, kMaxBatch, kMaxBatch + 1}) {
    std::vector<Message> messages;
    for (size_t i = 0; i < count; ++i) {
      messages.push_back({static_cast<int64_t>(i), event_.get()});
    }
    const SendResult result = Send(messages);
    EXPECT_EQ(result.condition, Condition::kOk);
    EXPECT_EQ(result.messages, std::min(count, kMaxBatch));
    for (size_t i = 0; i < result.messages; ++i) {
      EXPECT_EQ(ReceiveMessage().first, static_cast<int64_t>(i));
    }
    EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kWouldBlock);
  }
}

// What went out of the first message before is not sent again, nor is its
// descriptor, which went with that; later messages are whole.
TEST_F(UnixSocketMessagesTest, Skip) {
  constexpr int64_t kNumber = 0x0807060504030201;
  const SendResult result =
      Send({Message{kNumber, event_.get()}, {kNumber, event_.get()}}, 3);
  EXPECT_EQ(result.messages, 2U);
  EXPECT_EQ(result.bytes, 0U);
  const Received rest = ReceiveUpTo(5);
  EXPECT_EQ(rest.bytes, 5U);
  EXPECT_THAT(rest.fds, IsEmpty());
  EXPECT_THAT(absl::MakeSpan(buffer_).first(5), ElementsAre(4, 5, 6, 7, 8));
  const auto [number, fd] = ReceiveMessage();
  EXPECT_EQ(number, kNumber);
  EXPECT_TRUE(fd.valid());
}

// A receiver that does not read fills the buffer: those that fit are sent, the
// next call sends none, and nobody waits. When he has read, it goes on where it
// ended, and nothing is lost or comes twice.
TEST_F(UnixSocketMessagesTest, FullBuffer) {
  std::vector<Message> messages;
  for (int64_t i = 0; i < 20000; ++i) messages.push_back({i});
  size_t sent = 0;
  size_t skip = 0;
  size_t read = 0;
  int blocked = 0;
  while (read < messages.size()) {
    const SendResult result =
        Send(absl::MakeConstSpan(messages).subspan(sent), skip);
    sent += result.messages;
    skip = result.bytes;
    if (sent == messages.size()) {
      EXPECT_EQ(result.condition, Condition::kOk);
    } else if (result.condition == Condition::kOk) {
      EXPECT_EQ(result.messages, kMaxBatch);
      continue;
    } else {
      ++blocked;
      EXPECT_EQ(result.condition, Condition::kWouldBlock);
      const SendResult again =
          Send(absl::MakeConstSpan(messages).subspan(sent), skip);
      EXPECT_EQ(again.condition, Condition::kWouldBlock);
      EXPECT_EQ(again.messages, 0U);
      EXPECT_EQ(again.bytes, skip);
    }
    ASSERT_GT(sent, read);
    for (; read < sent; ++read) {
      ASSERT_EQ(ReceiveMessage().first, static_cast<int64_t>(read));
    }
  }
  EXPECT_GT(blocked, 0);
}

// To a receiver that has closed nothing can be sent; no signal is raised.
TEST_F(UnixSocketMessagesTest, SendToClosed) {
  struct sigaction fail = {};
  fail.sa_handler = [](int) { _exit(1); };
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGPIPE, &fail, &before), 0);
  client_.Reset();
  for (int i = 0; i < 2; ++i) {
    const SendResult result = Send({Message{0}, {1, event_.get()}});
    EXPECT_EQ(result.condition, Condition::kClosed);
    EXPECT_EQ(result.messages, 0U);
  }
  sigaction(SIGPIPE, &before, nullptr);
}

// Also to one that has closed without having read everything.
TEST_F(UnixSocketMessagesTest, SendToClosedThatDidNotRead) {
  Send({Message{0, event_.get()}});
  client_.Reset();
  EXPECT_EQ(Send({Message{0}}).condition, Condition::kClosed);
}

// What the kernel says against the first message is an error; against a later
// one, the earlier are sent first, and the next call has the error.
TEST_F(UnixSocketMessagesTest, SendErrors) {
  const std::vector<Message> messages = {{0, event_.get()}, {1}, {2, 1 << 20}};
  const SendResult result = Send(messages);
  EXPECT_EQ(result.condition, Condition::kOk);
  EXPECT_EQ(result.messages, 2U);
  EXPECT_EQ(result.bytes, 0U);
  const absl::Status status =
      SendMessages(server_.get(), absl::MakeConstSpan(messages).subspan(2))
          .status();
  EXPECT_THAT(status.message(), HasSubstr("Bad file descriptor"));
  EXPECT_EQ(ReceiveMessage().first, 0);
  EXPECT_EQ(ReceiveMessage().first, 1);
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kWouldBlock);
  EXPECT_FALSE(SendMessages(-1, {Message{0}}).ok());
  EXPECT_FALSE(SendMessages(event_.get(), {Message{0}}).ok());
}

// Nothing to read is no error, and nobody waits.
TEST_F(UnixSocketMessagesTest, ReceiveNothing) {
  const Received received = ReceiveUpTo(8);
  EXPECT_EQ(received.condition, Condition::kWouldBlock);
  EXPECT_EQ(received.bytes, 0U);
  EXPECT_THAT(received.fds, IsEmpty());
}

// Also on sockets that would block.
TEST_F(UnixSocketMessagesTest, SocketsThatWouldBlock) {
  for (const int fd : {client_.get(), server_.get()}) {
    ASSERT_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
  }
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kWouldBlock);
  const std::vector<Message> messages(kMaxBatch);
  SendResult result;
  do {
    result = Send(messages);
  } while (result.condition == Condition::kOk);
  EXPECT_EQ(result.condition, Condition::kWouldBlock);
}

// What was sent before the other side closed is read first.
TEST_F(UnixSocketMessagesTest, ReceiveFromClosed) {
  Send({Message{5, event_.get()}});
  server_.Reset();
  EXPECT_EQ(ReceiveMessage().first, 5);
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kClosed);
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kClosed);
}

// A side that closes without having read what came is closed like any other.
TEST_F(UnixSocketMessagesTest, ReceiveFromClosedThatDidNotRead) {
  ASSERT_EQ(send(client_.get(), "x", 1, 0), 1);
  server_.Reset();
  EXPECT_EQ(ReceiveUpTo(8).condition, Condition::kClosed);
}

// No buffer is an error: nothing read would look like the end.
TEST_F(UnixSocketMessagesTest, ReceiveErrors) {
  Send({Message{0}});
  EXPECT_EQ(Receive(client_.get(), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Receive(-1, absl::MakeSpan(buffer_)).ok());
  EXPECT_FALSE(Receive(event_.get(), absl::MakeSpan(buffer_)).ok());
}

// Up to 8 descriptors come at once. Of more, the first 8 come and the others
// are closed, which is told.
TEST_F(UnixSocketMessagesTest, ManyDescriptors) {
  for (const size_t count : {2, 7, 8, 9, 20, 253}) {
    SCOPED_TRACE(count);
    const auto before = OpenFds();
    SendFds(std::vector<int>(count, event_.get()));
    {
      const Received received = ReceiveUpTo(8);
      EXPECT_EQ(received.bytes, 1U);
      EXPECT_THAT(received.fds, SizeIs(std::min<size_t>(count, 8)));
      EXPECT_EQ(received.fds_lost, count > 8);
      for (const UniqueFd& fd : received.fds) {
        EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
      }
      EXPECT_EQ(OpenFds().size(), before.size() + received.fds.size());
    }
    EXPECT_EQ(OpenFds(), before);
  }
}

// So are those for which this process has no room.
TEST_F(UnixSocketMessagesTest, NoRoomForDescriptors) {
  SendFds({event_.get(), event_.get(), event_.get()});
  const DescriptorLimit limit(1);
  const Received received = ReceiveUpTo(8);
  EXPECT_EQ(received.bytes, 1U);
  EXPECT_THAT(received.fds, SizeIs(1));
  EXPECT_TRUE(received.fds_lost);
}

// Unread says whether the other side has read all.
TEST_F(UnixSocketMessagesTest, Unread) {
  EXPECT_EQ(Unread(server_.get()), 0);
  Send({Message{0}, Message{1}});
  const int both = Unread(server_.get());
  EXPECT_GE(both, 16);
  ReceiveMessage();
  const int one = Unread(server_.get());
  EXPECT_GE(one, 8);
  EXPECT_LT(one, both);
  EXPECT_EQ(Unread(client_.get()), 0);
  ReceiveMessage();
  EXPECT_EQ(Unread(server_.get()), 0);
  EXPECT_EQ(Unread(-1), 0);
}

}  // namespace
}  // namespace ivshmem::unix_socket
