// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/dispatcher.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/ioreq/fake_guest_memory.h"
#include "backends/ioreq/fake_range_claims.h"
#include "backends/ioreq/request.h"
#include "backends/mock/recording_handler.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "bus/pci/config_ports.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::ioreq {
namespace {

using mock::RecordingHandler;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using Access = RecordingHandler::Access;
using Kind = Request::Kind;
using Direction = Request::Direction;

constexpr uint64_t kBase = 0xfe000000;
constexpr uint64_t kPort = 0xc000;
constexpr uint64_t kRam = 0x100000;
constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();

Request ReadOf(uint64_t address, uint64_t size, Kind kind = Kind::kMemory) {
  return {.kind = kind,
          .direction = Direction::kRead,
          .address = address,
          .size = size,
          .value = 0x1122334455667788};
}

Request WriteOf(uint64_t address, uint64_t size, uint64_t value,
                Kind kind = Kind::kMemory) {
  return {.kind = kind,
          .direction = Direction::kWrite,
          .address = address,
          .size = size,
          .value = value};
}

auto Counted(uint64_t unclaimed, uint64_t spanning, uint64_t malformed) {
  using Counts = Dispatcher::Counts;
  return AllOf(Field("unclaimed", &Counts::unclaimed, unclaimed),
               Field("spanning", &Counts::spanning, spanning),
               Field("malformed", &Counts::malformed, malformed));
}

// A handler of 256 bytes in memory, at ports and in config space.
class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() {
    Claim(Space::kMemory, kBase, 0x100, memory_handler_);
    Claim(Space::kPorts, kPort, 0x100, port_handler_);
    Claim(Space::kPciConfig, kFunction, pci::kEcamFunctionSize,
          config_handler_);
  }

  void Claim(Space space, uint64_t base, uint64_t size, MmioHandler& handler) {
    auto claimed = dispatcher_.space(space).Claim(base, size, handler);
    ASSERT_TRUE(claimed.ok()) << claimed.status();
    claims_.push_back(*std::move(claimed));
  }

  // Nothing reached a handler.
  void ExpectUntouched() {
    EXPECT_THAT(memory_handler_.Take(), IsEmpty());
    EXPECT_THAT(port_handler_.Take(), IsEmpty());
    EXPECT_THAT(config_handler_.Take(), IsEmpty());
  }

  static constexpr uint64_t kFunction = pci::EcamOffset(0, 3, 0);

  RecordingHandler memory_handler_{0x10};
  RecordingHandler port_handler_{0x20};
  RecordingHandler config_handler_{0x30};
  FakeGuestMemory ram_{kRam, 0x100};
  Dispatcher dispatcher_{nullptr, &ram_};
  std::vector<RegistrationPtr> claims_;
};

// An access that lies wholly in a range is its handler's, which sees offsets;
// bytes are in the guest's order.
TEST_F(DispatcherTest, RangesLeadToHandlers) {
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase + 4, 4)), 0x17161514u);
  EXPECT_EQ(dispatcher_.Answer(WriteOf(kBase + 8, 4, 0x04030201)), 0x04030201u);
  EXPECT_THAT(memory_handler_.Take(),
              ElementsAre(Access{.offset = 4, .read = 4},
                          Access{.offset = 8, .written = {1, 2, 3, 4}}));
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kPort + 1, 1, Kind::kPorts)), 0x21u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kFunction + 2, 2, Kind::kPciConfig)),
            0x3332u);
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 0));
}

// Sizes are 1, 2, 4 and 8; a value is masked to them. Ports and config space
// have no 8.
TEST_F(DispatcherTest, Sizes) {
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, 1)), 0x10u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, 2)), 0x1110u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, 4)), 0x13121110u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, 8)), 0x1716151413121110u);
  dispatcher_.Answer(WriteOf(kBase, 1, 0xaabb));
  EXPECT_THAT(memory_handler_.Take().back(),
              (Access{.offset = 0, .written = {0xbb}}));
  for (const uint64_t size : {0, 3, 5, 6, 7, 9, 16, 256}) {
    EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, size)), kTop) << size;
    EXPECT_EQ(dispatcher_.Answer(WriteOf(kBase, size, 5)), 5u) << size;
  }
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, kTop)), kTop);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kPort, 8, Kind::kPorts)), kTop);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kFunction, 8, Kind::kPciConfig)), kTop);
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 19));
  ExpectUntouched();
}

