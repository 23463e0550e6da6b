// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Memory that a device's guest may only read: what it writes changes nothing,
// and is counted wherever the hypervisor hands it out.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/memory_mapper.h"
#include "backends/mock/host.h"
#include "backends/registration.h"
#include "bus/pci/registers.h"
#include "core/events.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kFlatMemory = 0x60000000;
constexpr uint64_t kSize = 0x1000;

// Reads do not trap, writes to read-only memory do: KVM's way. Here no access
// of the mock's address space comes to the mapping, so that each goes to the
// claim, if there is one.
class Slots : public MemoryMapper {
 public:
  absl::StatusOr<RegistrationPtr> Map(uint64_t base,
                                      const SharedMemory& /*memory*/,
                                      MemoryAccess /*access*/) override {
    if (!result.ok()) return result;
    mapped_at = base;
    ++mapped;
    return std::make_unique<Mapping>(*this);
  }
  RefusedWrites refused_writes() const noexcept override { return refused; }

  absl::Status result;
  RefusedWrites refused = RefusedWrites::kTrapped;
  uint64_t mapped_at = 0;
  int mapped = 0;

 private:
  class Mapping : public Registration {
   public:
    explicit Mapping(Slots& slots) : slots_(slots) {}
    ~Mapping() override { --slots_.mapped; }

   private:
    Slots& slots_;
  };
};

class Warnings : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    if (event.kind != DeviceEvent::Kind::kWarning) return;
    last = std::string(event.text);
    address = event.address;
  }
  std::string last;
  uint64_t address = 0;
};

class RefusedWritesTest : public ::testing::Test {
 protected:
  PciDevice::Host PciHost(MemoryMapper* mapper) {
    return {.mmio = &host_.space(),
            .mapper = mapper,
            .msi = &host_.msi(),
            .events = &events_};
  }

  absl::StatusOr<std::unique_ptr<FlatDevice>> Flat(MemoryMapper* mapper,
                                                   MemoryAccess access) {
    return FlatDevice::Create({.registers_address = 0x40000000,
                               .memory_address = kFlatMemory,
                               .block = {.access = access}},
                              {memory_.data(), memory_.size()},
                              {.mmio = &host_.space(),
                               .mapper = mapper,
                               .irq = &host_.pulse(),
                               .events = &events_});
  }

  mock::Host host_;
  Slots slots_;
  Warnings events_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(kSize);
};

// Where nothing is mapped each write traps.
TEST_F(RefusedWritesTest, PciWithoutAMapper) {
  PciGuest guest(host_, {.access = MemoryAccess::kReadOnly}, PciHost(nullptr));
  guest.Enumerate();
  EXPECT_EQ(guest.pci().refused_memory_writes(), 0u);
  host_.space().Write32(PciGuest::kBar2, 1);
  host_.space().Write<uint8_t>(PciGuest::kBar2 + 7, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 2u);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0u);
  EXPECT_EQ(guest.shared().data[7], 0);
  // Other BARs are none of its business.
  guest.Write(kMaskOffset, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 2u);
}

TEST_F(RefusedWritesTest, FlatWithoutAMapper) {
  const auto flat = *Flat(nullptr, MemoryAccess::kReadOnly);
  EXPECT_EQ(flat->refused_memory_writes(), 0u);
  host_.space().Write32(kFlatMemory + 4, 1);
  host_.space().Write32(0x40000000, 1);
  EXPECT_EQ(flat->refused_memory_writes(), 1u);
  EXPECT_EQ(memory_, std::vector<uint8_t>(kSize));
}

// What may be written is no write that was refused.
TEST_F(RefusedWritesTest, NotOfMemoryThatMayBeWritten) {
  PciGuest guest(host_, {}, PciHost(nullptr));
  guest.Enumerate();
  host_.space().Write32(PciGuest::kBar2, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 0u);
  EXPECT_EQ(guest.shared().data[0], 1);
  const auto flat = *Flat(nullptr, MemoryAccess::kReadWrite);
  host_.space().Write32(kFlatMemory, 1);
  EXPECT_EQ(flat->refused_memory_writes(), 0u);
  EXPECT_EQ(memory_[0], 1);
}

