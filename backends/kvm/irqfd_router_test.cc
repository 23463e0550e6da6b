// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/irqfd_router.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/recording_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr uint32_t kFirst = 100;

pci::MsiMessage Message(uint32_t data) {
  return {.address = 0xfee00000, .data = data};
}

// An embedder's own table, with room for `room`.
class Routes : public GsiRoutes {
 public:
  explicit Routes(size_t room) : room_(room) {}

  absl::StatusOr<std::vector<uint32_t>> Add(
      absl::Span<const pci::MsiMessage> messages) override {
    ++additions;
    if (!refusal.ok()) return refusal;
    std::vector<uint32_t> gsis;
    for (const pci::MsiMessage& message : messages) {
      if (added.size() == room_) break;
      gsis.push_back(kFirst + static_cast<uint32_t>(added.size()));
      added.push_back(message);
    }
    return gsis;
  }
  void Remove(uint32_t gsi) noexcept override {
    removed.push_back(gsi);
    if (on_remove) on_remove();
  }

  int additions = 0;
  absl::Status refusal;
  std::vector<pci::MsiMessage> added;
  std::vector<uint32_t> removed;
  std::function<void()> on_remove;

 private:
  const size_t room_;
};

auto IsIrqfd(uint32_t fd, uint32_t gsi, uint32_t flags = 0) {
  return AllOf(Field("fd", &kvm_irqfd::fd, fd),
               Field("gsi", &kvm_irqfd::gsi, gsi),
               Field("flags", &kvm_irqfd::flags, flags));
}

// A route for the message, an irqfd for the route. When the registration goes,
// first the irqfd, then its route: it must not send what the route's next owner
// says.
TEST(IrqfdRouterTest, BindsAndUnbinds) {
  RecordingVm vm;
  Routes routes(10);
  IrqfdRouter router(vm, routes);
  auto bound = router.Bind({42}, Message(7));
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_THAT(routes.added, ElementsAre(Message(7)));
  EXPECT_THAT(vm.TakeIrqfds(), ElementsAre(IsIrqfd(42, kFirst)));
  EXPECT_THAT(routes.removed, IsEmpty());

  bool irqfd_gone = false;
  routes.on_remove = [&] { irqfd_gone = !vm.TakeIrqfds().empty(); };
  *bound = nullptr;
  EXPECT_THAT(routes.removed, ElementsAre(kFirst));
  EXPECT_TRUE(irqfd_gone);
}

// Many at once ask for their routes once; each event gets its own message's.
TEST(IrqfdRouterTest, RoutesAreAddedAtOnce) {
  RecordingVm vm;
  Routes routes(10);
  IrqfdRouter router(vm, routes);
  const auto bound = router.BindAll(std::vector<IrqRouter::Request>{
      {{42}, Message(7)}, {{43}, Message(8)}, {{44}, Message(9)}});
  ASSERT_EQ(bound.size(), 3u);
  EXPECT_TRUE(bound[0].ok() && bound[1].ok() && bound[2].ok());
  EXPECT_EQ(routes.additions, 1);
  EXPECT_THAT(routes.added, ElementsAre(Message(7), Message(8), Message(9)));
  EXPECT_THAT(vm.TakeIrqfds(),
              ElementsAre(IsIrqfd(42, kFirst), IsIrqfd(43, kFirst + 1),
                          IsIrqfd(44, kFirst + 2)));
}

// What there is no room for is ResourceExhausted; the others are bound.
TEST(IrqfdRouterTest, AFullTable) {
  RecordingVm vm;
  Routes routes(1);
  IrqfdRouter router(vm, routes);
  const auto bound = router.BindAll(
      std::vector<IrqRouter::Request>{{{42}, Message(7)}, {{43}, Message(8)}});
  ASSERT_EQ(bound.size(), 2u);
  EXPECT_TRUE(bound[0].ok());
  EXPECT_TRUE(absl::IsResourceExhausted(bound[1].status()));
  EXPECT_THAT(vm.TakeIrqfds(), ElementsAre(IsIrqfd(42, kFirst)));
  EXPECT_TRUE(
      absl::IsResourceExhausted(router.Bind({44}, Message(9)).status()));
}

// No routes at all: everyone is told why, and the kernel is not asked.
TEST(IrqfdRouterTest, TheTableIsRefused) {
  RecordingVm vm;
  Routes routes(10);
  routes.refusal = absl::InternalError("no table");
  IrqfdRouter router(vm, routes);
  const auto bound = router.BindAll(
      std::vector<IrqRouter::Request>{{{42}, Message(7)}, {{43}, Message(8)}});
  ASSERT_EQ(bound.size(), 2u);
  EXPECT_EQ(bound[0].status(), routes.refusal);
  EXPECT_EQ(bound[1].status(), routes.refusal);
  EXPECT_THAT(vm.TakeIrqfds(), IsEmpty());
}

// An irqfd that the kernel refuses, as of an event that is bound already: its
// route is given back, the others are bound.
TEST(IrqfdRouterTest, AnIrqfdIsRefused) {
  RecordingVm vm;
  Routes routes(10);
  IrqfdRouter router(vm, routes);
  vm.Answer(KVM_IRQFD, -EBUSY);
  const auto bound = router.BindAll(
      std::vector<IrqRouter::Request>{{{42}, Message(7)}, {{43}, Message(8)}});
  ASSERT_EQ(bound.size(), 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(bound[0].status()));
  EXPECT_TRUE(bound[1].ok());
  EXPECT_THAT(routes.removed, ElementsAre(kFirst));
}

// Registrations may outlive the object.
TEST(IrqfdRouterTest, RegistrationsOutliveIt) {
  RecordingVm vm;
  Routes routes(10);
  std::optional<IrqfdRouter> router(std::in_place, vm, routes);
  auto bound = router->Bind({42}, Message(7));
  router.reset();
  vm.TakeIrqfds();
  *bound = nullptr;
  EXPECT_THAT(vm.TakeIrqfds(),
              ElementsAre(IsIrqfd(42, kFirst, KVM_IRQFD_FLAG_DEASSIGN)));
  EXPECT_THAT(routes.removed, ElementsAre(kFirst));
}

}  // namespace
}  // namespace ivshmem::kvm
