// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/library_subject.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "proto/text.h"

namespace ivshmem::script {
namespace {

using ::testing::HasSubstr;

constexpr char kWorld[] = R"(
  regions { name: "r" size: 4096 }
  devices { name: "a" region: "r" id: 1
            pci { slot: 4 vectors: 2 bar0: 0xfe000000 bar1: 0xfe010000
                  bar2: 0x800000000 } }
  devices { name: "f" region: "r"
            flat { registers_address: 0x40000000 memory_address: 0x60000000
                   irq: 5 } }
  devices { name: "old" region: "r"
            pci { slot: 5 dialect: REV0 interrupts: INTX bar0: 0xfe000000 } }
)";

// A world, and its steps one by one.
class LibrarySubjectTest : public ::testing::TestWithParam<Acceleration> {
 protected:
  LibrarySubjectTest() {
    config::World world;
    EXPECT_TRUE(ParseText(kWorld, world).ok());
    auto made = MakeLibrarySubject(world, GetParam());
    EXPECT_TRUE(made.ok()) << made.status();
    subject_ = *std::move(made);
  }

  absl::StatusOr<Outcome> Try(const std::string& text) {
    Step step;
    EXPECT_EQ(ParseText(text, step).message(), "");
    return subject_->Do(step);
  }

  // What the step gives and its effects, as short text.
  std::string Do(const std::string& text) {
    const auto outcome = Try(text);
    if (!outcome.ok()) return std::string(outcome.status().message());
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    std::string effects;
    printer.PrintToString(outcome->effects, &effects);
    if (!effects.empty()) effects.pop_back();
    if (!outcome->gives.has_value()) return effects;
    return std::to_string(*outcome->gives) +
           (effects.empty() ? "" : " " + effects);
  }

  void Decode(const std::string& device) {
    EXPECT_EQ(
        Do("device: '" + device + "' write { config: 4 size: 2 value: 6 }"),
        "");
  }