// Unclaimed reads are all ones, of their size; writes are dropped.
TEST_F(DispatcherTest, Unclaimed) {
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0x5000, 1)), 0xffu);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0x5000, 2)), 0xffffu);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0x5000, 4)), 0xffffffffu);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0x5000, 8)), kTop);
  EXPECT_EQ(dispatcher_.Answer(WriteOf(0x5000, 4, 5)), 5u);
  // The same number in another space is another place.
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kPort, 4)), 0xffffffffu);
  EXPECT_THAT(dispatcher_.counts(), Counted(6, 0, 0));
  ExpectUntouched();
}

// An access that spans the end of a range, or two ranges, is nobody's; it is
// counted apart.
TEST_F(DispatcherTest, SpanningTheEndOfARange) {
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase - 1, 2)), 0xffffu);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase + 0xfe, 4)), 0xffffffffu);
  EXPECT_EQ(dispatcher_.Answer(WriteOf(kBase + 0xff, 2, 5)), 5u);
  RecordingHandler next;
  Claim(Space::kMemory, kBase + 0x100, 4, next);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase + 0xfe, 4)), 0xffffffffu);
  EXPECT_THAT(next.Take(), IsEmpty());
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 4, 0));
  ExpectUntouched();
}

// A config access does not cross out of its function.
TEST_F(DispatcherTest, ConfigAccessesStayInTheirFunction) {
  RecordingHandler next;
  Claim(Space::kPciConfig, kFunction + 0x1000, 0x1000, next);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kFunction + 0xffe, 4, Kind::kPciConfig)),
            0xffffffffu);
  EXPECT_THAT(next.Take(), IsEmpty());
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 1, 0));
  ExpectUntouched();
}

// A type or a direction that there is not is answered, and does nothing.
TEST_F(DispatcherTest, UnknownTypesAndDirections) {
  Request request = ReadOf(kBase, 4);
  for (const Kind kind : {Kind::kUnknown, static_cast<Kind>(200)}) {
    request.kind = kind;
    EXPECT_EQ(dispatcher_.Answer(request), 0xffffffffu);
  }
  request = ReadOf(kBase, 4);
  for (const Direction direction :
       {Direction::kUnknown, static_cast<Direction>(200)}) {
    request.direction = direction;
    EXPECT_EQ(dispatcher_.Answer(request), 0xffffffffu);
  }
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 4));
  ExpectUntouched();
}

// An access that wraps around the end of its space is malformed; the last bytes
// of it are there.
TEST_F(DispatcherTest, WrapAround) {
  RecordingHandler top(1);
  Claim(Space::kMemory, kTop - 3, 4, top);
  Claim(Space::kPorts, 0xfffe, 2, top);
  Claim(Space::kPciConfig, 0xffff000, 0x1000, top);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kTop - 3, 4)), 0x04030201u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0xfffe, 2, Kind::kPorts)), 0x0201u);
  EXPECT_EQ(dispatcher_.Answer(ReadOf(0xffff000, 2, Kind::kPciConfig)),
            0x0201u);
  EXPECT_EQ(top.Take().size(), 3u);
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 0));
  dispatcher_.Answer(ReadOf(kTop - 2, 4));
  dispatcher_.Answer(ReadOf(kTop, 2));
  dispatcher_.Answer(ReadOf(0xffff, 2, Kind::kPorts));
  dispatcher_.Answer(ReadOf(0x10000, 1, Kind::kPorts));
  dispatcher_.Answer(ReadOf(0x100000000 + kPort, 1, Kind::kPorts));
  dispatcher_.Answer(ReadOf(0xfffffff, 2, Kind::kPciConfig));
  dispatcher_.Answer(ReadOf(0x10000000, 1, Kind::kPciConfig));
  EXPECT_THAT(top.Take(), IsEmpty());
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 7));
}

// A request after its range was released is answered too.
TEST_F(DispatcherTest, LateRequests) {
  claims_.clear();
  EXPECT_EQ(dispatcher_.Answer(ReadOf(kBase, 4)), 0xffffffffu);
  EXPECT_EQ(dispatcher_.Answer(WriteOf(kBase, 4, 5)), 5u);
  EXPECT_THAT(dispatcher_.counts(), Counted(2, 0, 0));
  ExpectUntouched();
}

// --- String instructions: of several items, or with operands in memory -------

