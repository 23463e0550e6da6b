// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/flat_device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/mock/host.h"
#include "core/switchboard.h"
#include "device/pci_guest.h"
#include "device/trapped_rings.h"
#include "gmock/gmock.h"

namespace ivshmem {
namespace {

using mock::Operation;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;

constexpr uint64_t kRegisters = 0x40000000;
constexpr uint64_t kMemory = 0x60000000;

class FlatDeviceTest : public ::testing::Test {
 protected:
  FlatDevice::Host Plain() {
    return {.mmio = &host_.space(),
            .mapper = &host_.space(),
            .irq = &host_.pulse(),
            .events = &events_};
  }

  std::unique_ptr<FlatDevice> Make(const FlatDevice::Host& host,
                                   std::optional<PeerId> id = 1) {
    auto device = FlatDevice::Create({.registers_address = kRegisters,
                                      .memory_address = kMemory,
                                      .block = {.id = id}},
                                     shared(), host);
    EXPECT_TRUE(device.ok()) << device.status();
    return device.ok() ? *std::move(device) : nullptr;
  }

  std::string CreateError(const FlatDevice::Config& config,
                          const SharedMemory& memory) {
    const auto device = FlatDevice::Create(config, memory, Plain());
    EXPECT_FALSE(device.ok());
    return std::string(device.status().message());
  }

  static void Connect(FlatDevice& device, PeerId peer, mock::Host& host) {
    const auto notifier = std::make_shared<mock::EventNotifier>(
        host.events(), host.events().Create());
    EXPECT_TRUE(device.device().peers().Connect(peer, 0, notifier).ok());
  }

  SharedMemory shared() { return {memory_.data(), memory_.size()}; }

  mock::Host host_;
  EventRecorder events_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(0x5000);
};

// QEMU's flat device: 16 bytes of registers. Mask and Status read 0 and ignore
// writes, IVPosition is the id, the doorbell is write-only.
// Differs: flat-registers, position-acrn-flat
TEST_F(FlatDeviceTest, Registers) {
  const auto device = Make(Plain());
  for (uint64_t offset : {kMaskOffset, kStatusOffset, kDoorbellOffset}) {
    host_.space().Write32(kRegisters + offset, 0xffffffff);
    EXPECT_EQ(host_.space().Read32(kRegisters + offset), 0u) << offset;
  }
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 1u);
  EXPECT_EQ(host_.space().Read32(kRegisters + 16), 0xffffffffu)
      << "nothing is behind the block";
}

// Any size of memory is shown: no BAR rounds it.
TEST_F(FlatDeviceTest, Memory) {
  const auto device = Make(Plain());
  host_.space().Write32(kMemory + 0x4ffc, 0x11223344);
  EXPECT_EQ(memory_[0x4fff], 0x11);
  EXPECT_EQ(host_.space().Read32(kMemory + 0x5000), 0xffffffffu);
}

TEST_F(FlatDeviceTest, MemoryWithoutAMapperTraps) {
  FlatDevice::Host host = Plain();
  host.mapper = nullptr;
  const auto device = Make(host);
  host_.space().Write32(kMemory, 0x11223344);
  EXPECT_EQ(memory_[0], 0x44);
  EXPECT_EQ(host_.space().counts().claimed, 1u);
}

// "its IRQ line is pulsed for every vector".
// Differs: flat-registers
TEST_F(FlatDeviceTest, EveryVectorPulsesTheLine) {
  const auto device = Make(Plain());
  device->device().OnPeerInterrupt(0);
  device->device().OnPeerInterrupt(1);
  EXPECT_EQ(host_.pulse().count(), 2u);
  EXPECT_EQ(device->device().OnPeerInterrupt(2),
            InterruptResult::kNoSuchVector);
}

// Absent line: notifications off both ways, with a warning.
TEST_F(FlatDeviceTest, NoLineMeansNoNotifications) {
  FlatDevice::Host host = Plain();
  host.irq = nullptr;
  const auto device = Make(host);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 1);
  host_.space().Write32(kRegisters + kDoorbellOffset, Doorbell{1, 0}.Encode());
  EXPECT_EQ(device->device().count(RingResult::kNotConfigured), 1u);
  EXPECT_EQ(device->device().OnPeerInterrupt(0),
            InterruptResult::kNotConfigured);
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 1u);
}

