// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/doorbell.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"
#include "testing/process.h"

// Two guests on real QEMUs and the `ivshmem` command, on our server.
namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class TwoQemus : public ::testing::Test {
 protected:
  static constexpr int kVectors = 3;

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    a_ = QemuGuest::Join(server_.socket_path(), kVectors);
    b_ = QemuGuest::Join(server_.socket_path(), kVectors);
    ASSERT_TRUE(a_ != nullptr && b_ != nullptr);
    ASSERT_TRUE(Know(*a_, *b_));
    ASSERT_TRUE(Know(*b_, *a_));
  }

  // Waits until `who` can ring all vectors of `whom`.
  static bool Know(QemuGuest& who, QemuGuest& whom) {
    const Vector last = kVectors - 1;
    const bool heard =
        who.RingUntil(whom.id(), last, [&] { return !whom.HearsNothing(); });
    EXPECT_TRUE(heard) << who.id() << " cannot ring " << whom.id();
    whom.device().Take(last);
    return heard && whom.HearsNothing();
  }

  // Each of them rings each vector of the other, which alone hears it.
  static void ExpectRingsBothWays(QemuGuest& a, QemuGuest& b) {
    for (Vector vector = 0; vector < kVectors; ++vector) {
      a.Ring(b.id(), vector);
      EXPECT_TRUE(b.Hears(vector)) << vector;
      EXPECT_TRUE(a.HearsNothing());
      b.Ring(a.id(), vector);
      EXPECT_TRUE(a.Hears(vector)) << vector;
      EXPECT_TRUE(b.HearsNothing());
    }
  }

  ServerProcess server_{{"--vectors", absl::StrCat(kVectors), "--size", "1M"}};
  std::unique_ptr<QemuGuest> a_;
  std::unique_ptr<QemuGuest> b_;
};

// The server gives the lowest ids that are free.
TEST_F(TwoQemus, HaveIds) {
  EXPECT_EQ(a_->id(), 0);
  EXPECT_EQ(b_->id(), 1);
}

// Clause: doorbell-fields, ring-write
TEST_F(TwoQemus, RingEachOther) { ExpectRingsBothWays(*a_, *b_); }

TEST_F(TwoQemus, ShareTheMemory) {
  a_->device().WriteMemory(0, {1, 2, 3});
  b_->device().WriteMemory((1 << 20) - 1, {4});
  EXPECT_THAT(b_->device().ReadMemory(0, 4), ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(a_->device().ReadMemory((1 << 20) - 2, 2), ElementsAre(0, 4));
  EXPECT_EQ(a_->device().function().ProbeBar(2).size, 1 << 20);
}

// The command is a third peer: lists both, rings them, is rung by them, and
// sees the same memory.
TEST_F(TwoQemus, AndTheCommand) {
  EXPECT_THAT(RunCommand(server_, {"peers", "--json"}),
              HasSubstr(R"({"peer":1,"self":false,"vectors":3})"));

  RunCommand(server_, {"ring", "--peer", "1", "--vector", "2"});
  EXPECT_TRUE(b_->Hears(2));
  EXPECT_TRUE(a_->HearsNothing());
  RunCommand(server_, {"ring", "--all", "--vector", "0"});
  EXPECT_TRUE(a_->Hears(0));
  EXPECT_TRUE(b_->Hears(0));

  RunCommand(server_, {"mem", "poke", "--offset", "0x1000", "c0ffee"});
  EXPECT_THAT(b_->device().ReadMemory(0x1000, 3),
              ElementsAre(0xc0, 0xff, 0xee));
  a_->device().WriteMemory(0x2000, {'h', 'e', 'l', 'l', 'o'});
  EXPECT_EQ(RunCommand(server_, {"mem", "dump", "--raw", "--offset", "0x2000",
                                 "--length", "5"}),
            "hello");
}

TEST_F(TwoQemus, RingTheCommand) {
  const auto watch =
      StartCommand(server_, {"watch", "--json", "--ignore-input"});
  ASSERT_NE(watch, nullptr);
  ASSERT_TRUE(Writes(*watch, R"("event":"watching","as":2})"));
  const std::string heard = R"("event":"interrupt","vector":2})";
  EXPECT_TRUE(a_->RingUntil(
      2, 2, [&] { return watch->Output().find(heard) != std::string::npos; }));
  b_->RingUntil(2, 1, [&] {
    return watch->Output().find(R"("event":"interrupt","vector":1})") !=
           std::string::npos;
  });
}

// A QEMU that is killed, and comes again, and again: the others hear of each
// coming and going; memory, vectors and who is there stay right; and nobody
// gets an id that a QEMU has known as another's, which would kill that one.
TEST_F(TwoQemus, OneIsKilledAndComesBack) {
  const auto watch =
      StartCommand(server_, {"watch", "--json", "--ignore-input"});
  ASSERT_NE(watch, nullptr);
  ASSERT_TRUE(Writes(*watch, R"("event":"watching","as":2})"));
  a_->device().WriteMemory(0x3000, {7, 8, 9});
  std::set<PeerId> ids = {0, 1, 2};
  for (int round = 0; round < 4; ++round) {
    const PeerId old = b_->id();
    b_->qemu().Kill();
    ASSERT_TRUE(
        Writes(*watch, absl::StrFormat(R"("event":"left","peer":%d})", old)));
    b_ = QemuGuest::Join(server_.socket_path(), kVectors);
    ASSERT_NE(b_, nullptr);
    EXPECT_TRUE(ids.insert(b_->id()).second) << b_->id() << " again";
    ASSERT_TRUE(Writes(
        *watch, absl::StrFormat(R"("event":"joined","peer":%d})", b_->id())));
    ASSERT_TRUE(Know(*b_, *a_));
    ASSERT_TRUE(Know(*a_, *b_));
    ExpectRingsBothWays(*a_, *b_);
    a_->Ring(old, 0);
    EXPECT_TRUE(b_->HearsNothing());
    EXPECT_THAT(b_->device().ReadMemory(0x3000, 3), ElementsAre(7, 8, 9));
  }
  const std::string peers = RunCommand(server_, {"peers", "--json"});
  EXPECT_THAT(peers, HasSubstr(R"({"peer":0,"self":false,"vectors":3})"));
  EXPECT_THAT(peers, Not(HasSubstr(R"({"peer":1,)")));
}

// All have gone: ids begin at 0 again.
TEST_F(TwoQemus, WhenAllHaveGone) {
  a_->qemu().Kill();
  EXPECT_TRUE(b_->qemu().Quit().ok());
  a_ = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(a_, nullptr);
  EXPECT_EQ(a_->id(), 0);
}

}  // namespace
}  // namespace ivshmem
