// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What real guest drivers do and count on, in testdata/drivers/: on the
// library's devices with and without short cuts, and on devices whose guests'
// accesses get out by KVM's exits, ACRN's page, Xen's and vfio-user.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"
#include "script/files.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/subject.h"
#include "testing/kvm/require_kvm.h"
#include "testing/vfio_user/vfio_subject.h"
#include "testing/ways/trapped_subject.h"
#include "testing/ways/way_out.h"

namespace ivshmem {
namespace {

using script::Script;
using script::Step;
using script::Subject;

std::vector<std::string> Files() {
  return script::ScriptFiles("testdata/drivers");
}

class DriverScripts : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    absl::StatusOr<Script> script = script::ReadScript(GetParam());
    ASSERT_TRUE(script.ok()) << script.status();
    script_ = *std::move(script);
  }

  void Expect(absl::StatusOr<std::unique_ptr<Subject>> subject) {
    ASSERT_TRUE(subject.ok()) << subject.status();
    const absl::Status played = script::Play(script_, **subject);
    EXPECT_TRUE(played.ok()) << played;
  }

  Script script_;
};

INSTANTIATE_TEST_SUITE_P(Drivers, DriverScripts, ::testing::ValuesIn(Files()),
                         script::CaseOfFile);

// Every driver that reference tables name has a Script.
TEST(DriverFiles, AreThere) { EXPECT_GE(Files().size(), 13u); }

// What each is there for: it sees the device, and rings or is rung, unless it
// wants nothing but memory.
TEST_P(DriverScripts, SaysWhatTheDriverCountsOn) {
  int gives = 0;
  int effects = 0;
  for (const Step& step : script_.steps()) {
    gives += step.has_gives() ? 1 : 0;
    effects += step.effects().ByteSizeLong() != 0 ? 1 : 0;
  }
  EXPECT_GE(gives, 4);
  const bool rings = GetParam().find("looking_glass") == std::string::npos;
  EXPECT_EQ(effects > 0, rings);
}

// Differs: driver-zephyr-disabled-entries, driver-windows-bar0
TEST_P(DriverScripts, OnTheLibrary) {
  for (const script::Acceleration acceleration : script::kAccelerations) {
    SCOPED_TRACE(script::AccelerationName(acceleration));
    Expect(script::MakeLibrarySubject(script_.world(), acceleration));
  }
}

TEST_P(DriverScripts, OnKvm) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  Expect(MakeTrappedSubject(script_.world(), MakeKvmWayOut()));
}

TEST_P(DriverScripts, OnAcrn) {
  Expect(MakeTrappedSubject(script_.world(), MakeAcrnWayOut()));
}

TEST_P(DriverScripts, OnXen) {
  Expect(MakeTrappedSubject(script_.world(), MakeXenWayOut()));
}

// Devices with INTx, and flat ones, are not served by vfio-user: just these are
// refused.
TEST_P(DriverScripts, OnVfioUser) {
  auto subject = MakeVfioSubject(script_.world());
  const config::Device& device = script_.world().devices(0);
  if (!device.has_pci() || device.pci().interrupts() == config::Pci::INTX) {
    EXPECT_TRUE(absl::IsUnimplemented(subject.status())) << subject.status();
    return;
  }
  Expect(std::move(subject));
}

}  // namespace
}  // namespace ivshmem
