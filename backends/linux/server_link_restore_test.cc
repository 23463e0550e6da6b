// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device that is saved, and joined to a server again when it is restored.

#include <memory>
#include <utility>
#include <vector>

#include "backends/linux/event_fd.h"
#include "backends/linux/link_fixture.h"
#include "core/device_state.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

class ServerLinkRestore : public LinkTest {
 protected:
  using Events = std::vector<std::shared_ptr<EventFd>>;

  void Restore(const DeviceState& state) {
    attachment_.reset();
    device_ = *Device::Restore(
        {.interrupts = InterruptMode::kMsix, .vectors = state.vectors},
        {.interrupts = &sink_}, state);
  }

  void Attach() {
    absl::StatusOr<RegistrationPtr> attachment = link_->Attach(*device_);
    ASSERT_TRUE(attachment.ok()) << attachment.status();
    attachment_ = *std::move(attachment);
  }
};

// What was signalled before is delivered when Save() returns, though the loop
// has not run; what is signalled later is the restored device's. Nothing comes
// twice.
TEST_F(ServerLinkRestore, NoSignalIsLost) {
  JoinAs(1);
  AttachDevice(2);
  const Events own = server_.Connect(1, 2);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  Settle();
  own[0]->Signal();
  own[0]->Signal();
  const DeviceState state = device_->Save();
  EXPECT_EQ(sink_.delivered[0], 1);
  own[1]->Signal();

  Restore(state);
  EXPECT_EQ(device_->id(), 1) << "before it is attached";
  EXPECT_EQ(device_->Read(kPositionOffset, 4), 1u);
  Attach();
  ASSERT_TRUE(Until([&] { return sink_.delivered[1] == 1; }));
  Settle();
  EXPECT_EQ(sink_.delivered[0], 1);
  EXPECT_EQ(sink_.delivered[1], 1);
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
}

// The server has the last word about the id.
TEST_F(ServerLinkRestore, AnotherServerGivesAnotherId) {
  JoinAs(4);
  Restore({.dialect = "rev1",
           .interrupts = InterruptMode::kMsix,
           .vectors = 1,
           .id = 1});
  EXPECT_EQ(device_->id(), 1);
  Attach();
  EXPECT_EQ(device_->id(), 4);
}

}  // namespace
}  // namespace ivshmem