  std::unique_ptr<Subject> subject_;
};

INSTANTIATE_TEST_SUITE_P(All, LibrarySubjectTest,
                         ::testing::ValuesIn(kAccelerations),
                         [](const auto& info) {
                           return std::string(AccelerationName(info.param));
                         });

// At the start those with an id have it, and the others the lowest free, in
// their order.
TEST_P(LibrarySubjectTest, GivesIdsAtTheStart) {
  EXPECT_EQ(Do("device: 'f' read { registers: 8 }"), "0");
  Decode("a");
  Decode("old");
  EXPECT_EQ(Do("read { registers: 8 }"), "1");
  EXPECT_EQ(Do("device: 'old' read { registers: 8 }"), "2");
}

// A BAR is where the guest put it, and nowhere while it is not decoded.
TEST_P(LibrarySubjectTest, FollowsBars) {
  EXPECT_EQ(Do("read { registers: 8 }"), "4294967295");
  EXPECT_EQ(Do("read { memory: 0 size: 8 }"), "18446744073709551615");
  Decode("a");
  EXPECT_EQ(Do("write { registers: 0 value: 7 }"), "");
  EXPECT_EQ(Do("read { address: 0xfe000000 }"), "7");
  EXPECT_EQ(Do("write { config: 0x10 value: 0xfd000000 }"), "");
  EXPECT_EQ(Do("read { registers: 0 }"), "7");
  EXPECT_EQ(Do("read { address: 0xfd000000 }"), "7");
  EXPECT_EQ(Do("read { address: 0xfe000000 }"), "4294967295");
}

// Memory is one for all devices of the region and those who share it.
TEST_P(LibrarySubjectTest, SharesMemory) {
  Decode("a");
  EXPECT_EQ(Do("write { memory: 8 size: 8 value: 0x1122334455667788 }"), "");
  EXPECT_EQ(Do("device: 'f' read { memory: 8 size: 2 }"), "30600");
  EXPECT_EQ(Do("load { offset: 12 size: 4 }"), "287454020");
  EXPECT_EQ(Do("store { offset: 4095 size: 1 value: 9 }"), "");
  EXPECT_EQ(Do("read { memory: 4095 size: 1 }"), "9");
  EXPECT_EQ(Do("load { offset: 4096 size: 1 }"),
            "offset: expected a place in 4096 bytes, got 4096");
  EXPECT_EQ(Do("load { offset: 2 size: 4 }"),
            "offset: expected a multiple of 4, got 2");
  EXPECT_EQ(Do("load { offset: 0 size: 3 }"),
            "size: expected 1, 2, 4 or 8, got 3");
}

// Accesses of any size up to 64 bytes; `gives` is the first eight.
TEST_P(LibrarySubjectTest, TakesAccessesOfAnySize) {
  Decode("a");
  EXPECT_EQ(Do("write { memory: 0 size: 64 value: 0x8877665544332211 }"), "");
  EXPECT_EQ(Do("read { memory: 0 size: 64 }"), "9833440827789222417");
  EXPECT_EQ(Do("read { memory: 0 size: 3 }"), "3351057");
  EXPECT_EQ(Do("read { config: 0 size: 2 }"), "6900");
  EXPECT_EQ(Do("read { memory: 0 size: 0 }"), "size: expected 1..64, got 0");
  EXPECT_EQ(Do("read { memory: 0 size: 65 }"), "size: expected 1..64, got 65");
}

constexpr char kMsixOn[] =
    "write { msix: 0 value: 0xfee00000 }|write { msix: 8 value: 0x41 }|"
    "write { msix: 12 value: 0 }|write { msix: 16 value: 0xfee01000 }|"
    "write { msix: 24 value: 0x42 }|write { msix: 28 value: 0 }|"
    "write { config: 0x42 size: 2 value: 0x8000 }";

class RingingTest : public LibrarySubjectTest {
 protected:
  RingingTest() {
    Decode("a");
    Decode("old");
    std::string steps = kMsixOn;
    while (!steps.empty()) {
      const size_t bar = steps.find('|');
      EXPECT_EQ(Do(steps.substr(0, bar)), "");
      steps = bar == std::string::npos ? "" : steps.substr(bar + 1);
    }
    EXPECT_EQ(Do("device: 'old' write { registers: 0 value: 1 }"), "");
  }

  std::string Ring(const std::string& device, int peer, int vector) {
    return Do("device: '" + device + "' write { registers: 12 value: " +
              std::to_string(peer << 16 | vector) + " }");
  }
};

INSTANTIATE_TEST_SUITE_P(All, RingingTest, ::testing::ValuesIn(kAccelerations),
                         [](const auto& info) {
                           return std::string(AccelerationName(info.param));
                         });

constexpr char kA0[] =
    "messages { device: \"a\" address: 4276092928 data: 65 }";
constexpr char kA1[] =
    "messages { device: \"a\" address: 4276097024 data: 66 }";
constexpr char kPulse[] = "pulses { device: \"f\" }";
constexpr char kUp[] = "lines { device: \"old\" asserted: true }";
constexpr char kDown[] = "lines { device: \"old\" }";

// The devices of a region ring each other, themselves included, as many vectors
// as the other has.
TEST_P(RingingTest, DevicesRingEachOther) {
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(Ring("f", 1, 0), kA0);
    EXPECT_EQ(Ring("f", 1, 1), kA1);
    EXPECT_EQ(Ring("f", 1, 2), "");
    EXPECT_EQ(Ring("a", 1, 1), kA1);
    EXPECT_EQ(Ring("a", 0, 1), kPulse);
    EXPECT_EQ(Ring("a", 2, 0), kUp);
    EXPECT_EQ(Ring("a", 2, 0), "");  // It is up already.
    EXPECT_EQ(Do("device: 'old' read { registers: 4 }"),
              std::string("1 ") + kDown);
    EXPECT_EQ(Ring("old", 1, 0), kA0);
  }
}

