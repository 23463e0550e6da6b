// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/bytes.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "proto/config.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "rapidcheck/gtest.h"
#include "script/kinds.h"
#include "script/random.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::IsEmpty;

bool Same(const Script& a, const Script& b) {
  return MessageDifferencer::Equals(a, b);
}

// The device that a step is of; null when there is none of that name.
const config::Device* DeviceOf(const Step& step, const config::World& world) {
  if (step.device().empty()) return &world.devices(0);
  for (const config::Device& device : world.devices()) {
    if (device.name() == step.device()) return &device;
  }
  return nullptr;
}

bool IsShare(const Share& share, const config::World& world) {
  return std::set<uint32_t>{1, 2, 4, 8}.contains(share.size()) &&
         share.offset() % share.size() == 0 &&
         share.offset() + share.size() <= world.regions(0).size() &&
         (share.size() == 8 || share.value() >> 8 * share.size() == 0);
}

bool IsAccess(const Access& access, bool flat) {
  const uint32_t size = access.has_size() ? access.size() : 4;
  return size >= 1 && size <= 64 &&
         (size >= 8 || access.value() >> 8 * size == 0) &&
         !(flat && (access.has_config() || access.has_msix()));
}

// What script.proto says of a step.
bool IsValid(const Step& step, const config::World& world) {
  const config::Device* device = DeviceOf(step, world);
  if (device == nullptr || step.has_gives() || step.has_of_bits() ||
      step.has_effects() || KindOf(step) == Kind::kNothing) {
    return false;
  }
  switch (step.operation_case()) {
    case Step::kRead:
      return step.read().value() == 0 &&
             IsAccess(step.read(), device->has_flat());
    case Step::kWrite:
      return IsAccess(step.write(), device->has_flat());
    case Step::kPeerJoins:
      return step.peer_joins().id() <= 65535 &&
             step.peer_joins().vectors() <= 2048;
    case Step::kPeerLeaves:
      return step.peer_leaves().id() <= 65535;
    case Step::kVectorArrives:
      return step.vector_arrives().id() <= 65535 &&
             step.vector_arrives().vector() < 2048;
    case Step::kInterrupt:
      return step.interrupt().vector() <= 65535;
    case Step::kStore:
      return IsShare(step.store(), world);
    case Step::kLoad:
      return IsShare(step.load(), world) && step.load().value() == 0;
    case Step::kSetId:
      return step.set_id().id() <= 65535;
    default:
      return true;
  }
}

// A fuzzer's bytes are a Script, whatever they are, and not a long one.
RC_GTEST_PROP(Bytes, AreAScript, (const std::vector<uint8_t>& bytes)) {
  const Script script = Decode(bytes);
  RC_ASSERT(static_cast<size_t>(script.steps_size()) <=
            StepsOf(Stage::kPeers, script.world()).size() + bytes.size() / 8);
  for (const Step& step : script.steps()) {
    if (!IsValid(step, script.world())) RC_FAIL(step.ShortDebugString());
  }
}

// A Script that came from bytes goes into bytes and back.
RC_GTEST_PROP(Bytes, GoThereAndBack, (const std::vector<uint8_t>& bytes)) {
  const Script script = Decode(bytes);
  const Script again = Decode(Encode(script));
  if (!Same(again, script)) {
    RC_FAIL(script.DebugString() + "became\n" + again.DebugString());
  }
}

// The same of Records that rapidcheck's short vectors seldom have: each form
// with each world.
TEST(Bytes, EachFormGoesThereAndBack) {
  for (size_t world = 0; world < Worlds().size(); ++world) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const Script script =
          RandomScript(seed, {.world = static_cast<int>(world),
                              .stage = static_cast<Stage>(seed % kStages),
                              .steps = 800});
      std::set<Kind> kinds;
      for (const Step& step : script.steps()) {
        ASSERT_TRUE(IsValid(step, script.world())) << step.ShortDebugString();
        kinds.insert(KindOf(step));
      }
      const bool pci = script.world().devices(0).has_pci();
      EXPECT_EQ(kinds.size(), pci ? kKinds : kKinds - 4) << world;
      const Script again = Decode(Encode(script));
      ASSERT_EQ(again.steps_size(), script.steps_size());
      for (int i = 0; i < script.steps_size(); ++i) {
        ASSERT_TRUE(MessageDifferencer::Equals(again.steps(i), script.steps(i)))
            << script.steps(i).ShortDebugString() << " became "
            << again.steps(i).ShortDebugString();
      }
      EXPECT_TRUE(Same(again, script));
    }
  }
}

// A local edit stays local: one byte of a Record changes one step.
RC_GTEST_PROP(Bytes, AByteIsOfOneStep, ()) {
  auto bytes = *rc::gen::container<std::vector<uint8_t>>(
      2 + 8 * 5, rc::gen::arbitrary<uint8_t>());
  const Script before = Decode(bytes);
  const auto step = *rc::gen::inRange(0, 5);
  bytes[2 + 8 * step + *rc::gen::inRange(0, 8)] =
      *rc::gen::arbitrary<uint8_t>();
  const Script after = Decode(bytes);
  RC_ASSERT(after.steps_size() == before.steps_size());
  const int first = before.steps_size() - 5;
  for (int i = 0; i < after.steps_size(); ++i) {
    if (i == first + step) continue;
    RC_ASSERT(MessageDifferencer::Equals(before.steps(i), after.steps(i)));
  }
}

