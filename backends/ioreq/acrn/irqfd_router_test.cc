// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/irqfd_router.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "backends/ioreq/acrn/recording_hsm.h"
#include "backends/irq_router.h"
#include "bus/pci/msi.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ::testing::HasSubstr;

constexpr pci::MsiMessage kMessage = {.address = 0x1fee00000, .data = 0x4142};

// The eventfd with its message, until the registration goes.
TEST(IrqfdRouterTest, BindsAndUnbinds) {
  RecordingHsm hsm;
  IrqfdRouter router(hsm);
  auto bound = router.Bind({42}, kMessage);
  ASSERT_TRUE(bound.ok()) << bound.status();
  auto irqfds = hsm.TakeIrqfds();
  ASSERT_EQ(irqfds.size(), 1u);
  EXPECT_EQ(irqfds[0].fd, 42);
  EXPECT_EQ(irqfds[0].flags, 0u);
  EXPECT_EQ(irqfds[0].msi.msi_addr, 0x1fee00000u);
  EXPECT_EQ(irqfds[0].msi.msi_data, 0x4142u);
  *bound = nullptr;
  irqfds = hsm.TakeIrqfds();
  ASSERT_EQ(irqfds.size(), 1u);
  EXPECT_EQ(irqfds[0].fd, 42);
  EXPECT_EQ(irqfds[0].flags, uint32_t{ACRN_IRQFD_FLAG_DEASSIGN});
}

// An eventfd has one message. Nothing is left to undo.
TEST(IrqfdRouterTest, ASecondBindingIsRefused) {
  RecordingHsm hsm;
  IrqfdRouter router(hsm);
  const auto bound = router.Bind({42}, kMessage);
  hsm.Answer(ACRN_IOCTL_IRQFD, -EBUSY);
  const auto again = router.Bind({42}, kMessage).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(again)) << again;
  EXPECT_THAT(again.message(),
              HasSubstr("irqfd of descriptor 42, message 0x4142 at "
                        "0x1fee00000"));
  EXPECT_EQ(hsm.TakeIrqfds().size(), 2u);
}

// The kernel sends, and leaves the signal in the event.
TEST(IrqfdRouterTest, SignalsAreLeft) {
  RecordingHsm hsm;
  EXPECT_EQ(IrqfdRouter(hsm).signals(), IrqRouter::Signals::kLeft);
}

// Registrations may outlive the object.
TEST(IrqfdRouterTest, RegistrationsOutliveIt) {
  RecordingHsm hsm;
  std::optional<IrqfdRouter> router(std::in_place, hsm);
  auto bound = router->Bind({42}, kMessage);
  router.reset();
  hsm.TakeIrqfds();
  *bound = nullptr;
  EXPECT_EQ(hsm.TakeIrqfds().size(), 1u);
}

}  // namespace
}  // namespace ivshmem::acrn