// An outside peer is rung for as long as it is there, by whoever of its region.
TEST_P(RingingTest, OutsidePeersAreRung) {
  EXPECT_EQ(Ring("a", 9, 0), "");
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 2 }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "rings { peer: 9 }");
  EXPECT_EQ(Ring("f", 9, 1), "rings { peer: 9 vector: 1 }");
  EXPECT_EQ(Ring("old", 9, 1), "rings { peer: 9 vector: 1 }");
  EXPECT_EQ(Ring("a", 9, 2), "");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 5 }"), "");
  EXPECT_EQ(Ring("a", 9, 5), "rings { peer: 9 vector: 5 }");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 5 }"), "");
  EXPECT_EQ(Ring("a", 9, 5), "rings { peer: 9 vector: 5 }");
  EXPECT_EQ(Do("peer_leaves { id: 9 }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "");
}

// An id in use, and a peer that is not there, are errors of the Script's.
TEST_P(RingingTest, RefusesPeersThatCannotBe) {
  EXPECT_EQ(Do("peer_joins { id: 1 vectors: 1 }"),
            "id: expected a free one, got 1, which is in use");
  EXPECT_EQ(Do("peer_joins { id: 65536 vectors: 1 }"),
            "id: expected 0..65535, got 65536");
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 2049 }"),
            "vectors: expected 0..2048, got 2049");
  EXPECT_EQ(Do("peer_leaves { id: 1 }"),
            "id: expected that of a peer that joined, got 1");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 0 }"),
            "id: expected that of a peer that joined, got 9");
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 1 }"), "");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 2048 }"),
            "vector: expected 0..2047, got 2048");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 2047 }"), "");
  EXPECT_EQ(Ring("a", 9, 2047), "rings { peer: 9 vector: 2047 }");
  EXPECT_EQ(Ring("a", 9, 2046), "");
}

// A peer's interrupt comes as the device has been told to bring it: held while
// it is masked, lost where there is no such vector; with INTx each is the one.
TEST_P(RingingTest, PeersInterrupt) {
  EXPECT_EQ(Do("interrupt { vector: 1 }"), kA1);
  EXPECT_EQ(Do("interrupt { vector: 2 }"), "");
  EXPECT_EQ(Do("interrupt { vector: 65536 }"),
            "vector: expected 0..65535, got 65536");
  EXPECT_EQ(Do("write { msix: 28 value: 1 }"), "");
  EXPECT_EQ(Do("interrupt { vector: 1 }"), "");
  EXPECT_EQ(Do("interrupt { vector: 1 }"), "");
  EXPECT_EQ(Do("write { msix: 28 value: 0 }"), kA1);
  EXPECT_EQ(Do("device: 'f' interrupt { vector: 1 }"), kPulse);
  EXPECT_EQ(Do("device: 'f' interrupt { vector: 2 }"), "");
  EXPECT_EQ(Do("device: 'old' interrupt { vector: 7 }"), kUp);
  EXPECT_EQ(Do("device: 'old' reset { }"), kDown);
}

// A reset forgets what the guest wrote; id and peers stay.
TEST_P(RingingTest, Resets) {
  EXPECT_EQ(Do("write { registers: 0 value: 7 }"), "");
  EXPECT_EQ(Do("reset { }"), "");
  EXPECT_EQ(Do("read { registers: 0 }"), "4294967295");
  EXPECT_EQ(Do("write { config: 0x10 value: 0xfe000000 }"), "");
  Decode("a");
  EXPECT_EQ(Do("read { registers: 0 }"), "0");
  EXPECT_EQ(Do("read { registers: 8 }"), "1");
  EXPECT_EQ(Ring("a", 0, 0), kPulse);
}

