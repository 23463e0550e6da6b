// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/engine.h"

#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

absl::Status Usable() { return absl::OkStatus(); }
absl::Status Missing() {
  return absl::NotFoundError("/dev/kvm: No such file or directory");
}

// Left to itself it takes KVM where that can be used, else Unicorn, and says
// why.
TEST(EngineTest, AutoTakesKvmWhereItCan) {
  const auto kvm = ChooseEngine(EngineWish::kAuto, Usable);
  ASSERT_TRUE(kvm.ok()) << kvm.status();
  EXPECT_EQ(kvm->engine, Engine::kKvm);
  EXPECT_EQ(kvm->why, "/dev/kvm can be used");
  const auto unicorn = ChooseEngine(EngineWish::kAuto, Missing);
  ASSERT_TRUE(unicorn.ok()) << unicorn.status();
  EXPECT_EQ(unicorn->engine, Engine::kUnicorn);
  EXPECT_EQ(unicorn->why,
            "KVM cannot be used: /dev/kvm: No such file or directory");
}

// Who wants Unicorn gets it, and KVM is not touched.
TEST(EngineTest, UnicornIsAlwaysThere) {
  const auto unicorn = ChooseEngine(EngineWish::kUnicorn, [] {
    ADD_FAILURE() << "KVM is not asked for";
    return absl::OkStatus();
  });
  ASSERT_TRUE(unicorn.ok()) << unicorn.status();
  EXPECT_EQ(unicorn->engine, Engine::kUnicorn);
  EXPECT_EQ(unicorn->why, "asked for");
}

// Who wants KVM gets that or an error.
TEST(EngineTest, KvmOrNothing) {
  const auto kvm = ChooseEngine(EngineWish::kKvm, Usable);
  ASSERT_TRUE(kvm.ok()) << kvm.status();
  EXPECT_EQ(kvm->engine, Engine::kKvm);
  EXPECT_EQ(kvm->why, "asked for");
  EXPECT_EQ(ChooseEngine(EngineWish::kKvm, Missing).status().message(),
            "--engine: expected a machine where KVM can be used, got "
            "\"/dev/kvm: No such file or directory\"");
}

}  // namespace
}  // namespace ivshmem::two_guests