// Memory addresses step by the size; of several reads the last value counts,
// a value that is written is the same each time.
TEST_F(DispatcherTest, ItemsStepThroughMemory) {
  Request read = ReadOf(kBase + 8, 2);
  read.count = 3;
  EXPECT_EQ(dispatcher_.Answer(read), 0x1d1cu);
  read.backwards = true;
  EXPECT_EQ(dispatcher_.Answer(read), 0x1514u);
  EXPECT_THAT(
      memory_handler_.Take(),
      ElementsAre(
          Access{.offset = 8, .read = 2}, Access{.offset = 10, .read = 2},
          Access{.offset = 12, .read = 2}, Access{.offset = 8, .read = 2},
          Access{.offset = 6, .read = 2}, Access{.offset = 4, .read = 2}));
  Request write = WriteOf(kBase, 1, 9);
  write.count = 2;
  EXPECT_EQ(dispatcher_.Answer(write), 9u);
  EXPECT_THAT(memory_handler_.Take(),
              ElementsAre(Access{.offset = 0, .written = {9}},
                          Access{.offset = 1, .written = {9}}));
}

// A port stays the same, and so does a register of config space.
TEST_F(DispatcherTest, ItemsOfAPortStayThere) {
  Request read = ReadOf(kPort + 8, 4, Kind::kPorts);
  read.count = 2;
  EXPECT_EQ(dispatcher_.Answer(read), 0x2b2a2928u);
  EXPECT_THAT(port_handler_.Take(),
              ElementsAre(Access{.offset = 8, .read = 4},
                          Access{.offset = 8, .read = 4}));
  read.kind = Kind::kPciConfig;
  read.address = kFunction + 4;
  dispatcher_.Answer(read);
  EXPECT_THAT(config_handler_.Take(),
              ElementsAre(Access{.offset = 4, .read = 4},
                          Access{.offset = 4, .read = 4}));
}

// Operands in memory step as well; the address comes back as it was.
TEST_F(DispatcherTest, OperandsInMemory) {
  Request read = ReadOf(kPort, 2, Kind::kPorts);
  read.value = kRam + 0x10;
  read.value_is_address = true;
  read.count = 2;
  EXPECT_EQ(dispatcher_.Answer(read), kRam + 0x10);
  EXPECT_THAT(absl::MakeSpan(ram_.bytes()).subspan(0x10, 5),
              ElementsAre(0x20, 0x21, 0x20, 0x21, 0));

  Request write = WriteOf(kBase + 0x20, 2, kRam + 0x12);
  write.value_is_address = true;
  write.backwards = true;
  write.count = 2;
  ram_.bytes()[0x10] = 1;
  EXPECT_EQ(dispatcher_.Answer(write), kRam + 0x12);
  EXPECT_THAT(memory_handler_.Take(),
              ElementsAre(Access{.offset = 0x20, .written = {0x20, 0x21}},
                          Access{.offset = 0x1e, .written = {1, 0x21}}));
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 0));
}

// One item with its operand in memory steps nowhere, and is no less one.
TEST_F(DispatcherTest, OneOperandInMemory) {
  Request read = ReadOf(kBase, 8);
  read.value = kRam + 0xf8;
  read.value_is_address = true;
  EXPECT_EQ(dispatcher_.Answer(read), kRam + 0xf8);
  EXPECT_EQ(ram_.bytes()[0xf8], 0x10);
  EXPECT_EQ(ram_.bytes()[0xff], 0x17);
}

// What no one answers reads ones in a string as well; the string goes on, and
// counts once.
TEST_F(DispatcherTest, UnclaimedItems) {
  Request read = ReadOf(kBase + 0xfe, 1);
  read.value = kRam;
  read.value_is_address = true;
  read.count = 4;
  dispatcher_.Answer(read);
  EXPECT_THAT(absl::MakeSpan(ram_.bytes()).first(5),
              ElementsAre(0x0e, 0x0f, 0xff, 0xff, 0));
  EXPECT_THAT(dispatcher_.counts(), Counted(1, 0, 0));
  read.address = kBase + 0xfd;
  read.size = 2;
  dispatcher_.Answer(read);
  EXPECT_THAT(dispatcher_.counts(), Counted(1, 1, 0)) << "what failed first";
}

