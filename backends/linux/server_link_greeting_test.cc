// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "backends/linux/link_fixture.h"
#include "backends/linux/loop_thread.h"
#include "core/protocol/message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ServerLinkGreeting : public LinkTest {
 protected:
  // What the first failure said.
  std::string Failure() {
    EXPECT_TRUE(UntilEvent(Kind::kFailed));
    return events_.Last(Kind::kFailed).text;
  }
};

// "On connect, the server sends version, the client's id, and -1 with the
// memory": then the link has joined, and shows all three.
TEST_F(ServerLinkGreeting, VersionIdAndMemoryMakeAJoin) {
  ASSERT_EQ(pwrite(memory_.fd(), "shared", 6, 0), 6);
  JoinAs(7);
  EXPECT_EQ(link_->id(), 7);
  ASSERT_EQ(link_->memory().size, 4096);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(link_->memory().data), 6),
            "shared");
  EXPECT_EQ(events_.Last(Kind::kJoined).peer, 7);
  EXPECT_EQ(count(ServerLink::Count::kJoins), 1);
  EXPECT_TRUE(link_->WaitJoined(absl::ZeroDuration()).ok());
}

// Before the first join there is neither id nor memory, and no device can be
// attached.
TEST_F(ServerLinkGreeting, NothingIsThereBeforeTheJoin) {
  Start();
  Accept();
  server_.Send(protocol::kVersion);
  server_.Send(3);
  Settle();
  EXPECT_EQ(link_->id(), std::nullopt);
  EXPECT_EQ(link_->memory().data, nullptr);
  device_ = *Device::Create({}, {});
  EXPECT_EQ(link_->Attach(*device_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// QEMU's device takes peers and its own vectors before the memory; so does the
// link, and tells of them once it has joined.
// Differs: peers-before-memory
// Fault: qemu-own-vector-first
TEST_F(ServerLinkGreeting, PeersMayComeBeforeTheMemory) {
  Start();
  Accept();
  server_.Send(protocol::kVersion);
  server_.Send(3);
  const auto theirs = server_.Connect(5, 2);
  const auto own = server_.Connect(3, 1);
  Settle();
  EXPECT_THAT(events_.events, testing::IsEmpty());
  server_.Send(protocol::kMemory, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown));
  EXPECT_EQ(events_.events[0].kind, Kind::kJoined);
  EXPECT_EQ(events_.events[1].kind, Kind::kPeerJoined);
  AttachDevice(1);
  Ring(5, 1);
  EXPECT_TRUE(theirs[1]->Drain());
}

// A server that falls silent is an error that says what was awaited.
// Fault: qemu-greeting-ends
TEST_F(ServerLinkGreeting, TheDeadlineNamesTheMessageThatDidNotCome) {
  options_.greeting_deadline = absl::Seconds(1);
  options_.retry = false;
  const std::vector<std::string> awaited = {"version", "id", "memory"};
  for (size_t sent = 0; sent < awaited.size(); ++sent) {
    events_.events.clear();
    Start();
    Accept();
    if (sent > 0) server_.Send(protocol::kVersion);
    if (sent > 1) server_.Send(1);
    EXPECT_THAT(Failure(), AllOf(HasSubstr(server_.path()), HasSubstr("1s"),
                                 HasSubstr(awaited[sent])));
    const absl::Status status = link_->WaitJoined(absl::ZeroDuration());
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_TRUE(server_.ClosedWithin(kPatience));
  }
}

// The deadline is the greeting's alone: a joined server may be silent for ever.
TEST_F(ServerLinkGreeting, AJoinedServerMayBeSilent) {
  options_.greeting_deadline = absl::Seconds(1);
  JoinAs(0);
  const absl::Time later = absl::Now() + 2 * options_.greeting_deadline;
  while (absl::Now() < later) loop_->Dispatch(absl::Milliseconds(10));
  EXPECT_EQ(events_.Count(Kind::kLost), 0);
  EXPECT_EQ(events_.Count(Kind::kFailed), 0);
}

// Where there is no server, the error names the path.
TEST_F(ServerLinkGreeting, NoServer) {
  server_.StopListening();
  options_.retry = false;
  Start();
  EXPECT_THAT(Failure(), HasSubstr(server_.path()));
  EXPECT_EQ(link_->WaitJoined(absl::ZeroDuration()).code(),
            absl::StatusCode::kNotFound);
}

// A server may come later than its clients.
TEST_F(ServerLinkGreeting, WaitsForAServerThatIsNotThereYet) {
  server_.StopListening();
  Start();
  ASSERT_TRUE(UntilEvent(Kind::kFailed, 3));
  server_.Listen();
  Accept();
  server_.Greet(2, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kJoined));
  EXPECT_GE(count(ServerLink::Count::kFailures), 3);
}

// "The client should close the connection on receipt of versions it can't
// handle."
// Clause: greeting-version
// Fault: flat-version
TEST_F(ServerLinkGreeting, AnotherVersionIsRefused) {
  Start();
  Accept();
  server_.Send(1);
  EXPECT_THAT(Failure(), HasSubstr("version"));
  EXPECT_TRUE(server_.ClosedWithin(kPatience));
}

// A server that goes away in the middle of the greeting does not make the loop
// spin: the error says what was awaited, and the link tries again.
// Fault: qemu-greeting-ends
TEST_F(ServerLinkGreeting, EndOfFileInTheGreetingIsAFailure) {
  Start();
  Accept();
  server_.Send(protocol::kVersion);
  server_.Hangup();
  EXPECT_THAT(Failure(), AllOf(HasSubstr("closed"), HasSubstr("id")));
  Accept();
  server_.Greet(1, memory_.fd());
  EXPECT_TRUE(UntilEvent(Kind::kJoined));
}

// The memory's size is the server's to say; a device that needs a certain one
// says so, and both are named.
TEST_F(ServerLinkGreeting, AnotherSizeThanExpectedNamesBoth) {
  options_.memory_size = 8192;
  Start();
  Accept();
  server_.Greet(1, memory_.fd());
  EXPECT_THAT(Failure(), AllOf(HasSubstr("8192"), HasSubstr("4096")));
}

// What is no memory is refused.
TEST_F(ServerLinkGreeting, ADescriptorThatIsNoMemoryIsRefused) {
  Start();
  Accept();
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  server_.Greet(1, pipe_fds[0]);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  EXPECT_THAT(Failure(), HasSubstr(server_.path()));
  EXPECT_EQ(link_->id(), std::nullopt);
}

// Bytes one at a time are as good as all at once.
TEST_F(ServerLinkGreeting, TheStreamMayBeCutAnywhere) {
  Start();
  Accept();
  const protocol::MessageBytes version = protocol::Encode(protocol::kVersion);
  const protocol::MessageBytes id = protocol::Encode(0x1234);
  for (const auto& message : {version, id}) {
    for (const uint8_t byte : message) {
      server_.SendBytes(&byte, 1);
      Settle();
    }
  }
  server_.Send(protocol::kMemory, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kJoined));
  EXPECT_EQ(link_->id(), 0x1234);
}

