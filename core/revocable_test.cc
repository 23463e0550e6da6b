// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/revocable.h"

#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(RevocableTest, LeadsNowhereOnceRevoked) {
  int object = 1;
  Revocable<int> way(object);
  EXPECT_TRUE(way.With([](int& value) { value = 2; }));
  EXPECT_EQ(object, 2);
  way.Revoke();
  EXPECT_FALSE(way.With([](int& value) { value = 3; }));
  EXPECT_EQ(object, 2);
}

// "May be called from inside With()", where the object then goes as well.
TEST(RevocableTest, MayBeRevokedFromInside) {
  auto object = std::make_unique<int>(1);
  Revocable<int> way(*object);
  EXPECT_TRUE(way.With([&](int&) {
    way.With([&](int&) { way.Revoke(); });
    object.reset();
    EXPECT_FALSE(way.With([](int&) {}));
  }));
  EXPECT_FALSE(way.With([](int&) {}));
}

// "Held by shared_ptr": the last who holds it may let it go from inside.
TEST(RevocableTest, MayBeDestroyedFromInside) {
  int object = 1;
  auto way = std::make_shared<Revocable<int>>(object);
  EXPECT_TRUE(way->With([&way](int&) {
    way->Revoke();
    way.reset();
  }));
  EXPECT_EQ(way, nullptr);
}

// "When this returns, no other thread is in With() with the object."
TEST(RevocableTest, RevokeWaitsForWhoIsInside) {
  int object = 1;
  Revocable<int> way(object);
  absl::Notification inside;
  absl::Notification leave;
  std::thread user([&] {
    way.With([&](int& value) {
      inside.Notify();
      leave.WaitForNotification();
      value = 2;
    });
  });
  inside.WaitForNotification();
  std::thread leaver([&] {
    // From now on nobody comes in, although the first has not left.
    while (way.With([](int&) {})) std::this_thread::yield();
    leave.Notify();
  });
  way.Revoke();
  EXPECT_EQ(object, 2);
  user.join();
  leaver.join();
}

}  // namespace
}  // namespace ivshmem