// An operand that is no memory ends the string.
TEST_F(DispatcherTest, AFailedOperandEndsTheString) {
  Request read = ReadOf(kBase, 4);
  read.value = kRam + 0xf8;
  read.value_is_address = true;
  read.count = 5;
  EXPECT_EQ(dispatcher_.Answer(read), kRam + 0xf8);
  EXPECT_EQ(memory_handler_.Take().size(), 3u);
  Request write = WriteOf(kBase, 4, kRam + 0xf8);
  write.value_is_address = true;
  write.count = 5;
  dispatcher_.Answer(write);
  EXPECT_EQ(memory_handler_.Take().size(), 2u) << "what cannot be read is not "
                                                  "written";
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 2));
}

// The number of items is bounded; none is malformed as well.
TEST_F(DispatcherTest, TheCountIsBounded) {
  Request read = ReadOf(kPort, 1, Kind::kPorts);
  read.count = Dispatcher::kMaxCount;
  EXPECT_EQ(dispatcher_.Answer(read), 0x20u);
  EXPECT_EQ(port_handler_.Take().size(), 4096u);
  for (const uint32_t count : {0u, Dispatcher::kMaxCount + 1, ~0u}) {
    read.count = count;
    EXPECT_EQ(dispatcher_.Answer(read), 0xffu) << count;
  }
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 3));
  ExpectUntouched();
}

// Items that would leave their space on either side, or whose operands would,
// are malformed as a whole: nothing is done.
TEST_F(DispatcherTest, StringsDoNotWrapAround) {
  RecordingHandler ends(1);
  Claim(Space::kMemory, 0, 0x100, ends);
  Claim(Space::kMemory, kTop - 0xff, 0x100, ends);
  Request request = WriteOf(4, 4, 5);
  request.count = 3;
  request.backwards = true;
  dispatcher_.Answer(request);
  request.address = kTop - 7;
  request.backwards = false;
  dispatcher_.Answer(request);
  EXPECT_THAT(ends.Take(), IsEmpty());
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 2));
  request.count = 2;
  dispatcher_.Answer(request);
  request.address = 4;
  request.backwards = true;
  dispatcher_.Answer(request);
  EXPECT_EQ(ends.Take().size(), 4u);
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 2));

  request.address = kBase + 0x40;
  request.value_is_address = true;
  request.value = 3;
  dispatcher_.Answer(request);
  request.backwards = false;
  request.value = kTop - 6;
  dispatcher_.Answer(request);
  ExpectUntouched();
  EXPECT_THAT(dispatcher_.counts(), Counted(0, 0, 4));
}

// Without the guest's memory operands in it are malformed, items are not.
TEST_F(DispatcherTest, WithoutGuestMemory) {
  Dispatcher dispatcher(nullptr, nullptr);
  const auto claim =
      *dispatcher.space(Space::kMemory).Claim(kBase, 0x100, memory_handler_);
  Request request = WriteOf(kBase, 4, kRam);
  request.count = 2;
  dispatcher.Answer(request);
  EXPECT_EQ(memory_handler_.Take().size(), 2u);
  request.value_is_address = true;
  EXPECT_EQ(dispatcher.Answer(request), kRam);
  EXPECT_THAT(memory_handler_.Take(), IsEmpty());
  EXPECT_THAT(dispatcher.counts(), Counted(0, 0, 1));
}

// --- Claims
// -------------------------------------------------------------------

using Range = FakeRangeClaims::Range;

// What a device claims is claimed at the hypervisor, until it is released.
TEST(DispatcherClaimsTest, AreMadeAtTheHypervisorToo) {
  FakeRangeClaims claims;
  Dispatcher dispatcher(&claims, nullptr);
  RecordingHandler handler;
  {
    const auto memory =
        dispatcher.space(Space::kMemory).Claim(0x1000, 0x100, handler);
    const auto ports = dispatcher.space(Space::kPorts).Claim(0x10, 8, handler);
    const auto config =
        dispatcher.space(Space::kPciConfig).Claim(0x18000, 0x1000, handler);
    EXPECT_THAT(claims.ranges(),
                ElementsAre(Range{Space::kMemory, 0x1000, 0x100},
                            Range{Space::kPorts, 0x10, 8},
                            Range{Space::kPciConfig, 0x18000, 0x1000}));
  }
  EXPECT_THAT(claims.ranges(), IsEmpty());
}