// Options that make no sense are refused before anything is done, by name.
TEST_F(ServerLinkGreeting, OptionsAreChecked) {
  const auto error = [&](auto change) {
    ServerLink::Options options = options_;
    change(options);
    return std::string(
        ServerLink::Start(*loop_, options, nullptr).status().message());
  };
  EXPECT_THAT(error([](auto& o) { o.socket_path = ""; }),
              HasSubstr("socket_path"));
  EXPECT_THAT(error([](auto& o) { o.vectors = 2049; }),
              AllOf(HasSubstr("vectors"), HasSubstr("2049")));
  EXPECT_THAT(error([](auto& o) { o.vectors = -1; }), HasSubstr("vectors"));
  EXPECT_THAT(error([](auto& o) { o.max_descriptors = 0; }),
              HasSubstr("max_descriptors"));
  EXPECT_THAT(error([](auto& o) { o.retry_first = absl::ZeroDuration(); }),
              HasSubstr("retry_first"));
  EXPECT_THAT(error([](auto& o) { o.retry_most = absl::Nanoseconds(1); }),
              HasSubstr("retry_most"));
  EXPECT_THAT(error([](auto& o) { o.greeting_deadline = absl::Seconds(-1); }),
              HasSubstr("greeting_deadline"));
  EXPECT_THAT(error([](auto& o) { o.identity = "me"; }),
              AllOf(HasSubstr("identity"), HasSubstr("'me'")));
}

// An embedder without a loop waits on its own thread while the link's thread
// does the work.
TEST_F(ServerLinkGreeting, WaitJoinedWaitsForTheLoopsThread) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  const std::unique_ptr<ServerLink> link =
      *ServerLink::Start(thread->loop(), options_, nullptr);
  ASSERT_TRUE(server_.AcceptWithin(kPatience));
  EXPECT_EQ(link->WaitJoined(absl::Milliseconds(1)).code(),
            absl::StatusCode::kDeadlineExceeded);
  server_.Greet(9, memory_.fd());
  EXPECT_TRUE(link->WaitJoined(kPatience).ok());
  EXPECT_EQ(link->id(), 9);
}

}  // namespace
}  // namespace ivshmem
