// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Closing is complete: no descriptor, thread or handler is left, at whatever
// moment, whatever goes on.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "backends/linux/link_fixture.h"
#include "backends/linux/living_threads.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/open_fds.h"
#include "core/protocol/message.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

class ServerLinkClose : public LinkTest {
 protected:
  using Events = std::vector<std::shared_ptr<EventFd>>;

  // `life` of a link leaves nothing behind.
  void LeavesNothing(const std::function<void()>& life) {
    const auto before = OpenFds();
    life();
    attachment_.reset();
    device_.reset();
    link_.reset();
    server_.Hangup();
    EXPECT_EQ(OpenFds(), before);
  }
};

TEST_F(ServerLinkClose, BeforeItHasConnected) {
  LeavesNothing([&] { Start(); });
}

TEST_F(ServerLinkClose, AmidTheGreeting) {
  LeavesNothing([&] {
    Start();
    Accept();
    server_.Send(protocol::kVersion);
    server_.Send(1);
    server_.Connect(2, 3);
    Settle();
  });
}

// Fault: qemu-unplug-leaves
TEST_F(ServerLinkClose, JoinedWithPeersAndADevice) {
  LeavesNothing([&] {
    JoinAs(1);
    AttachDevice(4);
    server_.Connect(1, 4);
    server_.Connect(2, 4);
    ASSERT_TRUE(Until([&] { return Vectors(2).size() == 4; }));
  });
}

TEST_F(ServerLinkClose, WithMessagesThatNobodyReadYet) {
  LeavesNothing([&] {
    JoinAs(1);
    AttachDevice(4);
    server_.Connect(2, 4);
  });
}

TEST_F(ServerLinkClose, WithHalfAMessageAndItsDescriptor) {
  LeavesNothing([&] {
    JoinAs(1);
    const std::shared_ptr<EventFd> event = *EventFd::Create();
    server_.SendPart(protocol::Encode(2), 3, event->fd());
    Settle();
  });
}

// Fault: qemu-unplug-leaves
TEST_F(ServerLinkClose, AfterALossAndARejoin) {
  LeavesNothing([&] {
    JoinAs(1);
    AttachDevice(2);
    server_.Connect(1, 2);
    server_.Connect(2, 2);
    ASSERT_TRUE(Until([&] { return Vectors(2).size() == 2; }));
    server_.Hangup();
    Accept();
    server_.Greet(1, memory_.fd());
    server_.Connect(2, 1);
    server_.Connect(1, 2);
    ASSERT_TRUE(UntilEvent(Kind::kRejoined));
    Settle();
  });
}

// What a faulty server sent is closed too: what goes wrong is no way out.
TEST_F(ServerLinkClose, AfterAFault) {
  const auto before = OpenFds();
  options_.retry = false;
  JoinAs(1);
  const auto joined = OpenFds();
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  server_.SendAll(3, {two[0]->fd(), two[0]->fd()});
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  // The connection has gone, the peer has not.
  EXPECT_EQ(OpenFds().size(), joined.size() - 1 + 2);
  link_.reset();
  server_.Hangup();
  EXPECT_EQ(OpenFds().size(), before.size() + 1);
}

// A link and its thread may be closed at any moment under traffic from all
// sides: a server that talks, peers that ring, a guest that rings back.
// Fault: qemu-unplug-leaves
TEST_F(ServerLinkClose, AnyMomentUnderTraffic) {
  // A sanitizer makes threads and pipes of its own when the first thread comes:
  // what is there after one round is there for good.
  std::map<int, std::string> fds_before;
  int threads_before = 0;
  for (int round = 0; round < 21; ++round) {
    if (round == 1) {
      server_.Hangup();
      fds_before = OpenFds();
      threads_before = LivingThreads();
    }
    const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
    std::unique_ptr<ServerLink> link =
        *ServerLink::Start(thread->loop(), options_, nullptr);
    ASSERT_TRUE(server_.AcceptWithin(kPatience));
    server_.Greet(1, memory_.fd());
    const Events own = server_.Connect(1, 2);
    ASSERT_TRUE(link->WaitJoined(kPatience).ok());

    std::atomic<int> interrupts = 0;
    class Sink : public InterruptSink {
     public:
      explicit Sink(std::atomic<int>& count) : count_(count) {}
      InterruptResult Deliver(Vector) noexcept override {
        ++count_;
        return InterruptResult::kDelivered;
      }

     private:
      std::atomic<int>& count_;
    } sink(interrupts);
    std::unique_ptr<Device> device =
        *Device::Create({.interrupts = InterruptMode::kMsix, .vectors = 2},
                        {.interrupts = &sink});
    RegistrationPtr attachment = *link->Attach(*device);

    std::atomic<bool> stop = false;
    std::thread peer([&] {
      for (int i = 0; !stop; ++i) {
        own[i % 2]->Signal();
        std::this_thread::yield();
      }
    });
    std::thread guest([&] {
      while (!stop) {
        device->Write(kDoorbellOffset, 4, Doorbell{2, 0}.Encode());
        std::this_thread::yield();
      }
    });
    const absl::Cleanup join = [&] {
      stop = true;
      peer.join();
      guest.join();
    };
    while (interrupts < 10) std::this_thread::yield();
    for (int i = 0; i < 5; ++i) {
      server_.Connect(2, 1);
      server_.Send(2);
    }
    // Any of the three ways goes first.
    if (round % 3 == 0) server_.Hangup();
    attachment.reset();
    const int after = interrupts;
    if (round % 3 == 1) {
      attachment = *link->Attach(*device);
      attachment.reset();
    } else {
      EXPECT_EQ(interrupts, after);
    }
    link.reset();
    // It may have been about to join again.
    while (server_.AcceptWithin(absl::ZeroDuration())) {
    }
  }
  server_.Hangup();
  EXPECT_EQ(OpenFds(), fds_before);
  EXPECT_EQ(LivingThreads(), threads_before);
}

}  // namespace
}  // namespace ivshmem
