// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device as a vfio-user client finds it: regions and config space.

#include "backends/vfio_user/ivshmem_model.h"

#include <cerrno>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "backends/linux/event_fd.h"
#include "backends/vfio_user/model_fixture.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"
#include "testing/vfio_user/client.h"

namespace ivshmem::vfio_user {
namespace {

// What QEMU says at its start, in its order, and what it needs to be told.
TEST_F(ModelTest, AnswersWhatQemuAsksAtItsStart) {
  client_.reset();
  Client qemu(served_->path());
  EXPECT_EQ(qemu.Greet(), R"({"capabilities":{"max_msg_fds":16,)"
                          R"("max_data_xfer_size":1048576}})");
  struct Ram {
    uint32_t flags;
    uint64_t address;
    uint64_t size;
  };
  for (const Ram& ram :
       {Ram{3, 0, 0xc0000}, Ram{1, 0xc0000, 0x20000}, Ram{1, 0xe0000, 0x20000},
        Ram{3, 0x100000, 0x3f00000}, Ram{1, 0xfffc0000, 0x40000}}) {
    const auto answer = qemu.Ask(
        DMA_MAP,
        Payload().U32(32).U32(ram.flags).U64(0).U64(ram.address).U64(ram.size));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->error, 0u);
    EXPECT_TRUE(answer->payload.empty());
  }
  const vfio_device_info info = qemu.GetInfo();
  EXPECT_EQ(info.argsz, 16u);
  EXPECT_EQ(info.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
  EXPECT_EQ(info.num_regions, 9u);
  EXPECT_EQ(info.num_irqs, 5u);
  const std::map<uint32_t, uint64_t> sizes = {
      {0, 0x100}, {1, 0x1000}, {2, kSize}, {kConfig, 0x100}};
  for (const uint32_t index : {0, 1, 2, 3, 4, 5, 7, 6, 8}) {
    const vfio_region_info region = qemu.GetRegionInfo(index);
    EXPECT_EQ(region.argsz, 32u);
    EXPECT_EQ(region.index, index);
    const auto size = sizes.find(index);
    EXPECT_EQ(region.size, size == sizes.end() ? 0 : size->second) << index;
    EXPECT_EQ(region.flags, size == sizes.end() ? 0u : index == 2 ? 7u : 3u);
    EXPECT_EQ(region.offset, 0u);
    EXPECT_EQ(region.cap_offset, 0u);
  }
  const auto err =
      qemu.Ask(GET_IRQ_INFO,
               Payload().U32(16).U32(0).U32(VFIO_PCI_ERR_IRQ_INDEX).U32(0));
  ASSERT_TRUE(err.has_value());
  EXPECT_EQ(err->error, static_cast<uint32_t>(EINVAL));
  const auto all = qemu.Ask(REGION_READ, Client::Access(kConfig, 0, 256));
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->payload.size(), 272u);
  // No ROM, whatever is written.
  EXPECT_EQ(qemu.Read(kConfig, 0x30, 4), 0u);
  qemu.Write(kConfig, 0x30, 0xfffff800, 4);
  EXPECT_EQ(qemu.Read(kConfig, 0x30, 4), 0u);
  qemu.Write(kConfig, 0x30, 0, 4);
  EXPECT_EQ(qemu.Read(kConfig, 0x10, 4) & 0xf, 0u);
  EXPECT_EQ(qemu.Read(kConfig, 0x14, 4) & 0xf, 0u);
  EXPECT_EQ(qemu.Read(kConfig, 0x18, 4) & 0xf, 0xcu);
  // MSI-X: 4 vectors, table and PBA in BAR1.
  EXPECT_EQ(qemu.Read(kConfig, 0x34, 1), 0x40u);
  EXPECT_EQ(qemu.Read(kConfig, 0x40, 1), 0x11u);
  EXPECT_EQ(qemu.Read(kConfig, 0x42, 2), 3u);
  EXPECT_EQ(qemu.Read(kConfig, 0x44, 4), 1u);
  EXPECT_EQ(qemu.Read(kConfig, 0x48, 4), 0x801u);
  const vfio_irq_info msix = qemu.GetIrqInfo(kMsix);
  EXPECT_EQ(msix.argsz, 16u);
  EXPECT_EQ(msix.flags, static_cast<uint32_t>(VFIO_IRQ_INFO_EVENTFD));
  EXPECT_EQ(msix.index, kMsix);
  EXPECT_EQ(msix.count, 4u);
  EXPECT_EQ(qemu.Read(kConfig, 0x3d, 1), 0u);
  // The machine's reset.
  qemu.Write(kConfig, 4, qemu.Read(kConfig, 4, 2) & ~0x407, 2);
  qemu.Reset();
  EXPECT_EQ(qemu.Read(kConfig, 0x3d, 1), 0u);
  for (uint64_t bar = 0x10; bar < 0x28; bar += 4)
    qemu.Write(kConfig, bar, 0, 4);
}

// Other kinds of interrupts can be asked about; there are none.
TEST_F(ModelTest, HasNoOtherInterrupts) {
  for (const uint32_t irq : {0, 1, 4}) {
    EXPECT_EQ(client_->GetIrqInfo(irq).count, 0u);
    EXPECT_EQ(client_->GetIrqInfo(irq).flags,
              static_cast<uint32_t>(VFIO_IRQ_INFO_EVENTFD));
  }
  const auto none =
      client_->Ask(GET_IRQ_INFO, Payload().U32(16).U32(0).U32(5).U32(0));
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(none->error, static_cast<uint32_t>(EINVAL));
}

// Cloud Hypervisor sizes BARs in config space and leaves the masks there.
TEST_F(ModelTest, IsReachedWhateverTheBarsHold) {
  const std::map<uint64_t, uint64_t> masks = {
      {0x10, 0xffffff00}, {0x14, 0xfffff000}, {0x18, 0xfff0000c},
      {0x1c, 0xffffffff}, {0x20, 0},          {0x24, 0}};
  client_->Write(kBar0, 0, 0x1234, 4);
  for (const auto& [bar, mask] : masks) {
    client_->Write(kConfig, bar, 0xffffffff, 4);
    EXPECT_EQ(client_->Read(kConfig, bar, 4), mask) << bar;
  }
  EXPECT_EQ(client_->Read(kBar0, 0, 4), 0x1234u);
  EXPECT_EQ(client_->Read(kBar0, 8, 4), 7u);
  client_->Write(kBar2, 64, 0xabcd, 8);
  EXPECT_EQ(client_->Read(kBar2, 64, 8), 0xabcdu);
}

// What clients write to BARs and to the command register reads back, byte by
// byte as well; what is beside them is written too.
TEST_F(ModelTest, KeepsWhatClientsWriteToConfigSpace) {
  EXPECT_EQ(client_->Read(kConfig, 4, 2), 0u);
  client_->Write(kConfig, 4, 0x406, 2);
  EXPECT_EQ(client_->Read(kConfig, 4, 2), 0x406u);
  EXPECT_EQ(client_->Read(kConfig, 4, 1), 0x06u);
  client_->Write(kConfig, 4, 0x4, 2);
  EXPECT_EQ(client_->Read(kConfig, 4, 2), 0x4u);
  EXPECT_EQ(client_->Read(kConfig, 3, 4), 0x10000411u);
  client_->Write(kConfig, 0x10, 0xfebf1234, 4);
  EXPECT_EQ(client_->Read(kConfig, 0x10, 4), 0xfebf1200u);
  client_->Write(kConfig, 0x13, 0xe1, 1);
  EXPECT_EQ(client_->Read(kConfig, 0x10, 4), 0xe1bf1200u);
  EXPECT_EQ(client_->Read(kConfig, 0x12, 4), 0x0000e1bfu);
  // Across the end of the BARs and the beginning.
  client_->Write(kConfig, 0x0c, 0x77000000'00000055, 8);
  EXPECT_EQ(client_->Read(kConfig, 0x0c, 1), 0x55u);
  EXPECT_EQ(client_->Read(kConfig, 0x10, 4), 0x77000000u);
  const auto wide = client_->Ask(
      REGION_WRITE,
      Client::Access(kConfig, 0x24, 0x1c, std::vector<uint8_t>(0x1c, 0x5a)));
  ASSERT_TRUE(wide.has_value());
  EXPECT_EQ(wide->error, 0u);
  EXPECT_EQ(client_->Read(kConfig, 0x3c, 2), 0x5au);
}

// Both registers of identity and status are the function's own.
TEST_F(ModelTest, ShowsTheFunctionsConfigSpace) {
  EXPECT_EQ(client_->Read(kConfig, 0, 4), 0x11101af4u);
  EXPECT_EQ(client_->Read(kConfig, 6, 2) & 0x10, 0x10u);
  EXPECT_EQ(client_->Read(kConfig, 8, 4), 0x05000001u);
  EXPECT_EQ(client_->Read(kConfig, 0xe, 1), 0u);
  EXPECT_EQ(client_->Read(kConfig, 0x2c, 4), 0x11001af4u);
}

// A guest can reach any offset: outside reads zeros and is not written, also
// where an access begins inside.
TEST_F(ModelTest, AnswersWhereNothingIs) {
  EXPECT_EQ(client_->Read(kConfig, 256, 4), 0u);
  EXPECT_EQ(client_->Read(kConfig, 4092, 4), 0u);
  EXPECT_EQ(client_->Read(kBar0, 252, 8), 0u);
  client_->Write(kBar0, 252, ~uint64_t{0}, 8);
  EXPECT_EQ(client_->Read(kBar2, kSize, 8), 0u);
  EXPECT_EQ(client_->Read(kBar2, ~uint64_t{0}, 8), 0u);
  EXPECT_EQ(client_->Read(kBar2, ~uint64_t{0} - 6, 8), 0u);
  client_->Write(kBar2, ~uint64_t{0} - 6, 1, 8);
  client_->Write(kBar2, kSize - 4, 0x1122334455667788, 8);
  EXPECT_EQ(client_->Read(kBar2, kSize - 4, 8), 0x55667788u);
  EXPECT_EQ(client_->Read(kBar2, 0, 8), 0u);
  for (const uint32_t absent : {3, 4, 5, 6, 8}) {
    EXPECT_EQ(client_->Read(absent, 0, 4), 0u);
    client_->Write(absent, 0, 1, 4);
  }
  // The last bytes of config space are there.
  EXPECT_EQ(client_->Read(kConfig, 0x2c, 4),
            client_->Read(kConfig, 0x2c, 8) & 0xffffffff);
}

// The doorbell signals the peer's event before the answer comes.
TEST_F(ModelTest, RingsPeersByTheDoorbell) {
  const auto peer = *EventFd::Create();
  ASSERT_TRUE(model_->device().peers().Connect(9, 1, peer).ok());
  client_->Write(kBar0, 12, 9 << 16 | 1, 4);
  EXPECT_TRUE(peer->Drain());
  client_->Write(kBar0, 12, 9 << 16 | 0, 4);
  EXPECT_FALSE(peer->Drain());
}

// A posted write is carried out, and not answered.
TEST_F(ModelTest, TakesPostedWrites) {
  for (uint32_t i = 1; i <= 500; ++i) {
    client_->Tell(REGION_WRITE, Client::Access(kBar0, 0, 4, Payload().U32(i)));
  }
  EXPECT_EQ(client_->Read(kBar0, 0, 4), 500u);
}

// Nor is one that is wrong.
TEST_F(ModelTest, DoesNotAnswerWrongPostedWrites) {
  client_->Tell(REGION_WRITE, Client::Access(100, 0, 4, Payload().U32(1)));
  client_->Tell(99, {});
  EXPECT_EQ(client_->Read(kBar0, 8, 4), 7u);
}

// Many writes in one message, in their order: all, or none when one is wrong.
TEST_F(ModelTest, TakesManyWritesAtOnce) {
  const auto one = [](uint32_t region, uint64_t offset, uint32_t count,
                      uint64_t value) {
    return std::vector<uint8_t>(
        Payload().U64(offset).U32(region).U32(count).U64(value));
  };
  const auto ask = [&](uint64_t count,
                       const std::vector<std::vector<uint8_t>>& writes) {
    std::vector<uint8_t> payload = Payload().U64(count);
    for (const auto& write : writes) {
      payload.insert(payload.end(), write.begin(), write.end());
    }
    return client_->Ask(WRITE_MULTI, payload);
  };
  auto answer =
      ask(3, {one(kBar0, 0, 4, 5), one(kBar2, 8, 8, 6), one(kBar0, 0, 4, 7)});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->payload, std::vector<uint8_t>(Payload().U64(3)));
  EXPECT_EQ(client_->Read(kBar0, 0, 4), 7u);
  EXPECT_EQ(client_->Read(kBar2, 8, 8), 6u);
  const auto good = one(kBar0, 0, 4, 9);
  for (const auto& wrong :
       {ask(2, {good, one(9, 0, 4, 1)}), ask(2, {good, one(kBar2, 0, 9, 1)}),
        ask(2, {good, one(kBar2, 0, 0, 1)}), ask(2, {good}), ask(0, {good}),
        ask(0x0aaa'aaaa'aaaa'aaac, {good}),
        ask(0x1555'5555'5555'5556, {good})}) {
    ASSERT_TRUE(wrong.has_value());
    EXPECT_EQ(wrong->error, static_cast<uint32_t>(EINVAL));
  }
  for (const size_t size : {size_t{1}, size_t{23}}) {
    const auto wrong = ask(1, {good, std::vector<uint8_t>(size)});
    ASSERT_TRUE(wrong.has_value());
    EXPECT_EQ(wrong->error, static_cast<uint32_t>(EINVAL));
  }
  EXPECT_EQ(client_->Read(kBar0, 0, 4), 7u);
  answer = ask(0, {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error, 0u);
}

// RESET: registers and config space are as at first; id and memory stay.
TEST_F(ModelTest, Resets) {
  client_->Write(kBar0, 0, 0x1234, 4);
  Enable();
  client_->Write(kConfig, 0x10, 0xfe000000, 4);
  client_->Write(kBar2, 0, 5, 4);
  client_->Reset();
  EXPECT_EQ(client_->Read(kBar0, 0, 4), 0u);
  EXPECT_EQ(client_->Read(kBar0, 8, 4), 7u);
  EXPECT_EQ(client_->Read(kConfig, 4, 2), 0u);
  EXPECT_EQ(client_->Read(kConfig, 0x10, 4), 0u);
  EXPECT_EQ(client_->Read(kConfig, 0x18, 4), 0xcu);
  EXPECT_EQ(client_->Read(kConfig, kMsixControl, 2), 3u);
  EXPECT_EQ(client_->Read(kBar2, 0, 4), 5u);
}

// The next client finds all as the last one left it.
TEST_F(ModelTest, KeepsItsStateForTheNextClient) {
  client_->Write(kBar0, 0, 0x1234, 4);
  client_->Write(kConfig, 4, 0x6, 2);
  client_->Write(kConfig, 0x10, 0xfe000000, 4);
  for (int i = 0; i < 20; ++i) {
    Connect();
    ASSERT_EQ(client_->Read(kBar0, 0, 4), 0x1234u);
    ASSERT_EQ(client_->Read(kConfig, 4, 2), 0x6u);
    ASSERT_EQ(client_->Read(kConfig, 0x10, 4), 0xfe000000u);
  }
  EXPECT_EQ(served_->count(Server::Event::kTurnedAway), 0u);
}

// The table in BAR1 is between client and guest: what a client writes there
// does not move ours.
TEST_F(ModelTest, KeepsItsTableToItself) {
  const auto events = Events(1);
  Enable();
  ASSERT_EQ(client_->SetIrqs(kSetEvents, kMsix, 0, 1, Fds(events)), 0u);
  for (uint64_t at = 0; at < 64; at += 8) {
    client_->Write(kBar1, at, ~uint64_t{0}, 8);
    EXPECT_EQ(client_->Read(kBar1, at, 8), 0u);
  }
  Interrupt(0);
  EXPECT_TRUE(events[0]->Drain());
}

class NoVectorsTest : public ModelTest {
 protected:
  NoVectorsTest() : ModelTest(0) {}
};

// Without vectors there is no BAR1 and no MSI-X; all can be asked all the same.
TEST_F(NoVectorsTest, IsMemoryAlone) {
  EXPECT_EQ(client_->GetRegionInfo(kBar1).size, 0u);
  EXPECT_EQ(client_->GetRegionInfo(kBar1).flags, 0u);
  EXPECT_EQ(client_->GetIrqInfo(kMsix).count, 0u);
  EXPECT_EQ(client_->Read(kConfig, 0x34, 1), 0u);
  EXPECT_EQ(client_->Read(kBar1, 0, 4), 0u);
  EXPECT_EQ(client_->SetIrqs(kDisable, kMsix, 0, 0), 0u);
  client_->Reset();
  EXPECT_EQ(client_->Read(kBar2, 0, 4), 0u);
}

TEST_F(ModelTest, RefusesIntx) {
  options_.device.dialect = kRevision0;
  options_.device.interrupts = InterruptMode::kIntx;
  const auto model = IvshmemModel::Create(options_, Memory());
  EXPECT_TRUE(absl::StrContains(model.status().message(), "interrupts"));
}

}  // namespace
}  // namespace ivshmem::vfio_user
