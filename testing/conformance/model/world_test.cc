// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The model against what was worked out by hand from the specification: each
// step says all that it comes to.

#include "testing/conformance/model/world.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem::conformance {
namespace {

std::multiset<std::string> Lines(const script::Effects& effects) {
  std::multiset<std::string> lines;
  for (const auto& one : effects.rings()) {
    lines.insert(absl::StrCat("ring ", one.ShortDebugString()));
  }
  for (const auto& one : effects.messages()) {
    lines.insert(absl::StrCat("message ", one.ShortDebugString()));
  }
  for (const auto& one : effects.lines()) {
    lines.insert(absl::StrCat("line ", one.ShortDebugString()));
  }
  for (const auto& one : effects.pulses()) {
    lines.insert(absl::StrCat("pulse ", one.ShortDebugString()));
  }
  return lines;
}

// Plays a Script; effects name their devices, and are none where absent. A step
// with `of_bits: 0` must be refused.
void Play(const std::string& text) {
  script::Script script;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &script));
  WorldModel model(script.world());
  for (const script::Step& step : script.steps()) {
    SCOPED_TRACE(step.ShortDebugString());
    const absl::StatusOr<script::Outcome> outcome = model.Do(step);
    if (step.has_of_bits() && step.of_bits() == 0) {
      EXPECT_TRUE(absl::IsInvalidArgument(outcome.status()));
      continue;
    }
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    if (step.has_gives()) {
      EXPECT_EQ(outcome->gives, step.gives());
    }
    EXPECT_EQ(Lines(outcome->effects), Lines(step.effects()));
  }
}

constexpr char kOne[] = R"pb(
  world {
    regions { name: "r" size: 4096 }
    devices {
      name: "d"
      region: "r"
      id: 1
      pci { vectors: 2 bar0: 0x1000 bar1: 0x2000 bar2: 0x10000 }
    }
  }
  steps { write { config: 4 size: 2 value: 6 } }
)pb";

constexpr char kMsixOn[] = R"pb(
  steps { write { msix: 0 value: 0xfee00000 } }
  steps { write { msix: 8 value: 7 } }
  steps { write { config: 0x42 size: 2 value: 0x8000 } }
)pb";

std::string World(const std::string& device) {
  return absl::StrCat(
      "world { regions { name: 'r' size: 4096 } ",
      "devices { name: 'd' region: 'r' id: 3 pci { bar0: 0x1000 bar2: 0x10000 ",
      device, "} } } steps { write { config: 4 size: 2 value: 6 } }");
}