// The main job: a PCI device and a flat one, joined by a switchboard.
// Clause: doorbell-fields
TEST_F(FlatDeviceTest, RingsAPciDeviceAndIsRung) {
  const auto flat = Make(Plain(), std::nullopt);
  mock::Host pc_host;
  PciGuest pc(pc_host, {}, {.mmio = &pc_host.space(), .msi = &pc_host.msi()});
  Switchboard switchboard;
  ASSERT_TRUE(switchboard.AddRegion("r", shared()).ok());
  auto pc_port = switchboard.Bind("r", memory_.size(), pc.device());
  auto flat_port = switchboard.Bind("r", memory_.size(), flat->device());
  ASSERT_TRUE(pc_port.ok() && flat_port.ok());
  pc.Enumerate();
  pc.EnableMsix();
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 1u);
  host_.space().Write32(kRegisters + kDoorbellOffset, Doorbell{0, 0}.Encode());
  EXPECT_EQ(pc_host.msi().count(), 1u);
  pc.Ring(1, 1);
  EXPECT_EQ(host_.pulse().count(), 1u);
}

// The flat doorbell takes the short cut as BAR0's does.
TEST_F(FlatDeviceTest, DoorbellShortcut) {
  FlatDevice::Host host = Plain();
  host.doorbells = &host_.accelerator();
  const auto device = Make(host);
  const EventHandle event = host_.events().Create();
  ASSERT_TRUE(
      device->device()
          .peers()
          .Connect(4, 0,
                   std::make_shared<mock::EventNotifier>(host_.events(), event))
          .ok());
  host_.space().Write32(kRegisters + kDoorbellOffset, Doorbell{4, 0}.Encode());
  EXPECT_EQ(host_.events().count(event), 1u);
  EXPECT_EQ(device->device().count(RingResult::kDelivered), 0u);
}

TEST_F(FlatDeviceTest, CreateErrorsNameTheField) {
  EXPECT_EQ(CreateError({}, {}), "memory: expected some, got none");
  EXPECT_EQ(CreateError({.registers_address = 2}, shared()),
            "registers_address: expected a multiple of 4, got 0x2");
  EXPECT_EQ(CreateError({.memory_address = ~uint64_t{3}}, shared()),
            "memory_address: expected room for 20480 bytes below 2^64, got "
            "0xfffffffffffffffc");
  EXPECT_EQ(CreateError({.block = {.vectors = 65}}, shared()),
            "vectors: expected 1..64, got 65");
  host_.faults().FailNth(Operation::kMap, 1, absl::InternalError("no slot"));
  EXPECT_EQ(
      CreateError({.registers_address = kRegisters, .memory_address = kMemory},
                  shared()),
      "no slot");
  EXPECT_EQ(host_.space().Read32(kRegisters), 0xffffffffu)
      << "nothing is left claimed";
}

// Registers and memory may end with the last address there is.
TEST_F(FlatDeviceTest, TheLastAddresses) {
  const uint64_t last = ~uint64_t{0};
  EXPECT_TRUE(FlatDevice::Create({.registers_address = last - 15,
                                  .memory_address = last - 0x4fff},
                                 shared(), {})
                  .ok());
  EXPECT_EQ(CreateError({.registers_address = last - 11}, shared()),
            "registers_address: expected room for 16 bytes below 2^64, got "
            "0xfffffffffffffff4");
}

// Memory is an address and a byte at least.
TEST_F(FlatDeviceTest, AByteOfMemoryIsEnough) {
  EXPECT_EQ(CreateError({}, {memory_.data(), 0}),
            "memory: expected some, got none");
  EXPECT_EQ(CreateError({}, {nullptr, 1}), "memory: expected some, got none");
  EXPECT_TRUE(FlatDevice::Create({}, {memory_.data(), 1}, {}).ok());
}

// Wherever it is to be, empty memory is an error of the memory, not of its
// address, and the host hears nothing: not even that there is no line.
TEST_F(FlatDeviceTest, EmptyMemoryHasNoAddress) {
  FlatDevice::Host host = Plain();
  host.irq = nullptr;
  FlatDeviceState saved = Make(Plain())->Save();
  saved.memory.size = 0;
  host_.log().Take();
  for (const uint64_t address : {uint64_t{4}, kMemory, ~uint64_t{3}}) {
    const FlatDevice::Config config = {.registers_address = kRegisters,
                                       .memory_address = address};
    saved.memory_address = address;
    for (uint8_t* const data :
         {memory_.data(), static_cast<uint8_t*>(nullptr)}) {
      EXPECT_EQ(FlatDevice::Create(config, {data, 0}, host).status().message(),
                "memory: expected some, got none");
      EXPECT_EQ(FlatDevice::Restore(config, {data, 0}, host, saved)
                    .status()
                    .message(),
                "memory: expected some, got none");
    }
    // What is wrong with the address is said first.
    EXPECT_EQ(CreateError({.memory_address = address - 1}, {}).substr(0, 42),
              "memory_address: expected a multiple of 4, ");
  }
  EXPECT_THAT(host_.log().Take(), ElementsAre());
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 0);
  EXPECT_EQ(host_.space().Read32(kRegisters), 0xffffffffu);
}

