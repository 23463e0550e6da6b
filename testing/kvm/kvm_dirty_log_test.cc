// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What a guest on KVM writes to the shared memory, by its own instructions, and
// what the kernel's log says of it.

#include <cstdint>
#include <memory>

#include "backends/linux/server_link.h"
#include "bus/pci/registers.h"
#include "device/pci_device.h"
#include "device/written_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Part = WrittenMemory::Part;

constexpr uint32_t kBar2 = KvmPciGuest::kBar2;
constexpr uint32_t kMovedBar2 = 0xe4000000;
constexpr uint64_t kPage = WrittenMemory::kPage;
constexpr uint64_t kSize = 1 << 20;

class KvmDirtyLog : public ::testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    guest_ = Join();
    other_ = Join();
    ASSERT_FALSE(HasFailure());
  }

  std::unique_ptr<KvmPciGuest> Join() {
    return std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{});
  }

  WrittenMemory& written() { return guest_->device().written(); }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  std::unique_ptr<KvmPciGuest> guest_;
  std::unique_ptr<KvmPciGuest> other_;
};

// Exactly the pages that the guest writes, each once for each time that it is
// asked; without leaving the guest.
TEST_F(KvmDirtyLog, ExactlyWhatTheGuestWrites) {
  guest_->guest().Write(kBar2, 1);
  ASSERT_TRUE(written().Start().ok());
  EXPECT_THAT(*written().Take(), IsEmpty());
  const uint64_t exits = guest_->exits();
  guest_->guest().Write(kBar2 + 3 * kPage + 8, 1);
  guest_->guest().Write(kBar2 + 4 * kPage - 1, 1, 1);
  guest_->guest().Write(kBar2 + 70 * kPage, 1);
  guest_->guest().Write(kBar2 + 71 * kPage, 1);
  guest_->guest().Write(kBar2 + kSize - 4, 1);
  guest_->guest().Read(kBar2 + 9 * kPage);
  EXPECT_EQ(guest_->exits(), exits);
  EXPECT_THAT(*written().Take(),
              ElementsAre(Part{3 * kPage, kPage}, Part{70 * kPage, 2 * kPage},
                          Part{kSize - kPage, kPage}));
  EXPECT_THAT(*written().Take(), IsEmpty());
  guest_->guest().Write(kBar2 + 3 * kPage, 2);
  EXPECT_THAT(*written().Take(), ElementsAre(Part{3 * kPage, kPage}));
}

// What a peer writes, and this process, is not the guest's.
TEST_F(KvmDirtyLog, NotWhatOthersWrite) {
  ASSERT_TRUE(written().Start().ok());
  other_->guest().Write(kBar2 + 2 * kPage, 1);
  guest_->device().memory().data[5 * kPage] = 1;
  EXPECT_THAT(*written().Take(), IsEmpty());
}

// Off, and on again.
TEST_F(KvmDirtyLog, StopsAndStarts) {
  ASSERT_TRUE(written().Start().ok());
  guest_->guest().Write(kBar2, 1);
  written().Stop();
  EXPECT_FALSE(written().Take().ok());
  guest_->guest().Write(kBar2 + kPage, 1);
  ASSERT_TRUE(written().Start().ok());
  EXPECT_THAT(*written().Take(), IsEmpty());
  guest_->guest().Write(kBar2 + 2 * kPage, 1);
  EXPECT_THAT(*written().Take(), ElementsAre(Part{2 * kPage, kPage}));
}

// A BAR that moves: all counts as written, and where it is then is logged.
TEST_F(KvmDirtyLog, WhereTheBarMoves) {
  ASSERT_TRUE(written().Start().ok());
  guest_->guest().Write(kBar2, 1);
  guest_->SetConfig(pci::kBar0 + 8, kMovedBar2);
  EXPECT_THAT(*written().Take(), ElementsAre(Part{0, kSize}));
  EXPECT_THAT(*written().Take(), IsEmpty());
  guest_->guest().Write(kMovedBar2 + kPage, 1);
  EXPECT_THAT(*written().Take(), ElementsAre(Part{kPage, kPage}));
}

}  // namespace
}  // namespace ivshmem
