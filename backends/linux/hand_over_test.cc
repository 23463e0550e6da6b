// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A hand-over's way across a socket, and what comes there from strangers.

#include "backends/linux/hand_over.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/link_hand_over.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/proto/hand_over.pb.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr char kIdentity[] = "0123456789abcdef0123456789abcdef";

LinkHandOver::Peer PeerWith(PeerId id, int vectors) {
  LinkHandOver::Peer peer = {.id = id, .events = {}};
  for (int v = 0; v < vectors; ++v) peer.events.push_back(*EventFd::Create());
  return peer;
}

HandOver Example(int peers = 2, int vectors = 3) {
  HandOver example = {
      .device = std::string("device\0bytes", 12),
      .link = {.identity = kIdentity,
               .id = 1,
               .memory = *MemoryObject::Memfd(8192),
               .peers = {},
               .earlier = {{2, *EventFd::Create()}},
               .connection = LinkHandOver::Connection{
                   .socket = UniqueFd(socket(AF_UNIX, SOCK_STREAM, 0)),
                   .messages = 77,
                   .own_vectors = 5,
                   .peers_known = true,
                   .bytes = {1, 2, 3},
                   .fds = {}}}};
  for (int i = 0; i < peers; ++i) {
    example.link.peers.push_back(PeerWith(static_cast<PeerId>(i), vectors));
  }
  example.link.peers.back().absent = true;
  example.link.connection->fds.emplace_back(eventfd(0, 0));
  return example;
}

class SocketPair {
 public:
  SocketPair() {
    std::array<int, 2> pair;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    old_process.Reset(pair[0]);
    new_process.Reset(pair[1]);
  }
  UniqueFd old_process;
  UniqueFd new_process;
};

// Whether `b` has the same events, each behind another descriptor.
void ExpectSameEvents(const std::vector<std::shared_ptr<EventFd>>& a,
                      const std::vector<std::shared_ptr<EventFd>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t v = 0; v < a.size(); ++v) {
    EXPECT_NE(a[v]->fd(), b[v]->fd());
    EXPECT_FALSE(b[v]->Drain());
    a[v]->Signal();
    EXPECT_TRUE(b[v]->Drain()) << v;
  }
}

// All of it arrives, and the sender keeps what it has.
TEST(HandOverTest, Arrives) {
  const HandOver sent = Example();
  SocketPair sockets;
  absl::Status status;
  std::thread old_process([&] {
    status = SendHandOver(sockets.old_process.get(), sent, kPatience);
  });
  const absl::StatusOr<HandOver> got =
      ReceiveHandOver(sockets.new_process.get(), {}, kPatience);
  EXPECT_TRUE(ConfirmHandOver(sockets.new_process.get()).ok());
  old_process.join();
  EXPECT_TRUE(status.ok()) << status;
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->device, sent.device);
  EXPECT_EQ(got->link.identity, kIdentity);
  EXPECT_EQ(got->link.id, 1);
  EXPECT_EQ(got->link.memory.identity(), sent.link.memory.identity());
  ASSERT_THAT(got->link.peers, SizeIs(2));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(got->link.peers[i].id, i);
    EXPECT_EQ(got->link.peers[i].absent, i == 1);
    ExpectSameEvents(sent.link.peers[i].events, got->link.peers[i].events);
  }
  ASSERT_THAT(got->link.earlier, SizeIs(1));
  EXPECT_EQ(got->link.earlier[0].vector, 2);
  ExpectSameEvents({sent.link.earlier[0].event}, {got->link.earlier[0].event});
  ASSERT_TRUE(got->link.connection.has_value());
  EXPECT_EQ(got->link.connection->messages, 77u);
  EXPECT_EQ(got->link.connection->own_vectors, 5);
  EXPECT_TRUE(got->link.connection->peers_known);
  EXPECT_THAT(got->link.connection->bytes, ElementsAre(1, 2, 3));
  EXPECT_THAT(got->link.connection->fds, SizeIs(1));
  EXPECT_TRUE(got->link.connection->socket.valid());
}

// Without a connection.
TEST(HandOverTest, ArrivesWithoutAServer) {
  HandOver sent = Example();
  sent.link.connection.reset();
  const HandOverParts parts = TakeApart(sent);
  std::vector<UniqueFd> fds;
  for (const int fd : parts.fds) fds.emplace_back(dup(fd));
  const absl::StatusOr<HandOver> got = PutTogether(parts.bytes, std::move(fds));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_FALSE(got->link.connection.has_value());
}

// More descriptors than one message of the kernel's carries.
TEST(HandOverTest, ManyDescriptors) {
  const HandOver sent = Example(/*peers=*/9, /*vectors=*/84);
  SocketPair sockets;
  std::thread old_process([&] {
    EXPECT_TRUE(SendHandOver(sockets.old_process.get(), sent, kPatience).ok());
  });
  const absl::StatusOr<HandOver> got =
      ReceiveHandOver(sockets.new_process.get(), {}, kPatience);
  EXPECT_TRUE(ConfirmHandOver(sockets.new_process.get()).ok());
  old_process.join();
  ASSERT_TRUE(got.ok()) << got.status();
  for (int i = 0; i < 9; ++i) {
    ExpectSameEvents(sent.link.peers[i].events, got->link.peers[i].events);
  }
}

