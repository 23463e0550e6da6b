// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "proto/config.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/doorbell.h"
#include "core/limits.h"
#include "device/memory_state.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr char kRegion[] = "regions { name: 'shared' size: 1048576 }";

// What is wrong with the devices, given one region.
std::string ErrorOf(const std::string& devices) {
  const auto world = ParseWorld(std::string(kRegion) + devices);
  EXPECT_FALSE(world.ok()) << devices;
  if (world.ok()) return "";
  EXPECT_EQ(world.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(world.status().message());
}

WorldConfig Parsed(const std::string& devices) {
  auto world = ParseWorld(std::string(kRegion) + devices);
  EXPECT_TRUE(world.ok()) << world.status();
  return world.ok() ? *std::move(world) : WorldConfig{};
}

// Regions by name and size, devices with dialect, bus, vectors, ids and BAR
// placement.
TEST(ConfigTest, ReadsAWorldWithBothBuses) {
  const WorldConfig world = Parsed(R"pb(
    devices {
      name: "pc"
      region: "shared"
      id: 3
      pci {
        slot: 4
        dialect: QEMU
        vectors: 2
        bar0: 0xfe000000
        bar2: 0x8000000000
        subsystem_id: 0x1234
      }
    }
    devices {
      name: "board"
      region: "shared"
      size: 1048576
      read_only: true
      flat {
        registers_address: 0x40000000
        memory_address: 0x60000000
        irq: 3
        vectors: 5
      }
    })pb");
  ASSERT_EQ(world.regions.size(), 1u);
  EXPECT_EQ(world.regions[0].name, "shared");
  EXPECT_EQ(world.regions[0].size, 1048576u);
  ASSERT_EQ(world.devices.size(), 2u);

  EXPECT_EQ(world.devices[0].name, "pc");
  EXPECT_EQ(world.devices[0].size, 1048576u);
  EXPECT_EQ(world.devices[0].id, 3);
  const auto& pci = std::get<PciDeviceConfig>(world.devices[0].bus);
  EXPECT_EQ(pci.slot, 4);
  EXPECT_EQ(pci.function, 0);
  EXPECT_EQ(pci.device.dialect.name, "qemu");
  EXPECT_EQ(pci.device.interrupts, InterruptMode::kMsix);
  EXPECT_EQ(pci.device.vectors, 2);
  EXPECT_EQ(pci.device.bar_addresses[0], 0xfe000000u);
  EXPECT_FALSE(pci.device.bar_addresses[1].has_value());
  EXPECT_EQ(pci.device.bar_addresses[2], 0x8000000000u);
  EXPECT_EQ(pci.device.subsystem_id, 0x1234);
  EXPECT_FALSE(pci.device.subsystem_vendor_id.has_value());
  EXPECT_FALSE(pci.device.multi_function);
  EXPECT_EQ(pci.device.access, MemoryAccess::kReadWrite);

  EXPECT_FALSE(world.devices[1].id.has_value());
  const auto& flat = std::get<FlatDeviceConfig>(world.devices[1].bus);
  EXPECT_EQ(flat.irq, 3u);
  EXPECT_EQ(flat.device.registers_address, 0x40000000u);
  EXPECT_EQ(flat.device.memory_address, 0x60000000u);
  EXPECT_EQ(flat.device.block.vectors, 5);
  EXPECT_EQ(flat.device.block.access, MemoryAccess::kReadOnly);
}

// Limits are a device's on either bus. What is not given is no limit; an empty
// list is one on which nobody is.
TEST(ConfigTest, Limits) {
  const WorldConfig world = Parsed(R"pb(
    devices {
      name: "a"
      region: "shared"
      pci { slot: 1 }
      limits {
        rings { per_second: 1000 burst: 50 }
        interrupts { per_second: 7 }
        may_ring {
          doorbells { peer: 65535 }
          doorbells { peer: 0 vector: 2047 }
          doorbells { vector: 0 }
        }
      }
    }
    devices {
      name: "b"
      region: "shared"
      flat {}
      limits { may_ring {} }
    }
    devices {
      name: "c"
      region: "shared"
      flat {}
    })pb");
  ASSERT_EQ(world.devices.size(), 3u);
  const Limits expected = {
      .rings = {.per_second = 1000, .burst = 50},
      .interrupts = {.per_second = 7, .burst = 1},
      .may_ring = {
          {{.peer = 65535}, {.peer = 0, .vector = 2047}, {.vector = 0}}}};
  EXPECT_EQ(std::get<PciDeviceConfig>(world.devices[0].bus).device.limits,
            expected);
  EXPECT_EQ(
      std::get<FlatDeviceConfig>(world.devices[1].bus).device.block.limits,
      Limits{.may_ring = std::vector<AllowedRings>()});
  EXPECT_EQ(
      std::get<FlatDeviceConfig>(world.devices[2].bus).device.block.limits,
      Limits{});
}

// Who carries the memory's content: on either bus, and by default as the id
// says. The owner has id 0, also where none is given.
TEST(ConfigTest, Roles) {
  const WorldConfig world = Parsed(R"pb(
    devices {
      name: "a"
      region: "shared"
      role: OWNER
      pci { slot: 1 }
    }
    devices {
      name: "b"
      region: "shared"
      role: PEER
      pci { slot: 2 }
    }
    devices {
      name: "c"
      region: "shared"
      id: 7
      role: AUTO
      pci { slot: 3 }
    }
    devices {
      name: "d"
      region: "shared"
      id: 1
      role: PEER
      flat {}
    }
    devices {
      name: "e"
      region: "shared"
      flat {}
    })pb");
  ASSERT_EQ(world.devices.size(), 5u);
  const auto role = [&](size_t i) {
    const auto* pci = std::get_if<PciDeviceConfig>(&world.devices[i].bus);
    return pci != nullptr
               ? pci->device.role
               : std::get<FlatDeviceConfig>(world.devices[i].bus).device.role;
  };
  const MemoryRole expected[] = {MemoryRole::kOwner, MemoryRole::kPeer,
                                 MemoryRole::kAuto, MemoryRole::kPeer,
                                 MemoryRole::kAuto};
  const std::optional<PeerId> ids[] = {0, std::nullopt, 7, 1, std::nullopt};
  for (size_t i = 0; i < world.devices.size(); ++i) {
    EXPECT_EQ(role(i), expected[i]) << i;
    EXPECT_EQ(world.devices[i].id, ids[i]) << i;
  }
  const WorldConfig flat = Parsed(
      "devices { name: 'a' region: 'shared' id: 0 role: OWNER flat {} }");
  ASSERT_EQ(flat.devices.size(), 1u);
  EXPECT_EQ(std::get<FlatDeviceConfig>(flat.devices[0].bus).device.role,
            MemoryRole::kOwner);
  EXPECT_EQ(flat.devices[0].id, 0);
}

TEST(ConfigTest, RoleErrors) {
  const std::string device = "devices { name: 'a' region: 'shared' pci {} ";
  EXPECT_EQ(
      ErrorOf(device + "id: 3 role: OWNER }"),
      "devices[0].role: expected peer or auto of the device with id 3, as "
      "the memory's owner has id 0, got owner");
  EXPECT_EQ(ErrorOf(device + "role: 3 }"),
            "devices[0].role: expected AUTO, OWNER or PEER, got 3");
  EXPECT_THAT(ErrorOf(device + "role: MASTER }"), HasSubstr("MASTER"));
  // A region has one owner, and nobody else has its id.
  const std::string twice =
      "devices[1].id: expected one of its own in region 'shared' (the memory's "
      "owner has 0), got 0 twice";
  EXPECT_EQ(ErrorOf(device + "role: OWNER }"
                             "devices { name: 'b' region: 'shared' flat {} "
                             "role: OWNER }"),
            twice);
  EXPECT_EQ(ErrorOf(device + "id: 0 }"
                             "devices { name: 'b' region: 'shared' flat {} "
                             "role: OWNER }"),
            twice);
  EXPECT_EQ(ErrorOf(device + "role: OWNER }"
                             "devices { name: 'b' region: 'shared' flat {} "
                             "id: 0 }"),
            twice);
  EXPECT_TRUE(ParseWorld(std::string(kRegion) +
                         "regions { name: 'other' size: 16 }" + device +
                         "role: OWNER }"
                         "devices { name: 'b' region: 'other' flat {} "
                         "role: OWNER }")
                  .ok());
}

TEST(ConfigTest, LimitsOutOfRange) {
  const std::string device = "devices { name: 'a' region: 'shared' pci {} ";
  const std::pair<const char*, const char*> cases[] = {
      {"rings {}",
       "devices[0].limits.rings.per_second: expected 1..1000000, got 0"},
      {"rings { per_second: 1000001 }",
       "devices[0].limits.rings.per_second: expected 0..1000000, got 1000001"},
      {"interrupts { per_second: 1 burst: 0 }",
       "devices[0].limits.interrupts.burst: expected 1..1000000, got 0"},
      {"interrupts { burst: 4 }",
       "devices[0].limits.interrupts.per_second: expected 1..1000000, got 0"},
      {"may_ring { doorbells {} doorbells { peer: 65536 } }",
       "devices[0].limits.may_ring.doorbells[1].peer: expected 0..65535, got "
       "65536"},
      {"may_ring { doorbells { vector: 2048 } }",
       "devices[0].limits.may_ring.doorbells[0].vector: expected 0..2047, got "
       "2048"},
  };
  for (const auto& [limits, error] : cases) {
    EXPECT_EQ(ErrorOf(device + "limits { " + limits + " } }"), error);
  }
}

// The multi-function bit tells a guest to look for further functions: it is set
// where there are some, and on ACRN's function 0 always.
TEST(ConfigTest, MultiFunctionFollowsFromTheNeighbours) {
  const WorldConfig world = Parsed(R"pb(
    devices {
      name: "a"
      region: "shared"
      pci { slot: 1 }
    }
    devices {
      name: "b"
      region: "shared"
      pci { slot: 1 function: 1 }
    }
    devices {
      name: "c"
      region: "shared"
      pci { slot: 2 }
    }
    devices {
      name: "d"
      region: "shared"
      pci { slot: 3 dialect: ACRN }
    }
    devices {
      name: "e"
      region: "shared"
      pci { slot: 4 multi_function: true }
    }
    devices {
      name: "f"
      region: "shared"
      pci { slot: 5 dialect: ACRN multi_function: false }
    })pb");
  std::string bits;
  for (const DeviceConfig& device : world.devices) {
    bits +=
        std::get<PciDeviceConfig>(device.bus).device.multi_function ? '1' : '0';
  }
  EXPECT_EQ(bits, "110110");
}

TEST(ConfigTest, EachErrorNamesFieldExpectationAndValue) {
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'other' pci {} }"),
            "devices[0].region: expected one of [shared], got 'other'");
  EXPECT_EQ(ErrorOf("devices { name: 'a' pci {} }"),
            "devices[0].region: expected one of [shared], got ''");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' size: 4096 pci {} }"),
            "devices[0].size: expected 1048576, the size of region 'shared', "
            "got 4096");
  EXPECT_EQ(ErrorOf("devices { region: 'shared' pci {} }"),
            "devices[0].name: expected a name, got none");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' }"),
            "devices[0].bus: expected pci or flat, got neither");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' id: 65536 pci {} }"),
            "devices[0].id: expected 0..65535, got 65536");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' pci { slot: 32 } }"),
            "devices[0].pci.slot: expected 0..31, got 32");
  EXPECT_EQ(
      ErrorOf("devices { name: 'a' region: 'shared' pci { function: 8 } }"),
      "devices[0].pci.function: expected 0..7, got 8");
  EXPECT_EQ(
      ErrorOf("devices { name: 'a' region: 'shared' pci { vectors: 2049 } }"),
      "devices[0].pci.vectors: expected 0..2048, got 2049");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' "
                    "pci { subsystem_id: 65536 } }"),
            "devices[0].pci.subsystem_id: expected 0..65535, got 65536");
  EXPECT_EQ(
      ErrorOf("devices { name: 'a' region: 'shared' flat { vectors: 65 } }"),
      "devices[0].flat.vectors: expected 0..64, got 65");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' pci {} }"
                    "devices { name: 'a' region: 'shared' pci { slot: 1 } }"),
            "devices[1].name: expected a name of its own, got 'a' twice");
  EXPECT_EQ(ErrorOf("devices { name: 'a' region: 'shared' pci {} }"
                    "devices { name: 'b' region: 'shared' pci {} }"),
            "devices[1].pci: expected a slot and function of its own, got 0.0 "
            "twice");
  EXPECT_EQ(
      ErrorOf("devices { name: 'a' region: 'shared' id: 1 pci {} }"
              "devices { name: 'b' region: 'shared' id: 1 pci { slot: 1 } }"),
      "devices[1].id: expected one of its own in region 'shared' (the memory's "
      "owner has 0), got 1 twice");
}