// The others know a device by its new id, and not at all without one.
TEST_P(RingingTest, IdsChange) {
  EXPECT_EQ(Do("set_id { id: 7 }"), "");
  EXPECT_EQ(Do("read { registers: 8 }"), "7");
  EXPECT_EQ(Ring("f", 1, 0), "");
  EXPECT_EQ(Ring("f", 7, 0), kA0);
  EXPECT_EQ(Ring("a", 7, 0), kA0);
  EXPECT_EQ(Do("set_id { id: 0 }"),
            "id: expected a free one, got 0, which is in use");
  EXPECT_EQ(Do("set_id { id: 65536 }"), "id: expected 0..65535, got 65536");
  EXPECT_EQ(Do("set_id { id: 7 }"), "");
  EXPECT_EQ(Do("set_id { }"), "");
  EXPECT_EQ(Ring("f", 7, 0), "");
  EXPECT_EQ(Ring("a", 0, 0), "");
  EXPECT_EQ(Do("interrupt { vector: 0 }"), kA0);
  EXPECT_EQ(Do("peer_joins { id: 7 vectors: 1 }"), "");
  EXPECT_EQ(Ring("f", 7, 0), "rings { peer: 7 }");
}

// Without its link a device hears of nobody; those that it has stay, and a ring
// of one that has gone is lost. Then it has what it missed.
TEST_P(RingingTest, LosesItsLink) {
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 2 }"), "");
  EXPECT_EQ(Do("peer_joins { id: 10 vectors: 1 }"), "");
  EXPECT_EQ(Do("link_lost { }"), "");
  EXPECT_EQ(Do("link_lost { }"), "");
  EXPECT_EQ(Do("peer_leaves { id: 9 }"), "");
  EXPECT_EQ(Do("peer_joins { id: 11 vectors: 1 }"), "");
  EXPECT_EQ(Do("device: 'f' set_id { id: 5 }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "");
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 1 }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "");
  EXPECT_EQ(Ring("f", 9, 0), "rings { peer: 9 }");
  EXPECT_EQ(Ring("a", 10, 0), "rings { peer: 10 }");
  EXPECT_EQ(Ring("a", 11, 0), "");
  EXPECT_EQ(Ring("a", 5, 0), "");
  EXPECT_EQ(Ring("a", 0, 0), kPulse);
  EXPECT_EQ(Do("peer_leaves { id: 10 }"), "");
  EXPECT_EQ(Do("link_back { }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "rings { peer: 9 }");
  EXPECT_EQ(Ring("a", 9, 1), "");
  EXPECT_EQ(Ring("a", 10, 0), "");
  EXPECT_EQ(Ring("a", 11, 0), "rings { peer: 11 }");
  EXPECT_EQ(Ring("a", 5, 0), kPulse);
  EXPECT_EQ(Ring("a", 0, 0), "");
  EXPECT_EQ(Do("peer_leaves { id: 11 }"), "");
  EXPECT_EQ(Ring("a", 11, 0), "");
}

// What a device rings that does not know better is lost, and does not come to
// whoever is there later.
TEST_P(RingingTest, StaleRingsAreLost) {
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 1 }"), "");
  EXPECT_EQ(Do("link_lost { }"), "");
  EXPECT_EQ(Do("vector_arrives { id: 9 vector: 0 }"), "");
  EXPECT_EQ(Ring("a", 9, 0), "");
  EXPECT_EQ(Ring("f", 9, 0), "rings { peer: 9 }");
  EXPECT_EQ(Do("device: 'f' unplug { }"), "");
  EXPECT_EQ(Ring("a", 0, 0), "");
  EXPECT_EQ(Do("device: 'f' plug { }"), "");
  EXPECT_EQ(Ring("a", 0, 0), "");
  EXPECT_EQ(Do("link_back { }"), "");
  EXPECT_EQ(Do("peer_joins { id: 10 vectors: 8 }"), "");
  EXPECT_EQ(Ring("a", 0, 0), kPulse);
  EXPECT_EQ(Ring("a", 9, 0), "rings { peer: 9 }");
}

