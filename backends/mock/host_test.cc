// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/host.h"

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "backends/mock/recording_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using MissPolicy = DoorbellAccelerator::MissPolicy;

constexpr pci::MsiMessage kMessage = {.address = 0xfee00000, .data = 0x41};

TEST(HostTest, TellsItsStoryInOrder) {
  Host host;
  RecordingHandler handler;
  alignas(8) std::array<uint8_t, 16> memory = {};
  const EventHandle event = host.events().Create();
  std::vector<RegistrationPtr> held;
  held.push_back(*host.space().Claim(0x1000, 0x100, handler));
  held.push_back(
      *host.space().Map(0x2000, {.data = memory.data(), .size = memory.size()},
                        MemoryAccess::kReadOnly));
  held.push_back(*host.accelerator().Bind(0x100c, 1, event));
  held.push_back(*host.router().Bind(event, kMessage));
  // The guest rings, the event carries, the message arrives, and on this the
  // line moves.
  host.msi().SetCallback(
      [&host](const pci::MsiMessage&) { host.line().SetLevel(true); });
  host.space().Write32(0x100c, 1);
  host.pulse().Pulse();
  while (!held.empty()) held.pop_back();
  EXPECT_THAT(host.msi().all(), ElementsAre(kMessage));
  EXPECT_THAT(host.line().all(), ElementsAre(true));
  EXPECT_THAT(host.pulse().all(), SizeIs(1));
  EXPECT_THAT(
      host.log().Take(),
      ElementsAre(Entry::Claim(0x1000, 0x100),
                  Entry::Map(0x2000, 16, MemoryAccess::kReadOnly),
                  Entry::BindDoorbell(0x100c, 1, event),
                  Entry::BindRoute(event, kMessage), Entry::Signal(event),
                  Entry::Message(kMessage), Entry::Line(0, true),
                  Entry::Pulse(0), Entry::UnbindRoute(event, kMessage),
                  Entry::UnbindDoorbell(0x100c, 1, event),
                  Entry::Unmap(0x2000, 16, MemoryAccess::kReadOnly),
                  Entry::Unclaim(0x1000, 0x100)));
}

TEST(HostTest, InjectsFaultsInEachPart) {
  Host host;
  RecordingHandler handler;
  std::array<uint8_t, 16> memory = {};
  const EventHandle event = host.events().Create();
  const absl::Status fault = absl::DataLossError("injected");
  for (Operation operation :
       {Operation::kClaim, Operation::kMap, Operation::kBindDoorbell,
        Operation::kBindRoute}) {
    host.faults().FailAll(operation, fault);
  }
  EXPECT_EQ(host.space().Claim(0x1000, 0x100, handler).status(), fault);
  EXPECT_EQ(host.space()
                .Map(0x2000, {.data = memory.data(), .size = memory.size()},
                     MemoryAccess::kReadWrite)
                .status(),
            fault);
  EXPECT_EQ(host.accelerator().Bind(0x100c, 1, event).status(), fault);
  EXPECT_EQ(host.router().Bind(event, kMessage).status(), fault);
}

TEST(HostTest, OptionsReachTheirParts) {
  Host host({.spanning = AddressSpace::Spanning::kFault,
             .miss_policy = MissPolicy::kSwallowed,
             .doorbell_capacity = 0,
             .route_capacity = 0,
             .keep = 1});
  const EventHandle event = host.events().Create();
  EXPECT_EQ(host.accelerator().miss_policy(), MissPolicy::kSwallowed);
  EXPECT_EQ(host.accelerator().Bind(0x100c, 1, event).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(host.router().Bind(event, kMessage).status().code(),
            absl::StatusCode::kResourceExhausted);
  RecordingHandler handler;
  const auto claim = host.space().Claim(0x1000, 0x10, handler);
  EXPECT_EQ(host.space().Read32(0x100e), 0xffffffff);
  EXPECT_THAT(handler.Take(), IsEmpty());
  EXPECT_EQ(host.log().total(), 3u);
  EXPECT_THAT(host.log().entries(), SizeIs(1));
  host.msi().Send(kMessage);
  host.msi().Send(kMessage);
  EXPECT_THAT(host.msi().all(), SizeIs(1));
}

TEST(HostTest, RegistrationsAndNotifiersOutliveIt) {
  auto host = std::make_unique<Host>();
  RecordingHandler handler;
  std::array<uint8_t, 16> memory = {};
  const EventHandle event = host->events().Create();
  EventNotifier notifier(host->events(), event);
  std::vector<RegistrationPtr> held;
  held.push_back(*host->space().Claim(0x1000, 0x100, handler));
  held.push_back(
      *host->space().Map(0x2000, {.data = memory.data(), .size = memory.size()},
                         MemoryAccess::kReadWrite));
  held.push_back(*host->accelerator().Bind(0x100c, 1, event));
  held.push_back(*host->router().Bind(event, kMessage));
  host.reset();
  EXPECT_EQ(notifier.Signal(), Notifier::Outcome::kFailed);
  held.clear();
}

// A run of everything, as text.
std::string Story() {
  Host host({.doorbell_capacity = 20});
  RecordingHandler handler;
  std::vector<RegistrationPtr> held;
  for (uint32_t i = 0; i < 64; ++i) {
    const EventHandle event = host.events().Create();
    auto route = host.router().Bind(event, {.address = 0xfee00000, .data = i});
    if (route.ok()) held.push_back(*std::move(route));
    auto bound = host.accelerator().Bind(0x100c + 0x100 * (i % 3), i, event);
    if (bound.ok()) held.push_back(*std::move(bound));
    host.executor().Run(
        [&host, i] { host.space().Write32(0x100c + 0x100 * (i % 3), i); });
    if (i % 7 == 0 && !held.empty()) held.erase(held.begin());
  }
  host.executor().RunAll();
  held.clear();
  std::ostringstream os;
  for (const Entry& entry : host.log().Take()) os << entry << "\n";
  return os.str();
}

TEST(HostTest, IsDeterministic) {
  const std::string first = Story();
  EXPECT_EQ(first, Story());
  EXPECT_THAT(first, ::testing::HasSubstr("message 0xfee00000:0xa\n"));
}

}  // namespace
}  // namespace ivshmem::mock
