// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/gsi_routes.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/kvm/recording_vm.h"
#include "backends/kvm/set_gsi_routing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Matcher;
using ::testing::ResultOf;
using ::testing::SizeIs;

using Entry = kvm_irq_routing_entry;
using Messages = std::vector<pci::MsiMessage>;

constexpr uint32_t kFirst = 24;

pci::MsiMessage Message(uint32_t data) {
  return {.address = 0x1fee00000 + 0x1000 * uint64_t{data}, .data = data};
}

Matcher<Entry> IsMessage(uint32_t gsi, const pci::MsiMessage& message) {
  return AllOf(Field("gsi", &Entry::gsi, gsi),
               Field("type", &Entry::type, uint32_t{KVM_IRQ_ROUTING_MSI}),
               Field("flags", &Entry::flags, 0u),
               ResultOf(
                   "address",
                   [](const Entry& entry) {
                     return uint64_t{entry.u.msi.address_hi} << 32 |
                            entry.u.msi.address_lo;
                   },
                   message.address),
               ResultOf(
                   "data", [](const Entry& entry) { return entry.u.msi.data; },
                   message.data));
}

// A table without pins, with room for `room` messages from GSI 24 on.
GsiTable::Config Room(uint32_t room) {
  return {.pins = {}, .first_gsi = kFirst, .max_entries = room};
}

std::vector<uint32_t> Add(GsiRoutes& routes, const Messages& messages) {
  const auto gsis = routes.Add(messages);
  EXPECT_TRUE(gsis.ok()) << gsis.status();
  return gsis.ok() ? *gsis : std::vector<uint32_t>();
}

// The request is the number that the kernel knows, and before the entries stand
// their number and zero flags.
TEST(GsiTableTest, IsTheKernelsRequest) {
  class BytesVm : public Vm {
   public:
    using Vm::Ioctl;
    int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
      if (request == KVM_CHECK_EXTENSION) return 0;
      this->request = request;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
      const auto* data = reinterpret_cast<const uint8_t*>(argument);
      bytes.assign(data, data + 8 + sizeof(Entry));
      return 0;
    }
    uint64_t request = 0;
    std::vector<uint8_t> bytes;
  };
  BytesVm vm;
  GsiTable table(vm, Room(1));
  Add(table, {{.address = 0x1122334455667788, .data = 0x99aabbcc}});
  EXPECT_EQ(vm.request, SetGsiRoutingRequest());
  EXPECT_EQ(SetGsiRoutingHeaderSize(), 8u);
  EXPECT_EQ(sizeof(Entry), 48u);
  std::vector<uint8_t> bytes = {
      1,    0,    0,    0,    0,    0,    0,    0,     // One entry. Flags.
      24,   0,    0,    0,    2,    0,    0,    0,     // GSI. A message.
      0,    0,    0,    0,    0,    0,    0,    0,     // Flags. Padding.
      0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,  // Low, high address.
      0xcc, 0xbb, 0xaa, 0x99, 0,    0,    0,    0,     // Data.
  };
  bytes.resize(8 + sizeof(Entry));
  EXPECT_EQ(vm.bytes, bytes);
}

// Many messages cost one replacement.
TEST(GsiTableTest, OneReplacementForMany) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  EXPECT_THAT(Add(table, {Message(1), Message(2), Message(3)}),
              ElementsAre(24, 25, 26));
  EXPECT_THAT(vm.TakeTables(),
              ElementsAre(ElementsAre(IsMessage(24, Message(1)),
                                      IsMessage(25, Message(2)),
                                      IsMessage(26, Message(3)))));
  EXPECT_THAT(vm.unknown(), IsEmpty());
}

// Nothing asked, nothing replaced.
TEST(GsiTableTest, NoneCostNone) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  EXPECT_THAT(Add(table, {}), IsEmpty());
  EXPECT_THAT(vm.TakeTables(), IsEmpty());
}

