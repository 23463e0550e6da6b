// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/check.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/text.h"
#include "script/census.h"

namespace ivshmem::script {
namespace {

using ::testing::StartsWith;

constexpr char kWorld[] = R"(
  world {
    regions { name: "r" size: 4096 }
    regions { name: "s" size: 16 }
    devices { name: "a" region: "r" id: 1 pci { slot: 4 } }
    devices { name: "f" region: "r" flat { memory_address: 4096 irq: 1 } }
    devices { name: "b" region: "s" id: 1 pci { slot: 5 } }
  }
)";

// What is wrong with these steps of the world above; empty when nothing is.
std::string Wrong(const std::string& steps) {
  Script script;
  EXPECT_EQ(ParseText(kWorld + steps, script).message(), "");
  const absl::Status status = Check(script);
  EXPECT_TRUE(status.ok() ||
              status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

// Of one step.
std::string WrongStep(const std::string& step) {
  return Wrong("steps { " + step + " }");
}

TEST(CheckTest, TakesWhatIsRight) {
  EXPECT_EQ(Wrong(""), "");
  EXPECT_EQ(WrongStep("read { config: 0 size: 2 } gives: 0xffff"), "");
  EXPECT_EQ(WrongStep("read { registers: 0 } gives: 0xffffffff of_bits: 1"),
            "");
  EXPECT_EQ(WrongStep("device: 'f' write { registers: 12 value: 0x10000 } "
                      "effects { messages { device: 'a' } pulses { } }"),
            "");
  EXPECT_EQ(WrongStep("write { memory: 0 size: 64 value: "
                      "0xffffffffffffffff } effects { lines { } rings { peer: "
                      "65535 vector: 2047 } }"),
            "");
  EXPECT_EQ(WrongStep("device: 'b' load { offset: 8 size: 8 } gives: 1"), "");
}

// The place is named: the step's number, and the field.
TEST(CheckTest, NamesThePlace) {
  EXPECT_EQ(Wrong("steps { reset { } } steps { reset { } } "
                  "steps { write { registers: 0 size: 70 } }"),
            "steps[2].write.size: expected 1..64, got 70");
}

TEST(CheckTest, ChecksTheWorld) {
  Script script;
  ASSERT_TRUE(
      ParseText("world { devices { name: 'a' region: 'x' pci { } } }", script)
          .ok());
  EXPECT_EQ(Check(script).message(),
            "world.devices[0].region: expected one of [], got 'x'");
  // No step without a device.
  script.Clear();
  EXPECT_TRUE(Check(script).ok());
  script.add_steps()->mutable_reset();
  EXPECT_EQ(Check(script).message(),
            "steps[0].device: expected one of [], got ''");
}

TEST(CheckTest, ChecksDevicesAndOperations) {
  EXPECT_EQ(WrongStep("device: 'x' reset { }"),
            "steps[0].device: expected one of [a, f, b], got 'x'");
  EXPECT_EQ(WrongStep(""), "steps[0].operation: expected one, got none");
}

TEST(CheckTest, ChecksAccesses) {
  EXPECT_EQ(WrongStep("read { }"),
            "steps[0].read.place: expected one of [config, registers, msix, "
            "memory, address], got none");
  EXPECT_EQ(WrongStep("device: 'f' read { config: 0 }"),
            "steps[0].read.config: expected a PCI device, got 'f', which is "
            "flat");
  EXPECT_EQ(WrongStep("device: 'f' write { msix: 0 }"),
            "steps[0].write.msix: expected a PCI device, got 'f', which is "
            "flat");
  EXPECT_EQ(WrongStep("read { memory: 0 size: 0 }"),
            "steps[0].read.size: expected 1..64, got 0");
  EXPECT_EQ(WrongStep("write { memory: 0 size: 1 value: 256 }"),
            "steps[0].write.value: expected 1 byte, got 0x100");
  EXPECT_EQ(WrongStep("write { memory: 0 value: 0x100000000 }"),
            "steps[0].write.value: expected 4 bytes, got 0x100000000");
  EXPECT_EQ(WrongStep("read { memory: 0 value: 1 }"),
            "steps[0].read.value: expected 0 bytes, got 0x1");
}

TEST(CheckTest, ChecksStoresAndLoads) {
  EXPECT_EQ(WrongStep("store { offset: 0 size: 3 }"),
            "steps[0].store.size: expected 1, 2, 4 or 8, got 3");
  EXPECT_EQ(WrongStep("load { offset: 4 size: 8 }"),
            "steps[0].load.offset: expected a multiple of 8, got 4");
  EXPECT_EQ(WrongStep("device: 'b' load { offset: 16 size: 1 }"),
            "steps[0].load.offset: expected a place in 16 bytes, got 16");
  EXPECT_EQ(WrongStep("load { offset: 0xfffffffffffffff8 size: 8 }"),
            "steps[0].load.offset: expected a place in 4096 bytes, got "
            "18446744073709551608");
  EXPECT_EQ(WrongStep("store { offset: 0 size: 2 value: 0x10000 }"),
            "steps[0].store.value: expected 2 bytes, got 0x10000");
  EXPECT_EQ(WrongStep("load { offset: 0 size: 2 value: 1 }"),
            "steps[0].load.value: expected 0 bytes, got 0x1");
}

// Ids are of a region; who is there decides which are free.
TEST(CheckTest, ChecksPeers) {
  EXPECT_EQ(WrongStep("peer_joins { id: 1 }"),
            "steps[0].peer_joins.id: expected a free one, got 1, which is in "
            "use");
  // The flat device's, given at the start.
  EXPECT_EQ(WrongStep("peer_joins { id: 0 }"),
            "steps[0].peer_joins.id: expected a free one, got 0, which is in "
            "use");
  EXPECT_EQ(WrongStep("device: 'b' peer_joins { id: 0 }"), "");
  EXPECT_EQ(WrongStep("peer_joins { id: 65536 }"),
            "steps[0].peer_joins.id: expected 0..65535, got 65536");
  EXPECT_EQ(WrongStep("peer_joins { id: 2 vectors: 2049 }"),
            "steps[0].peer_joins.vectors: expected 0..2048, got 2049");
  EXPECT_EQ(WrongStep("vector_arrives { id: 2 vector: 2048 }"),
            "steps[0].vector_arrives.vector: expected 0..2047, got 2048");
  EXPECT_EQ(WrongStep("interrupt { vector: 65536 }"),
            "steps[0].interrupt.vector: expected 0..65535, got 65536");
  const std::string joins = "steps { peer_joins { id: 2 } }";
  EXPECT_EQ(Wrong(joins + joins),
            "steps[1].peer_joins.id: expected a free one, got 2, which is in "
            "use");
  const std::string leaves = "steps { peer_leaves { id: 2 } }";
  EXPECT_EQ(Wrong(joins + leaves + joins), "");
  EXPECT_EQ(Wrong(joins + leaves + leaves),
            "steps[2].peer_leaves.id: expected that of a peer that joined, got "
            "2");
  EXPECT_EQ(Wrong(joins + "steps { vector_arrives { id: 2 } }"), "");
  EXPECT_EQ(Wrong(joins + "steps { device: 'b' vector_arrives { id: 2 } }"),
            "steps[1].vector_arrives.id: expected that of a peer that joined, "
            "got 2");
  EXPECT_EQ(WrongStep("peer_leaves { id: 1 }"),
            "steps[0].peer_leaves.id: expected that of a peer that joined, got "
            "1");
}

TEST(CheckTest, ChecksIds) {
  EXPECT_EQ(WrongStep("set_id { id: 0 }"),
            "steps[0].set_id.id: expected a free one, got 0, which is in use");
  EXPECT_EQ(WrongStep("set_id { id: 1 }"), "");  // Its own.
  EXPECT_EQ(WrongStep("set_id { id: 65536 }"),
            "steps[0].set_id.id: expected 0..65535, got 65536");
  EXPECT_EQ(Wrong("steps { set_id { } } steps { device: 'f' set_id { id: 1 } }"
                  "steps { set_id { id: 0 } } steps { peer_joins { id: 2 } }"),
            "");
}

// A device that is unplugged has no steps but its guest's accesses.
TEST(CheckTest, ChecksWhoIsPluggedIn) {
  const std::string unplug = "steps { unplug { } }";
  const std::string plug = "steps { plug { } }";
  EXPECT_EQ(Wrong(plug),
            "steps[0].plug.device: expected one that is unplugged, got 'a'");
  EXPECT_EQ(Wrong(unplug + unplug),
            "steps[1].unplug.device: expected one that is plugged in, got 'a', "
            "which is unplugged");
  EXPECT_EQ(Wrong(unplug + plug + unplug), "");
  EXPECT_EQ(Wrong(unplug +
                  "steps { read { config: 0 } }"
                  "steps { peer_joins { id: 1 } }" +
                  plug),
            "steps[3].plug.id: expected a free one, got 1, which is in use");
  for (const std::string step :
       {"reset", "interrupt", "set_id", "link_lost", "link_back", "save"}) {
    EXPECT_THAT(Wrong(absl::StrCat(unplug, "steps { ", step, " { } }")),
                StartsWith("steps[1]." + step + ".device: expected one that"));
    EXPECT_EQ(Wrong("steps { " + step + " { } }"), "");
  }
}

TEST(CheckTest, ChecksStates) {
  EXPECT_EQ(WrongStep("restore { name: 'x' }"),
            "steps[0].restore.name: expected that of a state that was saved, "
            "got 'x'");
  EXPECT_EQ(Wrong("steps { save { name: 'x' } } steps { restore { name: 'x' } "
                  "} steps { unplug { } } steps { restore { name: 'x' } }"
                  "steps { reset { } }"),
            "");
  EXPECT_EQ(Wrong("steps { save { name: 'x' } } steps { unplug { } } steps { "
                  "peer_joins { id: 1 } } steps { restore { name: 'x' } }"),
            "steps[3].restore.id: expected a free one, got 1, which is in use");
}

// Few bytes do not make who plays them hold much: names of saved states ...
TEST(CheckTest, ChecksHowManyAreSaved) {
  std::string saves;
  for (size_t i = 0; i < kMostSaves; ++i) {
    absl::StrAppend(&saves, "steps { save { name: '", i, "' } }");
  }
  EXPECT_EQ(Wrong(saves), "");
  EXPECT_EQ(Wrong(saves + "steps { save { name: '7' } }"), "");
  EXPECT_EQ(Wrong(saves + "steps { save { name: 'x' } }"),
            "steps[256].save.name: expected one of 256 at most, got another");
}

// ... devices ...
TEST(CheckTest, ChecksHowManyDevicesThereAre) {
  const auto wrong = [](size_t devices) {
    Script script;
    std::string world = "regions { name: 'r' size: 16 }";
    for (size_t i = 0; i < devices; ++i) {
      absl::StrAppend(&world, "devices { name: '", i,
                      "' region: 'r' flat { memory_address: 4096 } }");
    }
    EXPECT_TRUE(ParseText("world { " + world + " }", script).ok());
    return std::string(Check(script).message());
  };
  EXPECT_EQ(wrong(kMostDevices), "");
  EXPECT_EQ(wrong(kMostDevices + 1),
            "world.devices: expected at most 64, got 65");
}

// ... and who can ring whom. Two devices are in region r, one has 1 vector, the
// other the 2 of a flat one; b has 1.
TEST(CheckTest, ChecksHowManyCanBeRung) {
  constexpr uint64_t kRoom = kMostConnections - 2 * 3 - 1;
  constexpr uint64_t kWhole = kRoom / 2 / 2048;
  std::string joins;
  for (uint64_t i = 0; i < kWhole; ++i) {
    absl::StrAppend(&joins, "steps { peer_joins { id: ", 100 + i,
                    " vectors: 2048 } }");
  }
  const uint64_t left = kRoom / 2 - kWhole * 2048;
  absl::StrAppend(&joins, "steps { peer_joins { id: 99 vectors: ", left,
                  " } }");
  EXPECT_EQ(Wrong(joins), "");
  const std::string one = "steps { peer_joins { id: 98 vectors: 1 } }";
  EXPECT_EQ(Wrong(joins + one),
            absl::StrCat("steps[", kWhole + 1,
                         "].peer_joins.vectors: expected at most 262144 that "
                         "devices can ring, in all, got 262145"));
  EXPECT_EQ(Wrong(joins + "steps { device: 'b' peer_joins { vectors: 1 } }"),
            "");
  EXPECT_EQ(Wrong(joins + "steps { peer_leaves { id: 99 } }" + one), "");
  Script script;
  ASSERT_TRUE(
      ParseText("world { regions { name: 'r' size: 4096 } }", script).ok());
  for (int i = 0; i < 12; ++i) {
    auto& device = *script.mutable_world()->add_devices();
    device.set_name(absl::StrCat(i));
    device.set_region("r");
    device.mutable_pci()->set_slot(i);
    device.mutable_pci()->set_vectors(2048);
  }
  EXPECT_EQ(Check(script).message(),
            "world.vectors: expected at most 262144 that devices can ring, in "
            "all, got 294912");
}

TEST(CheckTest, ChecksOutcomes) {
  EXPECT_EQ(WrongStep("reset { } gives: 1"),
            "steps[0].gives: expected a read or a load, got another operation");
  EXPECT_EQ(WrongStep("read { config: 0 } of_bits: 1"),
            "steps[0].of_bits: expected gives, got none");
  EXPECT_EQ(WrongStep("read { config: 0 size: 2 } gives: 0x10000"),
            "steps[0].gives: expected 2 bytes, got 0x10000");
  EXPECT_EQ(WrongStep("load { size: 1 } gives: 0x100"),
            "steps[0].gives: expected 1 byte, got 0x100");
  EXPECT_EQ(WrongStep("reset { } effects { rings { peer: 65536 } }"),
            "steps[0].effects.rings[0].peer: expected 0..65535, got 65536");
  EXPECT_EQ(WrongStep("reset { } effects { rings { } rings { vector: 2048 } }"),
            "steps[0].effects.rings[1].vector: expected 0..2047, got 2048");
  EXPECT_EQ(WrongStep("reset { } effects { messages { device: 'x' } }"),
            "steps[0].effects.messages[0].device: expected one of [a, f, b], "
            "got 'x'");
  EXPECT_EQ(WrongStep("device: 'f' reset { } effects { messages { } }"),
            "steps[0].effects.messages[0].device: expected a PCI device, got "
            "'f'");
  EXPECT_EQ(WrongStep("reset { } effects { lines { device: 'f' } }"),
            "steps[0].effects.lines[0].device: expected a PCI device, got 'f'");
  EXPECT_EQ(WrongStep("reset { } effects { pulses { } }"),
            "steps[0].effects.pulses[0].device: expected a flat device, got "
            "'a'");
}

}  // namespace
}  // namespace ivshmem::script
