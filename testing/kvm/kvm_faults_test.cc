// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Faults of QEMU's device on KVM, each shown absent on a real vCPU.

#include <memory>

#include "backends/linux/server_link.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"
#include "testing/kvm/require_kvm.h"

namespace ivshmem {
namespace {

// The device has four vectors and the server gives two. The guest enables all,
// masks and unmasks those that are missing, and rings them; the others work.
// Fault: qemu-vector-missing
TEST(KvmFaults, TheGuestUnmasksAMissingVector) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  ServerProcess server({"--vectors", "2", "--size", "1M"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  KvmPciGuest guest({.socket_path = server.socket_path()}, {.vectors = 4});
  ASSERT_TRUE(guest.Knows(guest.id(), 1));
  for (const int vector : {2, 3}) {
    guest.MaskVector(vector, true);
    guest.Settle();
    guest.MaskVector(vector, false);
    guest.Settle();
    guest.Ring(guest.id(), static_cast<Vector>(vector));
  }
  EXPECT_EQ(guest.device().device().count(RingResult::kNoSuchVector), 2u);
  guest.Ring(guest.id(), 1);
  EXPECT_TRUE(guest.guest().InterruptsBecome(1, 1));
  EXPECT_EQ(guest.guest().interrupts(2), 0u);
  EXPECT_EQ(guest.guest().interrupts(3), 0u);
}

// A device that was saved and restored, with MSI-X on: it is rung, by irqfd and
// without, and its MSI-X can be turned off and on.
// Fault: qemu-migrated-routes
TEST(KvmFaults, ARestoredDeviceIsRung) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  for (const bool irqfd : {true, false}) {
    SCOPED_TRACE(irqfd);
    ServerProcess server({"--vectors", "2", "--size", "1M"});
    ASSERT_NO_FATAL_FAILURE(server.Start());
    KvmPciGuest a({.socket_path = server.socket_path()}, {.irqfd = irqfd});
    KvmPciGuest b({.socket_path = server.socket_path()}, {.irqfd = irqfd});
    ASSERT_TRUE(a.Knows(b.id(), 1));
    ASSERT_TRUE(b.Knows(a.id(), 1));
    a.Ring(b.id(), 1);
    ASSERT_TRUE(b.guest().InterruptsBecome(1, 1));
    const PeerId id = b.id();
    b.MaskVector(0, true);
    b.Settle();
    a.Ring(id, 0);

    b.SaveAndRestore();
    ASSERT_TRUE(b.Knows(a.id(), 1));
    b.Settle();
    EXPECT_EQ(b.Register(kPositionOffset), id);
    a.Ring(id, 1);
    EXPECT_TRUE(b.guest().InterruptsBecome(1, 2));
    EXPECT_EQ(b.guest().interrupts(0), 0u);
    b.MaskVector(0, false);
    EXPECT_TRUE(b.guest().InterruptsBecome(0, 1)) << "it was pending";
    b.SetConfig(pci::kMsixControl, 0, 2);
    b.Settle();
    b.EnableMsix();
    b.Settle();
    a.Ring(id, 0);
    EXPECT_TRUE(b.guest().InterruptsBecome(0, 2));
    b.Ring(a.id(), 0);
    EXPECT_TRUE(a.guest().InterruptsBecome(0, 1));
  }
}

}  // namespace
}  // namespace ivshmem