// Mask and Status are read/write and 0 on reset, IVPosition is read-only and
// holds the id, the doorbell reads 0; reading Status clears it.
TEST(ModelRegisters, AreThoseOfTheTable) {
  Play(absl::StrCat(kOne, R"pb(
    steps {
      read { registers: 0 }
      gives: 0
    }
    steps { write { registers: 0 value: 5 } }
    steps {
      read { registers: 0 }
      gives: 5
    }
    steps { write { registers: 4 value: 6 } }
    steps {
      read { registers: 4 }
      gives: 6
    }
    steps {
      read { registers: 4 }
      gives: 0
    }
    steps { write { registers: 8 value: 9 } }
    steps {
      read { registers: 8 }
      gives: 1
    }
    steps {
      read { registers: 12 }
      gives: 0
    }
    steps {
      read { registers: 16 }
      gives: 0
    }
    steps {
      read { registers: 256 }
      gives: 0xffffffff
    }
  )pb"));
}

// A peer that is connected is rung by id << 16 | vector; others are not, and
// neither are vectors that it lacks.
TEST(ModelDoorbell, RingsThoseWhoAreConnected) {
  Play(absl::StrCat(kOne, R"pb(
    steps { write { registers: 12 value: 0x20000 } }
    steps { peer_joins { id: 2 vectors: 2 } }
    steps {
      write { registers: 12 value: 0x20001 }
      effects { rings { peer: 2 vector: 1 } }
    }
    steps { write { registers: 12 value: 0x20002 } }
    steps { write { registers: 12 size: 2 value: 1 } }
    steps { vector_arrives { id: 2 vector: 2 } }
    steps {
      write { registers: 8 size: 8 value: 0x2000200000000 }
      effects { rings { peer: 2 vector: 2 } }
    }
    steps {
      peer_joins { id: 1 }
      of_bits: 0
    }
    steps { peer_leaves { id: 2 } }
    steps {
      peer_leaves { id: 2 }
      of_bits: 0
    }
    steps { write { registers: 12 value: 0x20001 } }
  )pb"));
}

// A device that has lost its link goes on with those that it knew.
TEST(ModelDoorbell, WithoutALinkRingsThoseItKnew) {
  Play(absl::StrCat(kOne, R"pb(
    steps { peer_joins { id: 2 vectors: 1 } }
    steps { link_lost {} }
    steps { peer_joins { id: 3 vectors: 1 } }
    steps { write { registers: 12 value: 0x30000 } }
    steps {
      write { registers: 12 value: 0x20000 }
      effects { rings { peer: 2 } }
    }
    steps { peer_leaves { id: 2 } }
    steps { peer_joins { id: 2 vectors: 1 } }
    steps { write { registers: 12 value: 0x20000 } }
    steps { link_back {} }
    steps {
      write { registers: 12 value: 0x20000 }
      effects { rings { peer: 2 } }
    }
  )pb"));
}

// A masked vector becomes pending; what is pending is sent when it is unmasked.
TEST(ModelMsix, HoldsWhatIsMasked) {
  Play(absl::StrCat(kOne, kMsixOn, R"pb(
    steps { interrupt { vector: 0 } }
    steps {
      read { msix: 0x800 }
      gives: 1
    }
    steps {
      write { msix: 12 value: 0 }
      effects { messages { device: "d" address: 0xfee00000 data: 7 } }
    }
    steps {
      read { msix: 0x800 }
      gives: 0
    }
    steps {
      write { registers: 12 value: 0x10000 }
      effects { messages { device: "d" address: 0xfee00000 data: 7 } }
    }
    steps { write { config: 0x43 size: 1 value: 0xc0 } }
    steps { interrupt { vector: 0 } }
    steps { interrupt { vector: 0 } }
    steps {
      write { config: 0x43 size: 1 value: 0x80 }
      effects { messages { device: "d" address: 0xfee00000 data: 7 } }
    }
    steps { interrupt { vector: 2 } }
  )pb"));
}

// Without the right to master the bus nothing is sent, and it is not lost; with
// MSI-X off it is.
TEST(ModelMsix, WaitsForTheBus) {
  Play(absl::StrCat(kOne, kMsixOn, R"pb(
    steps { write { msix: 12 value: 0 } }
    steps { write { config: 4 size: 2 value: 2 } }
    steps { interrupt { vector: 0 } }
    steps {
      write { config: 4 size: 2 value: 6 }
      effects { messages { device: "d" address: 0xfee00000 data: 7 } }
    }
    steps { write { config: 0x43 size: 1 value: 0 } }
    steps { interrupt { vector: 0 } }
    steps { write { config: 0x43 size: 1 value: 0x80 } }
  )pb"));
}

// Revision 0 asserts INTx while Status AND Mask is not zero and software has
// not disabled it; config space shows what it wants.
TEST(ModelIntx, IsStatusAndMask) {
  Play(absl::StrCat(World("dialect: REV0 interrupts: INTX"), R"pb(
    steps {
      read { config: 0x3d size: 1 }
      gives: 1
    }
    steps { interrupt { vector: 9 } }
    steps {
      write { registers: 0 value: 1 }
      effects { lines { device: "d" asserted: true } }
    }
    steps {
      write { config: 4 size: 2 value: 0x402 }
      effects { lines { device: "d" asserted: false } }
    }
    steps {
      read { config: 6 size: 2 }
      gives: 8
    }
    steps {
      write { config: 4 size: 2 value: 2 }
      effects { lines { device: "d" asserted: true } }
    }
    steps {
      read { registers: 4 }
      gives: 1
      effects { lines { device: "d" asserted: false } }
    }
    steps { set_id {} }
    steps {
      read { registers: 8 }
      gives: 0xffffffff
    }
  )pb"));
}

// Not configured for interrupts: IVPosition is 0 and the doorbell is ignored.
TEST(ModelRegisters, OfAPlainDevice) {
  Play(absl::StrCat(World("interrupts: NONE"), R"pb(
    steps {
      read { registers: 8 }
      gives: 0
    }
    steps { peer_joins { id: 2 vectors: 1 } }
    steps { write { registers: 12 value: 0x20000 } }
    steps {
      read { config: 0x14 }
      gives: 0
    }
    steps {
      read { config: 0x34 }
      gives: 0
    }
    steps {
      read { msix: 0 }
      gives: 0xffffffff
    }
  )pb"));
}

// ACRN: Status is not cleared by reading; 8 bytes are no access.
TEST(ModelRegisters, OfAcrn) {
  Play(absl::StrCat(World("dialect: ACRN bar1: 0x2000"), R"pb(
    steps { write { registers: 4 value: 6 } }
    steps {
      read { registers: 4 }
      gives: 6
    }
    steps {
      read { registers: 4 }
      gives: 6
    }
    steps {
      read { registers: 0 size: 8 }
      gives: 0
    }
    steps {
      read { config: 0x2c }
      gives: 0x8086
    }
    steps {
      read { config: 0x0e size: 1 }
      gives: 0x80
    }
    steps {
      read { config: 0x42 size: 2 }
      gives: 7
    }
  )pb"));
}

// QEMU: a byte replaces a register; a byte at 15 of 1 rings vector 1 of peer 0.
TEST(ModelRegisters, OfQemu) {
  Play(absl::StrCat(World("dialect: QEMU bar1: 0x2000"), R"pb(
    steps { peer_joins { id: 0 vectors: 2 } }
    steps {
      write { registers: 15 size: 1 value: 1 }
      effects { rings { vector: 1 } }
    }
    steps { write { registers: 0 value: 0x12345678 } }
    steps {
      read { registers: 0 size: 2 }
      gives: 0x5678
    }
    steps {
      read { registers: 1 size: 1 }
      gives: 0
    }
    steps { write { registers: 3 size: 1 value: 0x88 } }
    steps {
      read { registers: 0 }
      gives: 0x88
    }
    steps { write { registers: 1 value: 0x04030201 } }
    steps {
      read { registers: 0 size: 8 }
      gives: 0x400000302
    }
  )pb"));
}

// PCI: software writes ones to a BAR and reads its size; the place of a device
// moves with it; what is not decoded is not there.
TEST(ModelConfig, SizesAndMovesBars) {
  Play(absl::StrCat(kOne, R"pb(
    steps {
      read { config: 0 }
      gives: 0x11101af4
    }
    steps {
      read { config: 8 }
      gives: 0x05000001
    }
    steps { write { config: 0 value: 0 } }
    steps { write { config: 0x10 value: 0xffffffff } }
    steps {
      read { config: 0x10 }
      gives: 0xffffff00
    }
    steps {
      read { registers: 8 }
      gives: 0xffffffff
    }
    steps {
      read { address: 0x1008 }
      gives: 0xffffffff
    }
    steps { write { config: 0x10 value: 0x3000 } }
    steps {
      read { address: 0x3008 }
      gives: 1
    }
    steps { write { config: 0x18 size: 8 value: 0xffffffffffffffff } }
    steps {
      read { config: 0x18 size: 8 }
      gives: 0xfffffffffffff00c
    }
    steps { write { config: 0x1c value: 1 } }
    steps { write { config: 0x18 value: 0x5000 } }
    steps { write { memory: 4092 value: 0x01020304 } }
    steps {
      read { address: 0x100005ffe }
      gives: 0xffff0102
    }
    steps {
      load { offset: 4092 size: 4 }
      gives: 0x01020304
    }
    steps {
      read { config: 0xfe }
      gives: 0xffff0000
    }
    steps { write { config: 4 size: 2 value: 0 } }
    steps {
      read { memory: 0 }
      gives: 0xffffffff
    }
  )pb"));
}

// Of two ranges that overlap the one that was there stays.
TEST(ModelConfig, WhoCameFirstStays) {
  Play(absl::StrCat(kOne, R"pb(
    steps { write { config: 0x10 value: 0x10000 } }
    steps { store { offset: 8 size: 4 value: 0x55 } }
    steps {
      read { registers: 8 }
      gives: 0x55
    }
    steps { write { config: 0x18 value: 0x20000 } }
    steps {
      read { registers: 8 }
      gives: 0xffffffff
    }
    steps { write { config: 4 size: 2 value: 0 } }
    steps { write { config: 4 size: 2 value: 2 } }
    steps {
      read { registers: 8 }
      gives: 1
    }
  )pb"));
}

// After reset the registers are 0, BARs are nowhere, vectors masked.
TEST(ModelReset, ForgetsWhatTheGuestDid) {
  Play(absl::StrCat(kOne, kMsixOn, R"pb(
    steps { write { registers: 0 value: 5 } }
    steps { save { name: "s" } }
    steps { reset {} }
    steps {
      read { registers: 0 }
      gives: 0xffffffff
    }
    steps {
      read { config: 0x10 }
      gives: 0
    }
    steps { write { config: 0x10 value: 0x1000 } }
    steps { write { config: 0x14 value: 0x2000 } }
    steps { write { config: 4 size: 2 value: 2 } }
    steps {
      read { registers: 0 }
      gives: 0
    }
    steps {
      read { registers: 8 }
      gives: 1
    }
    steps {
      read { msix: 8 size: 8 }
      gives: 0x100000000
    }
    steps { restore { name: "s" } }
    steps {
      read { registers: 0 }
      gives: 5
    }
    steps {
      read { msix: 8 size: 8 }
      gives: 0x100000007
    }
  )pb"));
}

// Two devices of a region ring each other; the flat one's line is pulsed.
TEST(ModelWorld, DevicesRingEachOther) {
  Play(R"pb(
    world {
      regions { name: "r" size: 4096 }
      devices {
        name: "d"
        region: "r"
        pci { dialect: REV0 interrupts: INTX bar0: 0x1000 }
      }
      devices {
        name: "f"
        region: "r"
        id: 0
        flat { registers_address: 0x1000 memory_address: 0x2000 irq: 1 }
      }
    }
    steps { write { config: 4 size: 2 value: 2 } }
    steps {
      read { registers: 8 }
      gives: 1
    }
    steps {
      write { registers: 12 value: 1 }
      effects { pulses { device: "f" } }
    }
    steps { write { registers: 12 value: 2 } }
    steps { write { registers: 0 value: 1 } }
    steps {
      device: "f"
      write { registers: 12 value: 0x10000 }
      effects { lines { device: "d" asserted: true } }
    }
    steps {
      device: "f"
      read { registers: 8 }
      gives: 0
    }
    steps {
      unplug {}
      effects { lines { device: "d" asserted: false } }
    }
    steps {
      unplug {}
      of_bits: 0
    }
    steps {
      read { config: 0 }
      gives: 0xffffffff
    }
    steps {
      device: "f"
      write { registers: 12 value: 0x10000 }
    }
    steps { plug {} }
    steps {
      device: "f"
      write { registers: 12 value: 0x10000 }
    }
    steps { write { config: 4 size: 2 value: 2 } }
    steps {
      write { registers: 0 value: 1 }
      effects { lines { device: "d" asserted: true } }
    }
  )pb");
}

}  // namespace
}  // namespace ivshmem::conformance
