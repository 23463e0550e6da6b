// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/oracle/qemu_subject.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bus/pci/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "proto/text.h"
#include "script/subject.h"
#include "script/worlds.h"

// What the subject says of steps whose outcome on QEMU is known
// (testing/qemu): that it looks at QEMU and does not make things up.
namespace ivshmem::qemu {
namespace {

constexpr int kDoorbellWorld = 5;
constexpr int kPlainWorld = 6;

class QemuSubjectTest : public ::testing::Test {
 protected:
  void Start(int world, script::Stage stage) {
    const config::World& config = script::Worlds()[world];
    absl::StatusOr<std::unique_ptr<QemuSubject>> subject =
        QemuSubject::Create(config, {});
    ASSERT_TRUE(subject.ok()) << subject.status();
    subject_ = *std::move(subject);
    for (const script::Step& step : script::StepsOf(stage, config)) {
      ASSERT_TRUE(subject_->Do(step).ok()) << step.ShortDebugString();
    }
  }

  absl::StatusOr<script::Outcome> Do(const std::string& text) {
    script::Step step;
    const absl::Status parsed = ParseText(text, step);
    EXPECT_TRUE(parsed.ok()) << parsed;
    return subject_->Do(step);
  }

  uint64_t Gives(const std::string& text) {
    const absl::StatusOr<script::Outcome> outcome = Do(text);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->gives.value_or(0xbad) : 0xbad;
  }

  std::string Effects(const std::string& text) {
    const absl::StatusOr<script::Outcome> outcome = Do(text);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->effects.ShortDebugString() : "";
  }

  std::unique_ptr<QemuSubject> subject_;
};

TEST_F(QemuSubjectTest, ConfigSpace) {
  Start(kDoorbellWorld, script::Stage::kNothing);
  EXPECT_EQ(Gives("read { config: 0 }"), 0x11101af4);
  EXPECT_EQ(Gives("read { config: 2 size: 2 }"), 0x1110);
  EXPECT_EQ(Gives("read { config: 3 size: 1 }"), 0x11);
  EXPECT_EQ(Effects("write { config: 60 size: 1 value: 90 }"), "");
  EXPECT_EQ(Gives("read { config: 60 size: 1 }"), 90);
  EXPECT_FALSE(subject_->state().bars[0].has_value());
  for (const char* access :
       {"read { config: 3 size: 2 }", "read { config: 0 size: 8 }",
        "read { config: 256 }", "read { registers: 0 size: 3 }", "save { }",
        "set_id { id: 4 }", "unplug { }", "peer_joins { id: 5 vectors: 65 }"}) {
    EXPECT_TRUE(absl::IsUnimplemented(Do(access).status())) << access;
  }
}

TEST_F(QemuSubjectTest, Registers) {
  Start(kDoorbellWorld, script::Stage::kFirmware);
  EXPECT_EQ(subject_->state().bars[0], 0xfe000000);
  EXPECT_EQ(subject_->state().bars[2], 0x800000000);
  EXPECT_EQ(Gives("read { registers: 8 }"), 1);
  EXPECT_EQ(Effects("write { registers: 0 value: 0x1234 }"), "");
  EXPECT_EQ(Gives("read { address: 0xfe000000 size: 2 }"), 0x1234);
  // Not decoded.
  EXPECT_EQ(Effects("write { config: 4 size: 2 value: 4 }"), "");
  EXPECT_EQ(Gives("read { registers: 8 size: 2 }"), 0xffff);
}

TEST_F(QemuSubjectTest, SharedMemory) {
  Start(kPlainWorld, script::Stage::kFirmware);
  EXPECT_EQ(Effects("store { offset: 8 size: 4 value: 0x11223344 }"), "");
  EXPECT_EQ(Gives("read { memory: 9 size: 2 }"), 0x2233);
  EXPECT_EQ(Effects("write { memory: 0x3fff size: 1 value: 7 }"), "");
  EXPECT_EQ(Gives("load { offset: 0x3ff8 size: 8 }"), uint64_t{7} << 56);
  EXPECT_TRUE(
      absl::IsInvalidArgument(Do("load { offset: 0x4000 size: 1 }").status()));
}

// Rings out, to those who are there.
TEST_F(QemuSubjectTest, Rings) {
  Start(kDoorbellWorld, script::Stage::kPeers);
  EXPECT_EQ(Effects("write { registers: 12 value: 0x20001 }"),
            "rings { peer: 2 vector: 1 }");
  EXPECT_EQ(Effects("write { registers: 12 value: 0x90001 }"), "");
  EXPECT_EQ(Effects("vector_arrives { id: 9 vector: 1 }"), "");
  EXPECT_EQ(Effects("write { registers: 12 value: 0x90001 }"),
            "rings { peer: 9 vector: 1 }");
  EXPECT_TRUE(
      absl::IsInvalidArgument(Do("peer_joins { id: 2 vectors: 1 }").status()));
  EXPECT_EQ(Effects("peer_leaves { id: 2 }"), "");
  EXPECT_EQ(Effects("write { registers: 12 value: 0x20001 }"), "");
  EXPECT_TRUE(
      absl::IsUnimplemented(Do("peer_joins { id: 2 vectors: 1 }").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Do("peer_leaves { id: 2 }").status()));
}

// Interrupts in, each once; those that are masked wait.
TEST_F(QemuSubjectTest, Interrupts) {
  Start(kDoorbellWorld, script::Stage::kDriver);
  const std::string message =
      R"(messages { device: "pci" address: 1048592 data: 65 })";
  EXPECT_EQ(Effects("interrupt { vector: 1 }"), message);
  EXPECT_EQ(Effects("interrupt { vector: 2 }"), "");
  EXPECT_EQ(Effects("write { msix: 28 value: 1 }"), "");
  EXPECT_EQ(Effects("interrupt { vector: 1 }"), "");
  EXPECT_EQ(Gives("read { msix: 0x800 }"), 2);
  EXPECT_EQ(Effects("write { msix: 28 value: 0 }"), message);
  // The device rings itself.
  EXPECT_EQ(Effects("write { registers: 12 value: 0x10001 }"), message);
}

TEST_F(QemuSubjectTest, Reset) {
  Start(kDoorbellWorld, script::Stage::kDriver);
  EXPECT_EQ(subject_->state().msix_control & pci::kMsixControlEnable,
            pci::kMsixControlEnable);
  EXPECT_EQ(Effects("reset { }"), "");
  EXPECT_EQ(subject_->state().msix_control & pci::kMsixControlEnable, 0);
  EXPECT_EQ(subject_->state().command, 0);
  EXPECT_EQ(Gives("read { registers: 8 }"), 0xffffffff);
}

}  // namespace
}  // namespace ivshmem::qemu
