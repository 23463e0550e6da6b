// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What is recorded of the PC's device, live, plays on the library's devices by
// themselves.

#include <algorithm>

#include "absl/status/status.h"
#include "examples/two_guests/engine.h"
#include "examples/two_guests/vmm.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "script/library_subject.h"
#include "script/play.h"

namespace ivshmem::two_guests {
namespace {

using script::Step;

script::Script Record(const VmmConfig& config) {
  VmmConfig recorded = config;
  recorded.record = true;
  const auto result = RunTwoGuests(recorded, {});
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  EXPECT_EQ(result->failure, std::nullopt);
  EXPECT_EQ(result->not_recorded, 0u);
  return result->recorded;
}

absl::Status Play(const script::Script& script,
                  script::Acceleration acceleration) {
  const auto subject = script::MakeLibrarySubject(script.world(), acceleration);
  if (!subject.ok()) return subject.status();
  return script::Play(script, **subject);
}

template <typename Is>
int Count(const script::Script& script, Is is) {
  return static_cast<int>(
      std::count_if(script.steps().begin(), script.steps().end(), is));
}

TEST(RecordTest, PlaysOnTheLibrarysDevices) {
  const script::Script script = Record({.messages = 50});
  for (const script::Acceleration acceleration : script::kAccelerations) {
    EXPECT_EQ(Play(script, acceleration), absl::OkStatus())
        << script::AccelerationName(acceleration);
  }
  // It is the run: the guest looked at config space, was interrupted, and rang.
  EXPECT_GT(Count(script,
                  [](const Step& step) {
                    return step.read().has_config() && step.has_gives();
                  }),
            10);
  EXPECT_GE(Count(script, [](const Step& s) { return s.has_interrupt(); }), 50);
  EXPECT_GE(Count(script,
                  [](const Step& s) { return s.effects().rings_size() == 1; }),
            50);
  EXPECT_EQ(Count(script, [](const Step& s) { return s.has_peer_joins(); }), 1);
}

// A device that did otherwise would not pass for it.
TEST(RecordTest, TellsAnotherDevice) {
  const script::Script script = Record({.messages = 5});
  script::Script other = script;
  auto& pci = *other.mutable_world()->mutable_devices(0)->mutable_pci();
  pci.set_subsystem_id(1);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(Play(other, script::Acceleration::kNone)));
  other = script;
  for (Step& step : *other.mutable_steps()) {
    if (step.has_peer_joins()) step.mutable_peer_joins()->set_vectors(0);
  }
  EXPECT_TRUE(
      absl::IsFailedPrecondition(Play(other, script::Acceleration::kNone)));
}

}  // namespace
}  // namespace ivshmem::two_guests
