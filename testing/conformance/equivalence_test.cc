// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The same program in other circumstances comes to the same.

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"
#include "script/library_subject.h"
#include "script/subject.h"
#include "testing/conformance/as_flat.h"
#include "testing/conformance/program.h"
#include "testing/conformance/saved_at_every_step.h"
#include "testing/conformance/settings.h"

namespace ivshmem::conformance {
namespace {

using script::Acceleration;
using script::MakeLibrarySubject;
using script::Step;
using script::Subject;
using testing::Values;

const auto kEverySetting = Values(
    Setting::kRevision1, Setting::kRevision1Plain, Setting::kRevision0Intx,
    Setting::kRevision0Msix, Setting::kQemu, Setting::kAcrn, Setting::kFlat);

absl::StatusOr<Pair> MakePairOf(
    absl::StatusOr<std::unique_ptr<Subject>> expected,
    absl::StatusOr<std::unique_ptr<Subject>> got) {
  if (!expected.ok()) return expected.status();
  if (!got.ok()) return got.status();
  return Pair{.expected = *std::move(expected), .got = *std::move(got)};
}

// What a hypervisor does in the device's stead, a guest cannot tell from what
// the device does: doorbells that are bound, interrupts that are routed, memory
// that is mapped.
class Accelerated
    : public testing::TestWithParam<std::tuple<Setting, Acceleration>> {};

// Whether a guest may tell a host that keeps writes of the doorbell for itself:
// a byte rings with QEMU's device only.
bool CanTell(Acceleration acceleration, const config::World& world) {
  if (acceleration != Acceleration::kSwallowing) return false;
  for (const config::Device& device : world.devices()) {
    if (device.pci().dialect() == config::Pci::QEMU) return true;
  }
  return false;
}

// All but QEMU's dialect on a host that swallows: there the guest can tell.
std::vector<std::tuple<Setting, Acceleration>> SettingsAndHosts() {
  std::vector<std::tuple<Setting, Acceleration>> all;
  for (const Setting setting :
       {Setting::kRevision1, Setting::kRevision1Plain, Setting::kRevision0Intx,
        Setting::kRevision0Msix, Setting::kQemu, Setting::kAcrn,
        Setting::kFlat}) {
    for (const Acceleration acceleration :
         {Acceleration::kAll, Acceleration::kLimited,
          Acceleration::kSwallowing}) {
      if (setting != Setting::kQemu ||
          acceleration != Acceleration::kSwallowing) {
        all.emplace_back(setting, acceleration);
      }
    }
  }
  return all;
}

TEST_P(Accelerated, IsAsTrapped) {
  const auto [setting, acceleration] = GetParam();
  Tally tally;
  const auto make = [acceleration = acceleration](
                        const config::World& world) -> absl::StatusOr<Pair> {
    if (CanTell(acceleration, world)) return absl::UnimplementedError("");
    return MakePairOf(MakeLibrarySubject(world),
                      MakeLibrarySubject(world, acceleration));
  };
  EXPECT_TRUE(Agree(setting, Operations(600), make, tally));
}

INSTANTIATE_TEST_SUITE_P(
    AllSettings, Accelerated, testing::ValuesIn(SettingsAndHosts()),
    [](const auto& info) {
      return absl::StrCat(NameOf(std::get<0>(info.param)), "_",
                          script::AccelerationName(std::get<1>(info.param)));
    });

// A guest cannot tell that its device was saved, and another made of the state
// between any two steps. Only the link is new then, as of any device.
class Saved : public testing::TestWithParam<Setting> {};

TEST_P(Saved, AtEveryStepIsAsNever) {
  Tally tally;
  EXPECT_TRUE(Agree(
      GetParam(), Operations(600),
      [](const config::World& world) -> absl::StatusOr<Pair> {
        auto got = MakeLibrarySubject(world);
        if (!got.ok()) return got.status();
        return MakePairOf(MakeLibrarySubject(world),
                          std::make_unique<SavedAtEveryStep>(*std::move(got)));
      },
      tally, [](const Step& step) { return step.has_link_lost(); }));
}

INSTANTIATE_TEST_SUITE_P(AllSettings, Saved, kEverySetting,
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

// The doorbell, IVPosition and the memory are the same device, whichever bus it
// is on; and so is how often it interrupts when the guest lets it.
TEST(OnBothBuses, DoTheSame) {
  Tally tally;
  EXPECT_TRUE(Agree(
      Setting::kFlat, Operations(6000),
      [](const config::World& world) {
        return MakePairOf(MakeLibrarySubject(world), MakeAsFlat(world));
      },
      tally, [](const Step& step) { return !InBoth(step); }));
  EXPECT_GT(tally.rings, 100);
  EXPECT_GT(tally.pulses, 100);
}

}  // namespace
}  // namespace ivshmem::conformance