// The table is replaced whole: what was there before stays.
TEST(GsiTableTest, KeepsWhatWasThere) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  Add(table, {Message(1)});
  vm.TakeTables();
  EXPECT_THAT(Add(table, {Message(2)}), ElementsAre(25));
  EXPECT_THAT(vm.TakeTables(),
              ElementsAre(ElementsAre(IsMessage(24, Message(1)),
                                      IsMessage(25, Message(2)))));
}

// The same message may be asked for by several: each has a route of its own.
TEST(GsiTableTest, EqualMessagesHaveTheirOwnRoutes) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  EXPECT_THAT(Add(table, {Message(1), Message(1)}), ElementsAre(24, 25));
  EXPECT_THAT(Add(table, {Message(1)}), ElementsAre(26));
}

// A removed route stays in the table, so that the same message costs no
// replacement when it comes back (masked, unmasked).
TEST(GsiTableTest, ARemovedMessageComesBackWithoutReplacement) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  Add(table, {Message(1), Message(2)});
  vm.TakeTables();
  table.Remove(24);
  table.Remove(25);
  EXPECT_THAT(vm.TakeTables(), IsEmpty());
  EXPECT_THAT(Add(table, {Message(2), Message(1)}), ElementsAre(25, 24));
  EXPECT_THAT(vm.TakeTables(), IsEmpty());
  EXPECT_THAT(Add(table, {Message(1)}), ElementsAre(26)) << "24 is taken again";
}

// A removed route's message is what counts, address and data.
TEST(GsiTableTest, OnlyTheSameMessageComesBack) {
  RecordingVm vm;
  GsiTable table(vm, Room(10));
  Add(table, {Message(1)});
  table.Remove(24);
  pci::MsiMessage other = Message(1);
  other.address += uint64_t{1} << 40;
  EXPECT_THAT(Add(table, {other}), ElementsAre(25));
  other = Message(1);
  other.data = 7;
  EXPECT_THAT(Add(table, {other}), ElementsAre(26));
}

// When there is no more room, the first so many are added, and the rest are
// not.
TEST(GsiTableTest, AsManyAsThereIsRoomFor) {
  RecordingVm vm;
  GsiTable table(vm, Room(2));
  EXPECT_THAT(Add(table, {Message(1), Message(2), Message(3)}),
              ElementsAre(24, 25));
  EXPECT_THAT(vm.TakeTables(), ElementsAre(SizeIs(2)));
  EXPECT_THAT(Add(table, {Message(3)}), IsEmpty());
  EXPECT_THAT(vm.TakeTables(), IsEmpty()) << "nothing has changed";
}

// In a full table the room of a removed route is used, which is a replacement.
TEST(GsiTableTest, AFullTableUsesRemovedRoutes) {
  RecordingVm vm;
  GsiTable table(vm, Room(2));
  Add(table, {Message(1), Message(2)});
  vm.TakeTables();
  table.Remove(24);
  EXPECT_THAT(Add(table, {Message(3), Message(4)}), ElementsAre(24));
  EXPECT_THAT(vm.TakeTables(),
              ElementsAre(ElementsAre(IsMessage(24, Message(3)),
                                      IsMessage(25, Message(2)))));
  table.Remove(24);
  EXPECT_THAT(Add(table, {Message(1)}), ElementsAre(24));
  EXPECT_THAT(vm.TakeTables(), SizeIs(1)) << "24 sent another message by then";
}

