// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/ports.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kFirst = RecordingHypervisor::kLocalPort;

class XenPortsTest : public ::testing::Test {
 protected:
  XenPortsTest() {
    absl::StatusOr<std::unique_ptr<Ports>> ports = Ports::Create(xen_);
    EXPECT_TRUE(ports.ok()) << ports.status();
    ports_ = *std::move(ports);
    for (uint32_t vcpu = 0; vcpu < 3; ++vcpu) {
      EXPECT_TRUE(ports_->Bind(RecordingHypervisor::kRemotePort + vcpu).ok());
    }
    xen_.TakeCalls();
  }

  // Waits until something is ready the `times`th time that it asks.
  absl::Status WaitUntilAsked(int times) {
    return ports_->WaitUntil([&] { return --times == 0; });
  }

  RecordingHypervisor xen_{3};
  std::unique_ptr<Ports> ports_;
};

// What is ready already needs no event, and takes none.
TEST_F(XenPortsTest, IsReadyAtOnce) {
  xen_.Raise(kFirst);
  EXPECT_TRUE(WaitUntilAsked(1).ok());
  EXPECT_THAT(xen_.TakeCalls(), IsEmpty());
}

// An event is taken and its port unmasked, for the next one, before anybody
// looks.
TEST_F(XenPortsTest, TakesAnEvent) {
  xen_.Raise(kFirst + 1);
  EXPECT_TRUE(WaitUntilAsked(2).ok());
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("Pending", "Unmask 21"));
}

// An event after which nothing is ready was for something that has been seen
// before: the wait goes on.
TEST_F(XenPortsTest, StaleEventsDoNotEndIt) {
  xen_.Raise(kFirst);
  xen_.Raise(kFirst + 2);
  EXPECT_TRUE(WaitUntilAsked(3).ok());
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("Pending", "Unmask 20", "Pending", "Unmask 22"));
}

// An event that comes while nobody waits is not lost, nor is the second of one
// port.
TEST_F(XenPortsTest, EventsAreKept) {
  for (int i = 0; i < 3; ++i) {
    xen_.Raise(kFirst);
    EXPECT_TRUE(WaitUntilAsked(2).ok());
  }
  EXPECT_THAT(xen_.complaints(), IsEmpty());
}

// A port that is not ours is left masked.
TEST_F(XenPortsTest, AForeignPort) {
  xen_.Raise(77);
  xen_.Raise(kFirst);
  EXPECT_TRUE(WaitUntilAsked(3).ok());
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("Pending", "Pending", "Unmask 20"));
}

// No event after all, or a signal: the wait goes on.
TEST_F(XenPortsTest, NoEventAfterAll) {
  xen_.Raise(kFirst);
  xen_.Refuse("Pending", -EAGAIN);
  xen_.Refuse("Pending", -EINTR);
  EXPECT_TRUE(WaitUntilAsked(4).ok());
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("Pending", "Pending", "Pending", "Unmask 20"));
}

// What the calls say ends it, with what was attempted.
TEST_F(XenPortsTest, FailedCalls) {
  xen_.Raise(kFirst);
  xen_.Refuse("Pending", -EIO);
  absl::Status status = WaitUntilAsked(2);
  EXPECT_THAT(status.message(), HasSubstr("taking an event"));
  xen_.Refuse("Unmask", -EINVAL);
  status = WaitUntilAsked(2);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("unmasking event channel 20"));
}

// A descriptor that only reports an error ends it; it would be asked for ever.
TEST_F(XenPortsTest, AFailedDescriptor) {
  xen_.BreakEvents();
  const absl::Status status = WaitUntilAsked(2);
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("has failed"));
}

// Stop ends a wait, even if there is always something ready, and all later
// ones.
TEST_F(XenPortsTest, Stops) {
  ports_->Stop();
  EXPECT_TRUE(absl::IsCancelled(WaitUntilAsked(1)));
  EXPECT_TRUE(absl::IsCancelled(WaitUntilAsked(2)));
  ports_->Stop();
  EXPECT_TRUE(absl::IsCancelled(WaitUntilAsked(1)));
}

// Also one that sleeps.
TEST_F(XenPortsTest, StopsASleeper) {
  std::atomic<int> asked = 0;
  std::thread sleeper([&] {
    EXPECT_TRUE(absl::IsCancelled(ports_->WaitUntil([&] {
      ++asked;
      return false;
    })));
  });
  while (asked == 0) std::this_thread::yield();
  ports_->Stop();
  sleeper.join();
}

// A signal to the thread does not end the wait.
TEST_F(XenPortsTest, Signals) {
  struct sigaction action = {};
  action.sa_handler = [](int /*signal*/) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  std::atomic<bool> ready = false;
  std::atomic<int> asked = 0;
  std::thread sleeper([&] {
    EXPECT_TRUE(ports_
                    ->WaitUntil([&] {
                      ++asked;
                      return ready.load();
                    })
                    .ok());
  });
  // Until one has certainly broken off a sleep: nothing else makes it ask.
  while (asked < 3) pthread_kill(sleeper.native_handle(), SIGUSR1);
  ready = true;
  xen_.Raise(kFirst);
  sleeper.join();
}

// vCPUs are notified through their ports; without one nobody is.
TEST_F(XenPortsTest, Notifies) {
  ports_->Notify(2);
  ports_->Notify(0);
  ports_->Notify(3);
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("Notify 22", "Notify 20"));
}

// A port that cannot be bound leaves the others; all go with the object.
TEST_F(XenPortsTest, Unbinds) {
  xen_.Refuse("Bind", -EINVAL);
  EXPECT_FALSE(ports_->Bind(1).ok());
  xen_.TakeCalls();
  ports_ = nullptr;
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("Unbind 20", "Unbind 21", "Unbind 22"));
}

}  // namespace
}  // namespace ivshmem::xen
