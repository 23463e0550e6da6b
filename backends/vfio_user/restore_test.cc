// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device that was saved, and goes on.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/model_fixture.h"
#include "bus/mmio_handler.h"
#include "core/device.h"
#include "device/pci_device_state.h"
#include "gtest/gtest.h"
#include "testing/vfio_user/client.h"
#include "testing/vfio_user/served_model.h"

namespace ivshmem::vfio_user {
namespace {

// A device that was saved goes on elsewhere: its client sees the same, and what
// was pending comes with the client's events.
TEST_F(ModelTest, IsSavedAndRestored) {
  Enable();
  client_->Write(kBar0, 0, 0x1234, 4);
  client_->Write(kConfig, 0x10, 0xfe000000, 4);
  client_->Write(kConfig, 0x1c, 0x12, 4);
  const auto events = Events(1);
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 1, Fds(events)), 0u);
  Interrupt(2);
  PciDeviceState state;
  served_->OnLoop([&] { state = model_->Save(); });
  EXPECT_EQ(state.function.bars[0], 0xfe000000u);
  EXPECT_EQ(state.function.command, 0x6u);

  auto restored = IvshmemModel::Restore(options_, Memory(), state);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ServedModel served(**restored);
  Client client(served.path());
  client.Greet();
  EXPECT_EQ(client.Read(kBar0, 0, 4), 0x1234u);
  EXPECT_EQ(client.Read(kConfig, 4, 2), 0x6u);
  EXPECT_EQ(client.Read(kConfig, 0x10, 4), 0xfe000000u);
  EXPECT_EQ(client.Read(kConfig, 0x1c, 4), 0x12u);
  EXPECT_EQ(client.Read(kConfig, kMsixControl, 2), 0x8003u);
  // The events were the other client's.
  (*restored)->device().OnPeerInterrupt(0);
  EXPECT_FALSE(events[0]->Drain());
  EXPECT_EQ(client.Read(kBar1, kPba, 8), 0b101u);
  const auto new_events = Events(4);
  ASSERT_EQ(client.SetIrqs(kSetEvents, kMsix, 0, 4, Fds(new_events)), 0u);
  EXPECT_TRUE(new_events[0]->Drain());
  EXPECT_FALSE(new_events[1]->Drain());
  EXPECT_TRUE(new_events[2]->Drain());
  client.Write(kConfig, 4, 0, 2);
  EXPECT_EQ(client.Read(kBar0, 0, 4), 0x1234u);
}

// A client that had memory decode off, and a VMM that hid BARs, do not keep the
// device from being reached here: nobody's addresses are used.
TEST_F(ModelTest, IsRestoredWhereverItsBarsWere) {
  client_->Write(kBar0, 0, 0x1234, 4);
  client_->Write(kConfig, 4, 0x4, 2);
  PciDeviceState state;
  served_->OnLoop([&] { state = model_->Save(); });
  EXPECT_EQ(state.function.command, 0x4u);
  state.function.bars[0] = 0xfe000000;
  state.hidden_bars[0] = true;
  auto restored = IvshmemModel::Restore(options_, Memory(), state);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ServedModel served(**restored);
  Client client(served.path());
  client.Greet();
  EXPECT_EQ(client.Read(kConfig, 4, 2), 0x4u);
  EXPECT_EQ(client.Read(kBar0, 0, 4), 0x1234u);
}

// An observer sees a device from its beginning.
TEST_F(ModelTest, RefusesAnObserverOfARestoredDevice) {
  class Blind : public IvshmemModel::Observer {
   public:
    void Start(Device& /*device*/) override {}
    MmioHandler& Wrap(uint32_t /*region*/, MmioHandler& handler) override {
      return handler;
    }
  };
  PciDeviceState state;
  served_->OnLoop([&] { state = model_->Save(); });
  Blind observer;
  options_.observer = &observer;
  const auto restored = IvshmemModel::Restore(options_, Memory(), state);
  EXPECT_TRUE(absl::IsInvalidArgument(restored.status()));
  EXPECT_TRUE(absl::StrContains(restored.status().message(), "observer"));
}

// A state that no BAR can hold is refused by its name.
TEST_F(ModelTest, RefusesAStateThatIsNone) {
  PciDeviceState state;
  served_->OnLoop([&] { state = model_->Save(); });
  state.function.bars[0] = 0x10;
  const auto restored = IvshmemModel::Restore(options_, Memory(), state);
  EXPECT_TRUE(absl::IsInvalidArgument(restored.status()));
  EXPECT_TRUE(
      absl::StrContains(restored.status().message(), "state.function.bars[0]"));
}

}  // namespace
}  // namespace ivshmem::vfio_user
