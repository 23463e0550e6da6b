// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest that may read the shared memory and not write it.

#include <cstdint>
#include <memory>

#include "backends/linux/server_link.h"
#include "bus/pci/registers.h"
#include "core/shared_memory.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kBar2 = KvmPciGuest::kBar2;

class KvmReadOnly : public ::testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    reader_ = Join(MemoryAccess::kReadOnly);
    writer_ = Join(MemoryAccess::kReadWrite);
    ASSERT_FALSE(HasFailure());
  }

  std::unique_ptr<KvmPciGuest> Join(MemoryAccess access) {
    return std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{.access = access});
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  std::unique_ptr<KvmPciGuest> reader_;
  std::unique_ptr<KvmPciGuest> writer_;
};

// It sees what the other writes, without leaving the guest.
TEST_F(KvmReadOnly, Reads) {
  writer_->guest().Write(kBar2 + 0x100, 0x12345678);
  const uint64_t exits = reader_->exits();
  EXPECT_EQ(reader_->guest().Read(kBar2 + 0x100), 0x12345678u);
  EXPECT_EQ(reader_->exits(), exits);
}

// What it writes is lost, of any size, and counted, and does the guest no harm.
TEST_F(KvmReadOnly, DoesNotWrite) {
  writer_->guest().Write(kBar2 + 0x100, 0x12345678);
  uint64_t refused = 0;
  for (const uint32_t size : {1, 2, 4}) {
    reader_->guest().Write(kBar2 + 0x100, 0, size);
    EXPECT_EQ(reader_->device().refused_memory_writes(), ++refused);
  }
  EXPECT_EQ(reader_->guest().Read(kBar2 + 0x100), 0x12345678u);
  EXPECT_EQ(writer_->guest().Read(kBar2 + 0x100), 0x12345678u);
  EXPECT_EQ(reader_->device().refused_memory_writes(), refused);
  EXPECT_EQ(writer_->device().refused_memory_writes(), 0u);
}

// However often and wherever it writes, no byte of the memory changes.
TEST_F(KvmReadOnly, ChangesNoByte) {
  const SharedMemory& memory = reader_->device().memory();
  for (uint64_t i = 0; i < memory.size; ++i) {
    memory.data[i] = static_cast<uint8_t>(i * 7);
  }
  uint64_t refused = 0;
  for (uint32_t offset = 0; offset < memory.size; offset += 0x10000 - 4) {
    reader_->guest().Write(kBar2 + offset, ~0u, 4, 100);
    EXPECT_EQ(reader_->device().refused_memory_writes(), refused += 100);
  }
  uint64_t changed = 0;
  for (uint64_t i = 0; i < memory.size; ++i) {
    changed += memory.data[i] == static_cast<uint8_t>(i * 7) ? 0 : 1;
  }
  EXPECT_EQ(changed, 0u);
  EXPECT_EQ(reader_->guest().Read(kBar2 + 0x5678, 1),
            static_cast<uint8_t>(0x5678 * 7));
}

// The same where BAR2 has moved.
TEST_F(KvmReadOnly, DoesNotWriteElsewhere) {
  writer_->guest().Write(kBar2, 0x12345678);
  reader_->SetConfig(pci::kBar0 + 8, 0xe4000000);
  reader_->guest().Write(0xe4000000, 0);
  EXPECT_EQ(reader_->guest().Read(0xe4000000), 0x12345678u);
  EXPECT_EQ(reader_->device().refused_memory_writes(), 1u);
  // Where it was there is nobody to count.
  reader_->guest().Write(kBar2, 0);
  EXPECT_EQ(reader_->device().refused_memory_writes(), 1u);
}

// A guest that has only read access rings as any other.
TEST_F(KvmReadOnly, Rings) {
  ASSERT_TRUE(reader_->Knows(writer_->id(), 1));
  reader_->Ring(writer_->id(), 1);
  EXPECT_TRUE(writer_->guest().InterruptsBecome(1, 1));
}

}  // namespace
}  // namespace ivshmem
