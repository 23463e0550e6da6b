// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/bar_placement.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/function.h"
#include "bus/pci/registers.h"
#include "core/events.h"
#include "core/shared_memory.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kSize = 0x1000;
constexpr int kLast = pci::kBars - 1;

// A function with all six BARs there can be, the last of memory.
class BarPlacementTest : public ::testing::Test {
 protected:
  BarPlacementTest() {
    for (int bar = 0; bar < pci::kBars; ++bar) {
      SetConfig(pci::kBar0 + 4 * bar, 4, Address(bar));
    }
  }

  static uint64_t Address(int bar) { return 0xfe000000 + bar * kSize; }

  static pci::FunctionSpec Spec() {
    pci::FunctionSpec spec;
    for (auto& bar : spec.bars) bar = pci::BarSpec{.size = kSize};
    return spec;
  }

  void SetConfig(uint64_t offset, int size, uint64_t value) {
    std::array<uint8_t, 4> bytes;
    const absl::Span<uint8_t> span = absl::MakeSpan(bytes).subspan(0, size);
    StoreLittleEndian(value, span);
    function_->ConfigWrite(offset, span);
  }
  // The guest turns decode on or off, or moves a BAR, and the host follows.
  void Decode(bool on) {
    SetConfig(pci::kCommand, 2, on ? pci::kCommandMemorySpace : 0);
    placement_.Apply();
  }
  void Move(int bar, uint64_t address) {
    SetConfig(pci::kBar0 + 4 * bar, 4, address);
    placement_.Apply();
  }
  void RefuseNext() {
    host_.faults().FailNth(Operation::kClaim, 1, absl::InternalError("no"));
  }

  mock::Host host_;
  EventRecorder events_;
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kSize);
  const std::unique_ptr<pci::Function> function_ =
      *pci::Function::Create(Spec(), {});
  BarPlacement placement_{
      *function_,
      kLast,
      {bytes_.data(), bytes_.size()},
      MemoryAccess::kReadWrite,
      {.mmio = &host_.space(), .mapper = &host_.space(), .events = &events_}};
};

// Each BAR, the last one too, is where the guest puts it, and only what moves
// is touched.
TEST_F(BarPlacementTest, EachBarIsShown) {
  placement_.Apply();
  EXPECT_THAT(host_.log().Take(), IsEmpty()) << "not decoded";
  Decode(true);
  const auto map = [](uint64_t address) {
    return Entry::Map(address, kSize, MemoryAccess::kReadWrite);
  };
  EXPECT_THAT(host_.log().Take(), ElementsAre(Entry::Claim(Address(0), kSize),
                                              Entry::Claim(Address(1), kSize),
                                              Entry::Claim(Address(2), kSize),
                                              Entry::Claim(Address(3), kSize),
                                              Entry::Claim(Address(4), kSize),
                                              map(Address(kLast))));
  for (int bar = 0; bar < pci::kBars; ++bar) {
    EXPECT_EQ(placement_.Shown(bar), Address(bar));
    EXPECT_FALSE(placement_.Refused(bar, Address(bar)));
  }
  Move(kLast, 0xfd000000);
  EXPECT_THAT(
      host_.log().Take(),
      ElementsAre(Entry::Unmap(Address(kLast), kSize, MemoryAccess::kReadWrite),
                  map(0xfd000000)));
  Decode(false);
  EXPECT_THAT(host_.log().Take(), SizeIs(pci::kBars));
  EXPECT_EQ(placement_.Shown(kLast), std::nullopt);
}

// A BAR that was shown and comes back to the same place is not shown there if
// it is refused this time.
TEST_F(BarPlacementTest, RefusedWhereItWasShown) {
  Decode(true);
  Decode(false);
  RefuseNext();
  Decode(true);
  EXPECT_EQ(placement_.Shown(0), std::nullopt);
  EXPECT_TRUE(placement_.Refused(0, Address(0)));
  EXPECT_EQ(placement_.Shown(1), Address(1));
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 1);
}

// One that was refused and comes back is not refused any more.
TEST_F(BarPlacementTest, ShownWhereItWasRefused) {
  RefuseNext();
  Decode(true);
  EXPECT_TRUE(placement_.Refused(0, Address(0)));
  Decode(false);
  EXPECT_FALSE(placement_.Refused(0, Address(0)));
  Decode(true);
  EXPECT_FALSE(placement_.Refused(0, Address(0)));
  EXPECT_EQ(placement_.Shown(0), Address(0));
}

// A BAR that was refused before the function was restored is not tried where it
// is; one that has no place cannot have been.
TEST_F(BarPlacementTest, HiddenFromTheStart) {
  EXPECT_FALSE(placement_.Hide(kLast)) << "not decoded";
  SetConfig(pci::kCommand, 2, pci::kCommandMemorySpace);
  for (int bar = 0; bar < pci::kBars; ++bar) {
    EXPECT_TRUE(placement_.Hide(bar));
    EXPECT_TRUE(placement_.Refused(bar, Address(bar)));
  }
  placement_.Apply();
  EXPECT_THAT(host_.log().Take(), IsEmpty());
  EXPECT_EQ(placement_.Shown(kLast), std::nullopt);
  Move(kLast, 0xfd000000);
  EXPECT_EQ(placement_.Shown(kLast), 0xfd000000);
}

}  // namespace
}  // namespace ivshmem
