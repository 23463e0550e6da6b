// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest cannot tell by the device how its accesses get out: the same random
// Scripts come to the same by KVM's exits, ACRN's page, Xen's and vfio-user as
// on the library's devices without any of them.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/kinds.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/random.h"
#include "script/subject.h"
#include "script/worlds.h"
#include "testing/kvm/require_kvm.h"
#include "testing/vfio_user/vfio_subject.h"
#include "testing/ways/trapped_subject.h"
#include "testing/ways/way_out.h"

namespace ivshmem {
namespace {

using script::Kind;
using script::Outcome;
using script::RandomOptions;
using script::Script;
using script::Step;
using script::Subject;

// Short ones, since a device that was turned off stays so for long.
constexpr int kSteps = 80;
constexpr uint64_t kSeeds = 8;

bool IsOfAGuest(const Step& step) {
  switch (script::KindOf(step)) {
    case Kind::kSetId:
    case Kind::kSave:
    case Kind::kRestore:
    case Kind::kLinkLost:
    case Kind::kLinkBack:
    case Kind::kUnplug:
    case Kind::kPlug:
    case Kind::kNothing:
      return false;
    default:
      return true;
  }
}

struct Seen {
  int steps = 0;
  int effects = 0;
  int values = 0;  // That are neither 0 nor ones.
};

void Note(const Outcome& outcome, Seen& seen) {
  ++seen.steps;
  if (outcome.effects.ByteSizeLong() != 0) ++seen.effects;
  const uint64_t gives = outcome.gives.value_or(0);
  if (gives != 0 && (gives & 0xff) != 0xff) ++seen.values;
}

// Plays `script` on both; what the way does not have is left out.
void Compare(const Script& script, Subject& library, Subject& trapped,
             Seen& seen) {
  for (int i = 0; i < script.steps_size(); ++i) {
    const Step& step = script.steps(i);
    if (!IsOfAGuest(step)) continue;
    const bool access = step.has_read() || step.has_write();
    absl::StatusOr<Outcome> got;
    if (access) {
      got = trapped.Do(step);
      if (absl::IsUnimplemented(got.status())) continue;
      ASSERT_TRUE(got.ok()) << got.status();
    }
    const absl::StatusOr<Outcome> expected = library.Do(step);
    if (absl::IsInvalidArgument(expected.status())) continue;
    ASSERT_TRUE(expected.ok()) << expected.status();
    if (!access) got = trapped.Do(step);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(script::Difference(*expected, *got), "")
        << "step " << i << ": " << step.ShortDebugString();
    Note(*got, seen);
  }
}

using Make = std::function<absl::StatusOr<std::unique_ptr<Subject>>(
    const config::World&)>;

// On each world that there is one of.
void CompareAll(const Make& make, int least_steps = 3000,
                int least_outcomes = 200) {
  Seen seen;
  for (size_t world = 0; world < script::Worlds().size(); ++world) {
    const config::World& config = script::Worlds()[world];
    if (config.devices_size() != 1) continue;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(absl::StrCat("world ", world, ", seed ", seed));
      RandomOptions options;
      options.world = static_cast<int>(world);
      options.steps = kSteps;
      options.wanted = IsOfAGuest;
      options.weights.fill(6);
      options.weight(Kind::kWriteRegisters) = 20;
      options.weight(Kind::kInterrupt) = 20;
      options.weight(Kind::kWriteConfig) = 2;
      options.weight(Kind::kReset) = 1;
      const Script script = script::RandomScript(seed, options);
      const auto library = script::MakeLibrarySubject(config);
      const auto trapped = make(config);
      if (absl::IsUnimplemented(trapped.status())) break;
      ASSERT_TRUE(library.ok()) << library.status();
      ASSERT_TRUE(trapped.ok()) << trapped.status();
      Compare(script, **library, **trapped, seen);
      if (::testing::Test::HasFailure()) return;
    }
  }
  // They are Scripts in which things happen.
  EXPECT_GE(seen.steps, least_steps);
  EXPECT_GE(seen.effects, least_outcomes);
  EXPECT_GE(seen.values, least_outcomes);
}

TEST(SameGuest, OnKvm) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  CompareAll([](const config::World& world) {
    return MakeTrappedSubject(world, MakeKvmWayOut());
  });
}

TEST(SameGuest, OnAcrn) {
  CompareAll([](const config::World& world) {
    return MakeTrappedSubject(world, MakeAcrnWayOut());
  });
}

TEST(SameGuest, OnXen) {
  CompareAll([](const config::World& world) {
    return MakeTrappedSubject(world, MakeXenWayOut());
  });
}

// Of fewer worlds: neither INTx nor flat devices are served.
TEST(SameGuest, OnVfioUser) { CompareAll(MakeVfioSubject, 1000, 70); }

}  // namespace
}  // namespace ivshmem