// A device that is unplugged is not there for anybody; what it held up falls.
// It comes back as new.
TEST_P(RingingTest, IsUnpluggedAndPluggedIn) {
  EXPECT_EQ(Do("device: 'old' plug { }"),
            "plug: expected a device that is unplugged, got 'old'");
  EXPECT_EQ(Ring("a", 2, 0), kUp);
  EXPECT_EQ(Do("device: 'old' unplug { }"), kDown);
  EXPECT_EQ(Do("device: 'old' read { registers: 0 }"), "4294967295");
  EXPECT_EQ(Do("device: 'old' read { config: 0 }"), "4294967295");
  EXPECT_EQ(Do("device: 'old' write { config: 4 value: 2 }"), "");
  EXPECT_EQ(Do("device: 'old' interrupt { }"),
            "device: expected one that is plugged in, got 'old', which is "
            "unplugged");
  EXPECT_EQ(Ring("a", 2, 0), "");
  EXPECT_EQ(Do("device: 'f' unplug { }"), "");
  EXPECT_EQ(Do("device: 'f' read { registers: 8 }"), "4294967295");
  // The lowest free id is that of the one that went.
  EXPECT_EQ(Do("device: 'old' plug { }"), "");
  Decode("old");
  EXPECT_EQ(Do("device: 'old' read { registers: 8 }"), "0");
  EXPECT_EQ(Ring("a", 0, 0), "");  // Masked again.
  EXPECT_EQ(Do("device: 'old' write { registers: 0 value: 1 }"), kUp);
  EXPECT_EQ(Do("unplug { }"), "");
  EXPECT_EQ(Do("peer_joins { id: 1 vectors: 1 }"), "");
  EXPECT_EQ(Do("plug { }"), "id: expected a free one, got 1, which is in use");
  EXPECT_EQ(Do("peer_leaves { id: 1 }"), "");
  EXPECT_EQ(Do("plug { }"), "");
}

// A device that is made from a state is as the one that was saved, under the
// state's id, and knows who is there now.
TEST_P(RingingTest, IsSavedAndRestored) {
  EXPECT_EQ(Do("peer_joins { id: 9 vectors: 1 }"), "");
  EXPECT_EQ(Do("write { msix: 28 value: 1 }"), "");
  EXPECT_EQ(Do("interrupt { vector: 1 }"), "");
  EXPECT_EQ(Do("write { registers: 0 value: 7 }"), "");
  EXPECT_EQ(Do("save { name: 's' }"), "");
  // It goes on.
  EXPECT_EQ(Do("write { registers: 0 value: 8 }"), "");
  EXPECT_EQ(Do("write { msix: 28 value: 0 }"), kA1);
  EXPECT_EQ(Do("set_id { id: 4 }"), "");
  EXPECT_EQ(Do("peer_joins { id: 10 vectors: 1 }"), "");
  EXPECT_EQ(Do("restore { name: 's' }"), "");
  EXPECT_EQ(Do("read { registers: 0 }"), "7");
  EXPECT_EQ(Do("read { registers: 8 }"), "1");
  EXPECT_EQ(Do("read { msix: 0x800 }"), "2");
  EXPECT_EQ(Do("write { msix: 28 value: 0 }"), kA1);
  EXPECT_EQ(Ring("f", 4, 0), "");
  EXPECT_EQ(Ring("f", 1, 0), kA0);
  EXPECT_EQ(Ring("a", 1, 0), kA0);
  EXPECT_EQ(Ring("a", 9, 0), "rings { peer: 9 }");
  EXPECT_EQ(Ring("a", 10, 0), "rings { peer: 10 }");
  // Its link is there.
  EXPECT_EQ(Do("link_lost { }"), "");
  EXPECT_EQ(Do("restore { name: 's' }"), "");
  EXPECT_EQ(Do("peer_joins { id: 11 vectors: 1 }"), "");
  EXPECT_EQ(Ring("a", 11, 0), "rings { peer: 11 }");
  // In the place of none as well.
  EXPECT_EQ(Do("unplug { }"), "");
  EXPECT_EQ(Ring("f", 1, 0), "");
  EXPECT_EQ(Do("restore { name: 's' }"), "");
  EXPECT_EQ(Ring("f", 1, 0), kA0);
}