// Of bounded length.
TEST(Bytes, OfManyAScriptIsTheFirst) {
  std::vector<uint8_t> bytes(1 << 20, 0x5a);
  bytes[1] = static_cast<uint8_t>(Stage::kNothing);
  EXPECT_EQ(Decode(bytes).steps_size(), kMostSteps);
}

// No bytes, or a world alone: a driver has set all up, and peers are there.
TEST(Bytes, OfNoneIsASetUp) {
  const Script script = Decode({});
  EXPECT_EQ(script.world().SerializeAsString(),
            Worlds()[0].SerializeAsString());
  EXPECT_EQ(script.steps(script.steps_size() - 1).peer_joins().id(), 9);
  EXPECT_TRUE(Same(Decode({0}), script));
  EXPECT_EQ(Decode({1}).world().SerializeAsString(),
            Worlds()[1].SerializeAsString());
}

// A Script by somebody else: what bytes can say of it stays.
TEST(Bytes, OfAnothersScript) {
  Script script;
  *script.mutable_world() = Worlds()[7];
  script.set_about("not in bytes");
  script.mutable_world()->mutable_devices(0)->set_name("mine");
  Step& step = *script.add_steps();
  step.set_device("mine");
  step.mutable_write()->set_registers(12);
  step.mutable_write()->set_value(0x20000);
  step.mutable_effects();
  script.add_steps();  // No operation.
  script.add_steps()->set_device("another");
  const Script again = Decode(Encode(script));
  EXPECT_EQ(again.world().SerializeAsString(), Worlds()[7].SerializeAsString());
  ASSERT_EQ(again.steps_size(), 1);
  EXPECT_EQ(again.steps(0).write().registers(), 12);
  EXPECT_EQ(again.steps(0).write().value(), 0x20000);
  EXPECT_FALSE(again.steps(0).has_effects());
}

// A list of worlds with every dialect and every way to interrupt, each of which
// can be made.
TEST(Worlds, HaveEveryDialect) {
  std::set<std::pair<int, int>> pci;
  bool flat = false;
  bool two_in_a_region = false;
  for (const config::World& world : Worlds()) {
    const auto made = ParseWorld(world.DebugString());
    EXPECT_TRUE(made.ok()) << made.status();
    two_in_a_region |= world.devices_size() == 2;
    for (const config::Device& device : world.devices()) {
      flat |= device.has_flat();
      if (!device.has_pci()) continue;
      pci.emplace(device.pci().dialect(), device.pci().interrupts());
    }
  }
  EXPECT_TRUE(flat);
  EXPECT_TRUE(two_in_a_region);
  // REV0 has three, the others two.
  EXPECT_EQ(pci.size(), 9);
}

// Each stage of a set-up is the one before, and more: nothing; BARs and the
// command; MSI-X or the mask; peers.
TEST(Worlds, HaveStages) {
  const config::World& world = Worlds()[0];
  const auto kinds = [&world](Stage stage) {
    std::vector<Kind> kinds;
    for (const Step& step : StepsOf(stage, world)) {
      kinds.push_back(KindOf(step));
    }
    return kinds;
  };
  const std::vector<Kind> firmware(5, Kind::kWriteConfig);
  std::vector<Kind> driver = firmware;
  driver.insert(driver.end(), 6, Kind::kWriteMsix);
  driver.push_back(Kind::kWriteConfig);
  std::vector<Kind> peers = driver;
  peers.insert(peers.end(), 2, Kind::kPeerJoins);
  EXPECT_THAT(kinds(Stage::kNothing), IsEmpty());
  EXPECT_EQ(kinds(Stage::kFirmware), firmware);
  EXPECT_EQ(kinds(Stage::kDriver), driver);
  EXPECT_EQ(kinds(Stage::kPeers), peers);
}

// The same seed, the same Script; weights say what is in it.
TEST(RandomScript, IsWhatIsAskedFor) {
  RandomOptions options = {.world = 5, .steps = 300};
  EXPECT_TRUE(Same(RandomScript(7, options), RandomScript(7, options)));
  EXPECT_FALSE(Same(RandomScript(7, options), RandomScript(8, options)));
  options.stage = Stage::kNothing;
  options.weights = {};
  options.weight(Kind::kWriteRegisters) = 1;
  options.weight(Kind::kReset) = 3;
  options.wanted = [](const Step& step) {
    return !step.has_write() || step.write().registers() == 12;
  };
  const Script script = RandomScript(1, options);
  const auto resets =
      std::count_if(script.steps().begin(), script.steps().end(),
                    [](const Step& step) { return step.has_reset(); });
  EXPECT_GT(resets, 150);
  EXPECT_LT(resets, 290);
  for (const Step& step : script.steps()) {
    EXPECT_TRUE(step.has_reset() || step.write().registers() == 12);
  }
}

}  // namespace
}  // namespace ivshmem::script