TEST(ConfigTest, RegionErrors) {
  EXPECT_EQ(ParseWorld("regions { size: 1 }").status().message(),
            "regions[0].name: expected a name, got none");
  EXPECT_EQ(ParseWorld("regions { name: 'a' }").status().message(),
            "regions[0].size: expected one byte at least, got 0");
  EXPECT_EQ(ParseWorld("regions { name: 'a' size: 1 }"
                       "regions { name: 'a' size: 1 }")
                .status()
                .message(),
            "regions[1].name: expected a name of its own, got 'a' twice");
  // A BAR's size is a power of two; the flat device takes any.
  EXPECT_EQ(ParseWorld("regions { name: 'a' size: 5000 }"
                       "devices { name: 'd' region: 'a' pci {} }")
                .status()
                .message(),
            "devices[0].region: expected a region whose size is a power of "
            "two, as a BAR's is, got 'a' of 5000 bytes");
  EXPECT_TRUE(ParseWorld("regions { name: 'a' size: 5000 }"
                         "devices { name: 'd' region: 'a' flat {} }")
                  .ok());
}

TEST(ConfigTest, TextErrorsNameThePlace) {
  EXPECT_THAT(ParseWorld("regions {\n  nam: 'a' }").status().message(),
              HasSubstr("line 2, column 6: "));
  EXPECT_THAT(ParseWorld("regions { name: 'a'").status().message(),
              HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("devices { name: 'a' region: 'shared' pci { dialect: V9 "
                      "} }"),
              HasSubstr("V9"));
}

TEST(ConfigTest, NothingIsAWorldWithoutDevices) {
  const auto world = ParseWorld("");
  ASSERT_TRUE(world.ok());
  EXPECT_TRUE(world->regions.empty());
  EXPECT_TRUE(world->devices.empty());
}

}  // namespace
}  // namespace ivshmem