// A request that comes as soon as the hypervisor knows a range finds its
// handler; so does one that comes while the hypervisor forgets it.
TEST(DispatcherClaimsTest, TheHandlerIsThereBeforeAndAfter) {
  FakeRangeClaims claims;
  Dispatcher dispatcher(&claims, nullptr);
  RecordingHandler handler(7);
  std::vector<uint64_t> read;
  claims.on_change = [&](const Range& range) {
    read.push_back(dispatcher.Answer(ReadOf(range.base, 1)));
  };
  auto claim = dispatcher.space(Space::kMemory).Claim(0x1000, 0x100, handler);
  EXPECT_THAT(read, ElementsAre(7));
  *claim = nullptr;
  EXPECT_THAT(read, ElementsAre(7, 7));
  EXPECT_EQ(dispatcher.Answer(ReadOf(0x1000, 1)), 0xffu);
}

// What the hypervisor refuses is not claimed here either; its error comes back.
TEST(DispatcherClaimsTest, ARefusalLeavesNothing) {
  FakeRangeClaims claims;
  Dispatcher dispatcher(&claims, nullptr);
  RecordingHandler handler(7);
  MmioSpace& space = dispatcher.space(Space::kMemory);
  claims.refusal = absl::ResourceExhaustedError("256 ranges");
  EXPECT_EQ(space.Claim(0x1000, 0x100, handler).status(),
            absl::ResourceExhaustedError("256 ranges"));
  EXPECT_EQ(dispatcher.Answer(ReadOf(0x1000, 1)), 0xffu);
  EXPECT_TRUE(space.Claim(0x1000, 0x100, handler).ok());
}

// What overlaps here is not asked for there.
TEST(DispatcherClaimsTest, OverlapsAreRefusedHere) {
  FakeRangeClaims claims;
  Dispatcher dispatcher(&claims, nullptr);
  RecordingHandler handler;
  MmioSpace& space = dispatcher.space(Space::kPorts);
  const auto claim = *space.Claim(0x10, 8, handler);
  int asked = 0;
  claims.on_change = [&](const Range&) { ++asked; };
  EXPECT_TRUE(absl::IsAlreadyExists(space.Claim(0x17, 2, handler).status()));
  EXPECT_EQ(asked, 0);
  claims.on_change = nullptr;
}

// A claim is a range of its space; of config space it is whole functions. The
// error says what was expected and what came.
TEST(DispatcherClaimsTest, RangesAreChecked) {
  Dispatcher dispatcher(nullptr, nullptr);
  RecordingHandler handler;
  const auto error = [&](Space space, uint64_t base, uint64_t size) {
    const auto claim = dispatcher.space(space).Claim(base, size, handler);
    EXPECT_TRUE(absl::IsInvalidArgument(claim.status()))
        << base << " " << size << claim.status();
    return std::string(claim.status().message());
  };
  EXPECT_EQ(error(Space::kPorts, 0xfff8, 9),
            "range: expected some bytes, none past 0xffff, got 0x9 bytes at "
            "0xfff8");
  EXPECT_EQ(error(Space::kPciConfig, 0x1800, 0x1000),
            "range of config space: expected whole functions, 0x1000 bytes "
            "each, got 0x1000 bytes at 0x1800");
  error(Space::kPciConfig, 0x1000, 0x800);
  error(Space::kPciConfig, 0x10000000, 0x1000);
  error(Space::kPciConfig, 0xffff000, 0x2000);
  error(Space::kPorts, 0x10000, 1);
  error(Space::kPorts, 0, 0);
  error(Space::kMemory, kTop, 2);
  error(Space::kMemory, 0, 0);
  EXPECT_TRUE(dispatcher.space(Space::kMemory).Claim(kTop, 1, handler).ok());
  EXPECT_TRUE(dispatcher.space(Space::kPorts).Claim(0xfff8, 8, handler).ok());
  EXPECT_TRUE(dispatcher.space(Space::kPciConfig)
                  .Claim(0xffff000, 0x1000, handler)
                  .ok());
}

// A registration may outlive the dispatcher.
TEST(DispatcherClaimsTest, RegistrationsOutliveIt) {
  FakeRangeClaims claims;
  RecordingHandler handler;
  std::optional<Dispatcher> dispatcher(std::in_place, &claims, nullptr);
  auto claim = dispatcher->space(Space::kMemory).Claim(0x1000, 4, handler);
  dispatcher.reset();
  *claim = nullptr;
  EXPECT_THAT(claims.ranges(), IsEmpty());
}

}  // namespace
}  // namespace ivshmem::ioreq