// When the kernel refuses, nothing has changed: what is added next gets what
// the refused ones would have had.
TEST(GsiTableTest, ARefusalChangesNothing) {
  RecordingVm vm;
  GsiTable table(vm, Room(3));
  Add(table, {Message(1), Message(2)});
  table.Remove(25);
  vm.TakeTables();
  vm.Answer(SetGsiRoutingRequest(), -ENOMEM);
  const auto refused = table.Add(Messages{Message(2), Message(3), Message(4)});
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(),
              HasSubstr("interrupt routes, 3 of them"));
  vm.TakeTables();
  EXPECT_THAT(Add(table, {Message(2)}), ElementsAre(25));
  EXPECT_THAT(vm.TakeTables(), IsEmpty());
  EXPECT_THAT(Add(table, {Message(5)}), ElementsAre(26));
  EXPECT_THAT(vm.TakeTables(),
              ElementsAre(ElementsAre(IsMessage(24, Message(1)),
                                      IsMessage(25, Message(2)),
                                      IsMessage(26, Message(5)))));
}

// A PC's pins are as KVM wires them: IOAPIC pin g is GSI g, and the first 16
// are the PICs' too, eight each.
TEST(GsiTableTest, APcsPins) {
  RecordingVm vm;
  GsiTable table(vm, GsiTable::Pc());
  EXPECT_THAT(Add(table, {Message(1)}), ElementsAre(24));
  const auto tables = vm.TakeTables();
  ASSERT_THAT(tables, ElementsAre(SizeIs(16 + 24 + 1)));
  std::map<uint32_t, std::map<uint32_t, uint32_t>> pins;  // By chip, pin.
  for (const Entry& entry : tables[0]) {
    if (entry.type != KVM_IRQ_ROUTING_IRQCHIP) continue;
    EXPECT_TRUE(pins[entry.u.irqchip.irqchip]
                    .emplace(entry.u.irqchip.pin, entry.gsi)
                    .second);
  }
  ASSERT_THAT(pins, SizeIs(3));
  EXPECT_THAT(pins[KVM_IRQCHIP_PIC_MASTER], SizeIs(8));
  EXPECT_THAT(pins[KVM_IRQCHIP_PIC_SLAVE], SizeIs(8));
  EXPECT_THAT(pins[KVM_IRQCHIP_IOAPIC], SizeIs(24));
  for (uint32_t pin = 0; pin < 24; ++pin) {
    EXPECT_EQ(pins[KVM_IRQCHIP_IOAPIC].at(pin), pin);
    if (pin >= 8) continue;
    EXPECT_EQ(pins[KVM_IRQCHIP_PIC_MASTER].at(pin), pin);
    EXPECT_EQ(pins[KVM_IRQCHIP_PIC_SLAVE].at(pin), pin + 8);
  }
  EXPECT_THAT(tables[0].back(), IsMessage(24, Message(1)));
}

size_t Fit(int said, GsiTable::Config config) {
  RecordingVm vm;
  vm.SetExtension(KVM_CAP_IRQ_ROUTING, said);
  GsiTable table(vm, std::move(config));
  return Add(table, Messages(5000, Message(1))).size();
}

// How many fit: what KVM says, or what the embedder says if that is less, pins
// included. GSIs are below what KVM says, too.
TEST(GsiTableTest, HowManyFit) {
  EXPECT_EQ(Fit(4096, GsiTable::Pc()), 4096u - 40);
  GsiTable::Config config = GsiTable::Pc();
  config.max_entries = 50;
  EXPECT_EQ(Fit(4096, config), 10u);
  EXPECT_EQ(Fit(45, config), 5u);
  config.max_entries = 40;
  EXPECT_EQ(Fit(4096, config), 0u);
  config.max_entries = 39;
  EXPECT_EQ(Fit(4096, config), 0u);
  EXPECT_EQ(Fit(4096, {.pins = {}, .first_gsi = 4000, .max_entries = 0}), 96u);
  EXPECT_EQ(Fit(4096, {.pins = {}, .first_gsi = 5000, .max_entries = 0}), 0u);
}

// A kernel that has routes but does not say how many: 4096.
TEST(GsiTableTest, AKernelThatDoesNotSay) {
  EXPECT_EQ(Fit(1, Room(0)), 4096u - kFirst);
  EXPECT_EQ(Fit(0, Room(0)), 4096u - kFirst);
}

}  // namespace
}  // namespace ivshmem::kvm