// Without a line no doorbell rings, so the hypervisor rings none either.
TEST_F(FlatDeviceTest, NoLineMeansNoShortcut) {
  FlatDevice::Host host = Plain();
  host.irq = nullptr;
  host.doorbells = &host_.accelerator();
  const auto device = Make(host);
  Connect(*device, 4, host_);
  EXPECT_EQ(host_.accelerator().size(), 0u);
}

// Doorbells take turns where there is room for few, as BAR0's do.
TEST_F(FlatDeviceTest, DoorbellsTakeTurns) {
  mock::Host small({.doorbell_capacity = 1});
  FlatDevice::Host host = Plain();
  host.doorbells = &small.accelerator();
  const auto device = Make(host);
  Connect(*device, 4, small);
  Connect(*device, 5, small);
  small.log().Take();
  for (uint32_t i = 0; i < TrappedRings::kOften; ++i) {
    device->device().Write(kDoorbellOffset, 4, Doorbell{5, 0}.Encode());
  }
  EXPECT_THAT(small.log().Take(),
              Contains(Field(&mock::Entry::kind, mock::Entry::Kind::kUndone)));
}

// A reset is the device's own: its listener hears of it. The id stays.
TEST_F(FlatDeviceTest, Reset) {
  const auto device = Make(Plain());
  device->Reset();
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kReset), 1);
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 1u);
}

// A state is restored as what it was saved of, with nothing left out.
TEST_F(FlatDeviceTest, RestoreErrorsNameTheField) {
  const FlatDevice::Config config = {.registers_address = kRegisters,
                                     .memory_address = kMemory};
  const FlatDeviceState saved = Make(Plain())->Save();
  const auto error = [&](const FlatDeviceState& state) {
    return std::string(FlatDevice::Restore(config, shared(), Plain(), state)
                           .status()
                           .message());
  };
  EXPECT_EQ(error(saved), "");
  EXPECT_EQ(error({.device = saved.device, .memory = saved.memory}),
            "state.registers_address: expected 0x40000000, as configured, got "
            "0");
  EXPECT_EQ(error({.device = saved.device,
                   .memory = saved.memory,
                   .registers_address = kRegisters}),
            "state.memory_address: expected 0x60000000, as configured, got 0");
}

// "It has the state's id, whatever `config` says; all else has to agree."
TEST_F(FlatDeviceTest, TheIdIsTheStates) {
  const FlatDeviceState saved = Make(Plain(), 5)->Save();
  const FlatDevice::Config config = {.registers_address = kRegisters,
                                     .memory_address = kMemory,
                                     .block = {.id = 3}};
  const auto restored = FlatDevice::Restore(config, shared(), Plain(), saved);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 5u);
  FlatDevice::Host silent = Plain();
  silent.irq = nullptr;
  EXPECT_EQ(
      FlatDevice::Restore(config, shared(), silent, saved).status().message(),
      "state.interrupts: expected none, as configured, got a line");
}

// All is checked before the host hears anything, the configuration as well: not
// even that there is no line.
TEST_F(FlatDeviceTest, NothingIsHeardOfWhatIsRefused) {
  FlatDevice::Host host = Plain();
  host.irq = nullptr;
  const FlatDeviceState saved = Make(host)->Save();
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 1);
  FlatDevice::Config config = {.registers_address = 2};
  FlatDeviceState state = saved;
  state.registers_address = 2;
  state.memory_address = 0;
  EXPECT_EQ(
      FlatDevice::Restore(config, shared(), host, state).status().message(),
      "registers_address: expected a multiple of 4, got 0x2");
  EXPECT_EQ(FlatDevice::Create(config, shared(), host).status().message(),
            "registers_address: expected a multiple of 4, got 0x2");
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 1);
}

}  // namespace
}  // namespace ivshmem
