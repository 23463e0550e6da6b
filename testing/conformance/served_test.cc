// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Random programs on a device that is served by vfio-user, through its socket
// and a VMM that keeps the MSI-X table, beside the specification: each step
// comes to the same. What cannot be seen this way is in
// testing/vfio_user/vfio_subject.h.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/files.h"
#include "script/play.h"
#include "script/subject.h"
#include "testing/conformance/model/world.h"
#include "testing/conformance/program.h"
#include "testing/conformance/settings.h"
#include "testing/vfio_user/vfio_subject.h"

namespace ivshmem::conformance {
namespace {

using script::Outcome;
using script::Step;
using script::Subject;

constexpr int64_t kEach = 3000;

// The model, of the steps that a served device has. What it refuses is not
// done.
class Model : public Subject {
 public:
  Model(const config::World& world, std::shared_ptr<absl::Status> refused)
      : model_(world), refused_(std::move(refused)) {}

  absl::StatusOr<Outcome> Do(const Step& step) override {
    absl::StatusOr<Outcome> outcome =
        IsOfAServedDevice(step) ? model_.Do(step)
                                : absl::UnimplementedError("not served");
    *refused_ = outcome.status();
    return outcome;
  }

 private:
  WorldModel model_;
  const std::shared_ptr<absl::Status> refused_;
};

class Served : public Subject {
 public:
  Served(std::unique_ptr<Subject> served, std::shared_ptr<absl::Status> refused)
      : served_(std::move(served)), refused_(std::move(refused)) {}

  absl::StatusOr<Outcome> Do(const Step& step) override {
    if (!refused_->ok()) return *refused_;
    return served_->Do(step);
  }

 private:
  const std::unique_ptr<Subject> served_;
  const std::shared_ptr<absl::Status> refused_;
};

absl::StatusOr<Pair> ModelAndServed(const config::World& world) {
  auto served = MakeVfioSubject(world);
  if (!served.ok()) return served.status();
  const auto refused = std::make_shared<absl::Status>();
  return Pair{.expected = std::make_unique<Model>(world, refused),
              .got = std::make_unique<Served>(*std::move(served), refused)};
}

class ServedDevices : public testing::TestWithParam<Setting> {};

TEST_P(ServedDevices, DoWhatTheSpecificationSays) {
  Tally tally;
  ASSERT_TRUE(Agree(GetParam(), Operations(kEach), ModelAndServed, tally));
  const int64_t some = tally.operations / 200;
  if (GetParam() == Setting::kRevision1Plain) return;
  EXPECT_GE(tally.rings, some);
  EXPECT_GE(tally.messages, some);
}

// A VMM that counts each event's signals as one would see one message.
TEST(ServedDevice, OneWriteRingsTwice) {
  const auto script = script::ReadScript(
      "testdata/regressions/one_write_rings_twice.textproto");
  ASSERT_TRUE(script.ok()) << script.status();
  const auto served = MakeVfioSubject(script->world());
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(script::Play(*script, **served), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(
    AllSettings, ServedDevices,
    testing::Values(Setting::kRevision1, Setting::kRevision1Plain,
                    Setting::kRevision0Msix, Setting::kQemu, Setting::kAcrn),
    [](const auto& info) { return std::string(NameOf(info.param)); });

}  // namespace
}  // namespace ivshmem::conformance