// The new process ends, says something else, or says nothing: an error, and the
// sender has all that it had.
TEST(HandOverTest, NobodyTakesIt) {
  const HandOver sent = Example();
  const auto before = OpenFds();
  {
    SocketPair sockets;
    sockets.new_process.Reset();
    EXPECT_TRUE(absl::IsUnavailable(
        SendHandOver(sockets.old_process.get(), sent, kPatience)));
  }
  {
    SocketPair sockets;
    ASSERT_EQ(write(sockets.new_process.get(), "n", 1), 1);
    EXPECT_TRUE(absl::IsInvalidArgument(
        SendHandOver(sockets.old_process.get(), sent, kPatience)));
  }
  {
    SocketPair sockets;
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        SendHandOver(sockets.old_process.get(), sent, absl::Milliseconds(1))));
    sockets.old_process.Reset();
    EXPECT_TRUE(
        absl::IsUnavailable(ConfirmHandOver(sockets.new_process.get())));
  }
  EXPECT_EQ(OpenFds(), before);
}

// Who waits without end sleeps until the other side comes.
TEST(HandOverTest, WaitsWithoutEnd) {
  const HandOver sent = Example();
  SocketPair sockets;
  std::thread new_process([&] {
    EXPECT_TRUE(
        ReceiveHandOver(sockets.new_process.get(), {}, absl::InfiniteDuration())
            .ok());
    timespec processor;
    ASSERT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &processor), 0);
    EXPECT_LT(absl::DurationFromTimespec(processor), absl::Seconds(1));
    EXPECT_TRUE(ConfirmHandOver(sockets.new_process.get()).ok());
  });
  absl::SleepFor(absl::Seconds(2));
  EXPECT_TRUE(
      SendHandOver(sockets.old_process.get(), sent, absl::InfiniteDuration())
          .ok());
  new_process.join();
}

// What arrives in part is an error, and no descriptor is kept.
TEST(HandOverTest, CutShort) {
  const HandOver sent = Example();
  const auto before = OpenFds();
  {
    SocketPair sockets;
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        ReceiveHandOver(sockets.new_process.get(), {}, absl::Milliseconds(1))
            .status()));
    ASSERT_EQ(write(sockets.old_process.get(), "ivshmho1", 8), 8);
    sockets.old_process.Reset();
    EXPECT_TRUE(absl::IsUnavailable(
        ReceiveHandOver(sockets.new_process.get(), {}, kPatience).status()));
  }
  EXPECT_EQ(OpenFds(), before);
}

std::string Head(uint64_t bytes, uint64_t descriptors) {
  std::string head = "ivshmho1";
  for (const uint64_t number : {bytes, descriptors}) {
    for (int i = 0; i < 8; ++i) {
      head.push_back(static_cast<char>(number >> (8 * i)));
    }
  }
  return head;
}

// Sizes that somebody made up: nothing is allocated for them, and nothing more
// is read.
TEST(HandOverTest, HostileHeads) {
  for (const auto& [head, error] :
       {std::pair<std::string, const char*>{Head(~uint64_t{0}, 1),
                                            "bytes: expected at most"},
        {Head(10, ~uint64_t{0}), "descriptors: expected at most"},
        {"somebody" + Head(1, 1).substr(8), "head: expected"}}) {
    SocketPair sockets;
    ASSERT_EQ(write(sockets.old_process.get(), head.data(), head.size()),
              static_cast<ssize_t>(head.size()));
    const absl::Status status =
        ReceiveHandOver(sockets.new_process.get(), {}, kPatience).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
  }
}

// More descriptors than were announced: none is kept.
TEST(HandOverTest, TooManyDescriptors) {
  const UniqueFd event(eventfd(0, 0));
  SocketPair sockets;
  const auto before = OpenFds();
  const std::string head = Head(8, 1);
  ASSERT_EQ(write(sockets.old_process.get(), head.data(), head.size()),
            static_cast<ssize_t>(head.size()));
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control = {};
  std::string bytes(8, 'x');
  iovec part = {.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const std::array<int, 2> fds = {event.get(), event.get()};
  std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(fds));
  ASSERT_EQ(sendmsg(sockets.old_process.get(), &message, 0), 8);
  const absl::Status status =
      ReceiveHandOver(sockets.new_process.get(), {}, kPatience).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("got more"));
  EXPECT_EQ(OpenFds(), before);
}