// Memory is mapped, and writes that the mapping refuses trap: they come to the
// device, where the guest has put the BAR now, and nowhere else.
TEST_F(RefusedWritesTest, PciMappedWhereWritesTrap) {
  PciGuest guest(host_, {.access = MemoryAccess::kReadOnly}, PciHost(&slots_));
  guest.Enumerate();
  EXPECT_EQ(slots_.mapped, 1);
  EXPECT_EQ(slots_.mapped_at, PciGuest::kBar2);
  host_.space().Write32(PciGuest::kBar2 + PciGuest::kMemorySize - 4, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 1u);

  constexpr uint64_t kElsewhere = 0x900000000;
  guest.SetConfig(pci::kBar0 + 12, 4, kElsewhere >> 32);
  host_.space().Write32(PciGuest::kBar2, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 1u);
  EXPECT_EQ(host_.space().counts().unclaimed, 1u);
  host_.space().Write32(kElsewhere, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 2u);

  guest.SetCommand(0);
  EXPECT_EQ(slots_.mapped, 0);
  host_.space().Write32(kElsewhere, 1);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 2u);
  EXPECT_EQ(guest.shared().data[0], 0);
}

TEST_F(RefusedWritesTest, FlatMappedWhereWritesTrap) {
  auto flat = *Flat(&slots_, MemoryAccess::kReadOnly);
  EXPECT_EQ(slots_.mapped_at, kFlatMemory);
  host_.space().Write32(kFlatMemory + kSize - 4, 1);
  EXPECT_EQ(flat->refused_memory_writes(), 1u);
  EXPECT_EQ(memory_, std::vector<uint8_t>(kSize));
  flat = nullptr;
  EXPECT_EQ(slots_.mapped, 0);
  host_.space().Write32(kFlatMemory, 1);
  EXPECT_EQ(host_.space().counts().unclaimed, 1u);
}

// The range is claimed for nothing else: not for memory that may be written,
// not where the hypervisor drops such writes by itself.
TEST_F(RefusedWritesTest, ClaimsNothingMore) {
  const auto writable = *Flat(&slots_, MemoryAccess::kReadWrite);
  EXPECT_EQ(host_.space().Read32(kFlatMemory), 0xffffffffu);
  PciGuest guest(host_, {}, PciHost(&slots_));
  guest.Enumerate();
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0xffffffffu);
  guest.SetCommand(0);

  slots_.refused = MemoryMapper::RefusedWrites::kDropped;
  PciGuest other(host_, {.access = MemoryAccess::kReadOnly}, PciHost(&slots_));
  other.Enumerate();
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0xffffffffu);
}

// An embedder that dispatches by itself hands in what its vCPUs exit with.
TEST_F(RefusedWritesTest, EmbedderDispatches) {
  PciDevice::Host host = PciHost(&slots_);
  host.mmio = nullptr;
  PciGuest guest(host_, {.access = MemoryAccess::kReadOnly}, host);
  guest.Enumerate();
  EXPECT_EQ(slots_.mapped, 1);
  const uint8_t bytes[4] = {1, 2, 3, 4};
  guest.pci().bar(PciDevice::kMemoryBar).Write(0, bytes);
  EXPECT_EQ(guest.pci().refused_memory_writes(), 1u);
}

// A range that cannot be had is no reason to show no memory. The embedder hears
// of it.
TEST_F(RefusedWritesTest, RangeThatCannotBeHad) {
  mock::AddressSpace& space = host_.space();
  uint8_t bytes[16];
  const RegistrationPtr taken = *space.Map(
      kFlatMemory + 0x10, {bytes, sizeof(bytes)}, MemoryAccess::kReadWrite);
  const auto flat = Flat(&slots_, MemoryAccess::kReadOnly);
  ASSERT_TRUE(flat.ok()) << flat.status();
  EXPECT_EQ(slots_.mapped, 1);
  EXPECT_THAT(events_.last, HasSubstr("not counted"));
  EXPECT_THAT(events_.last, HasSubstr("overlaps"));
  EXPECT_EQ(events_.address, kFlatMemory);
}

// What cannot be mapped is an error as before, and claims nothing.
TEST_F(RefusedWritesTest, MemoryThatCannotBeMapped) {
  slots_.result = absl::ResourceExhaustedError("no slot");
  EXPECT_EQ(Flat(&slots_, MemoryAccess::kReadOnly).status(), slots_.result);
  host_.space().Write32(kFlatMemory, 1);
  EXPECT_EQ(host_.space().counts().unclaimed, 1u);
}

}  // namespace
}  // namespace ivshmem