// A line is as it was: no effect when it stays so.
TEST_P(RingingTest, RestoresLines) {
  EXPECT_EQ(Do("device: 'old' save { name: 'low' }"), "");
  EXPECT_EQ(Ring("a", 2, 0), kUp);
  EXPECT_EQ(Do("device: 'old' save { name: 'high' }"), "");
  EXPECT_EQ(Do("device: 'old' restore { name: 'high' }"), "");
  EXPECT_EQ(Do("device: 'old' restore { name: 'low' }"), kDown);
  EXPECT_EQ(Do("device: 'old' restore { name: 'high' }"), kUp);
  EXPECT_EQ(Do("device: 'old' read { registers: 4 }"),
            std::string("1 ") + kDown);
  EXPECT_EQ(Do("device: 'f' save { name: 'f' }"), "");
  EXPECT_EQ(Do("device: 'f' restore { name: 'f' }"), "");
  EXPECT_EQ(Do("device: 'f' interrupt { }"), kPulse);
}

// A state that cannot be restored leaves everything as it was.
TEST_P(RingingTest, RefusesStates) {
  EXPECT_EQ(Do("restore { name: 's' }"),
            "name: expected that of a state that was saved, got 's'");
  EXPECT_EQ(Do("save { name: 's' }"), "");
  EXPECT_EQ(Do("device: 'f' save { name: 'f' }"), "");
  EXPECT_EQ(Do("device: 'f' restore { name: 's' }"),
            "id: expected a free one, got 1, which is in use");
  EXPECT_EQ(Do("set_id { id: 4 }"), "");
  EXPECT_EQ(Do("device: 'f' restore { name: 's' }"),
            "state: expected a flat device's, got a PCI one's");
  EXPECT_EQ(Do("device: 'f' set_id { id: 5 }"), "");
  EXPECT_EQ(Do("restore { name: 'f' }"),
            "state: expected a PCI device's, got a flat one's");
  EXPECT_THAT(Do("device: 'old' restore { name: 's' }"), HasSubstr("state."));
  EXPECT_EQ(Ring("f", 4, 0), kA0);
  EXPECT_EQ(Ring("a", 5, 0), kPulse);
  EXPECT_EQ(Ring("a", 2, 0), kUp);
  EXPECT_EQ(Do("peer_joins { id: 1 vectors: 1 }"), "");
  EXPECT_EQ(Do("restore { name: 's' }"),
            "id: expected a free one, got 1, which is in use");
  EXPECT_EQ(Ring("f", 4, 0), kA0);
}

// A step that the world has no room for is refused.
TEST_P(LibrarySubjectTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(Do("device: 'x' reset { }"),
            "device: expected one of [a, f, old], got 'x'");
  EXPECT_EQ(Do("device: 'f' read { config: 0 }"),
            "config: expected a PCI device, got 'f', which is flat");
  EXPECT_EQ(Do("device: 'f' write { msix: 0 }"),
            "msix: expected a PCI device, got 'f', which is flat");
  EXPECT_EQ(Do("read { }"), "place: expected one, got none");
  EXPECT_EQ(Do(""), "operation: expected one, got none");
  EXPECT_EQ(Try("device: 'x' reset { }").status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A world that cannot be says where.
TEST(LibrarySubjectWorldTest, NamesThePlace) {
  const auto error = [](const std::string& text) {
    config::World world;
    EXPECT_TRUE(ParseText(text, world).ok());
    return std::string(MakeLibrarySubject(world).status().message());
  };
  EXPECT_EQ(error("regions { name: 'r' size: 0x100000000000 }"),
            "regions[0].size: expected at most 1073741824 bytes, got "
            "17592186044416");
  EXPECT_THAT(error("regions { name: 'r' size: 8 } devices { name: 'a' region: "
                    "'r' pci { } }"),
              HasSubstr("devices[0].memory.size: expected a power of two"));
  EXPECT_THAT(error("devices { name: 'a' region: 'r' pci { } }"),
              HasSubstr("devices[0].region: expected one of []"));
}

}  // namespace
}  // namespace ivshmem::script