// What the bytes say is checked before a descriptor is touched; descriptors
// that are not what they are said to be are errors that name them.
TEST(HandOverTest, HostileOnes) {
  using Message = state::HandOver;
  const HandOver example = Example();
  const HandOverParts parts = TakeApart(example);
  const auto before = OpenFds();
  const auto status_of = [&](const std::function<void(Message&)>& spoil,
                             const std::function<void(std::vector<UniqueFd>&)>&
                                 exchange) {
    Message message;
    EXPECT_TRUE(message.ParseFromString(parts.bytes));
    spoil(message);
    std::vector<UniqueFd> fds;
    for (const int fd : parts.fds) fds.emplace_back(dup(fd));
    exchange(fds);
    return PutTogether(message.SerializeAsString(), std::move(fds)).status();
  };
  const auto nothing = [](auto&) {};
  const struct {
    const char* error;
    std::function<void(Message&)> spoil;
  } kMessages[] = {
      {"version: expected 1, got 2", [](auto& m) { m.set_version(2); }},
      {"id: expected 0 to 65535, got 65536", [](auto& m) { m.set_id(65536); }},
      {"peers.id: ", [](auto& m) { m.mutable_peers(0)->set_id(65536); }},
      {"peers.vectors: expected 1 to 2048, got 0",
       [](auto& m) { m.mutable_peers(0)->set_vectors(0); }},
      {"peers.vectors: expected 1 to 2048, got 4294967295",
       [](auto& m) { m.mutable_peers(0)->set_vectors(~0u); }},
      {"earlier: ", [](auto& m) { m.set_earlier(0, 2048); }},
      {"own_vectors: ",
       [](auto& m) { m.mutable_connection()->set_own_vectors(2049); }},
      {"descriptors: expected 11, got 10",
       [](auto& m) { m.mutable_connection()->set_descriptors(2); }},
      {"descriptors: expected 4294967304, got 10",
       [](auto& m) { m.mutable_connection()->set_descriptors(~0u); }},
      {"descriptors: expected 8, got 10",
       [](auto& m) { m.clear_connection(); }},
      {"field 99, of a newer one",
       [](auto& m) {
         m.GetReflection()->MutableUnknownFields(&m)->AddVarint(99, 1);
       }},
      {"memory: ", [](auto& m) { m.set_memory_size(4096); }},
  };
  for (const auto& [error, spoil] : kMessages) {
    const absl::Status status = status_of(spoil, nothing);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << error << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
  }
  const struct {
    const char* error;
    std::function<void(std::vector<UniqueFd>&)> exchange;
  } kDescriptors[] = {
      {"memory: ", [](auto& fds) { fds[0].Reset(eventfd(0, 0)); }},
      {"memory: ", [](auto& fds) { fds[0].Reset(); }},
      {"memory: ", [](auto& fds) { fds[0].Reset(open("/dev/null", O_RDWR)); }},
      {"vector 0 of peer 0: ",
       [](auto& fds) { fds[1].Reset(open("/dev/null", O_RDWR)); }},
      {"vector 2 of peer 1: ",
       [](auto& fds) { fds[6].Reset(socket(AF_UNIX, SOCK_STREAM, 0)); }},
      {"earlier vector 2: ", [](auto& fds) { fds[7].Reset(); }},
      {"descriptors: expected 10, got 9", [](auto& fds) { fds.pop_back(); }},
      {"descriptors: expected 10, got 0", [](auto& fds) { fds.clear(); }},
  };
  for (const auto& [error, exchange] : kDescriptors) {
    const absl::Status status = status_of(nothing, exchange);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << error << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
  }
  EXPECT_TRUE(status_of(nothing, nothing).ok()) << "else nothing was shown";
  EXPECT_EQ(OpenFds(), before);
}

// Any bytes, and any descriptors in any order: an error that is the sender's,
// or something that says the same when it is taken apart again. None is left
// open.
RC_GTEST_PROP(HandOverModel, AnyBytesAndDescriptors, ()) {
  const HandOver example = Example();
  HandOverParts parts = TakeApart(example);
  const auto before = OpenFds();
  const int changes = *rc::gen::inRange(0, 6);
  for (int i = 0; i < changes && !parts.bytes.empty(); ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, parts.bytes.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        parts.bytes[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        parts.bytes.erase(at, 1);
        break;
      default:
        parts.bytes.insert(at, 1, *rc::gen::arbitrary<char>());
        break;
    }
  }
  std::vector<UniqueFd> fds;
  for (const int fd : parts.fds) {
    switch (*rc::gen::weightedElement<int>({{40, 0}, {1, 1}, {1, 2}, {1, 3}})) {
      case 1:
        fds.emplace_back(-1);
        break;
      case 2:
        fds.emplace_back(dup(parts.fds[0]));
        break;
      case 3:
        break;
      default:
        fds.emplace_back(dup(fd));
        break;
    }
  }
  {
    const absl::StatusOr<HandOver> got =
        PutTogether(parts.bytes, std::move(fds));
    if (got.ok()) {
      const HandOverParts again = TakeApart(*got);
      state::HandOver a;
      state::HandOver b;
      RC_ASSERT(a.ParseFromString(parts.bytes));
      RC_ASSERT(b.ParseFromString(again.bytes));
      RC_ASSERT(a.SerializeAsString() == b.SerializeAsString());
      RC_ASSERT(again.fds.size() == parts.fds.size());
    } else {
      RC_ASSERT(absl::IsInvalidArgument(got.status()));
      RC_ASSERT(!got.status().message().empty());
    }
    fds.clear();
  }
  RC_ASSERT(OpenFds() == before);
}

}  // namespace
}  // namespace ivshmem
