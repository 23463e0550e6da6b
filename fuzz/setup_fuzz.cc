// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whatever whoever embeds the library asks for: functions and devices of any
// kind, BARs placed anywhere, regions and ids of any name and number, ids that
// a server gives and keeps, accesses through the two ports of a PC. It is done,
// or refused with a reason that names the field, and nothing is in between.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/function.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/intx.h"
#include "core/doorbell.h"
#include "core/protocol/id_pool.h"
#include "fuzz/require.h"
#include "fuzz/setup_region.h"

namespace ivshmem {
namespace {

constexpr int kMostSteps = 60;

// --- Functions --------------------------------------------------------------

class Nothing : public MmioHandler, public pci::IntxSource {
 public:
  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0x5a});
  }
  void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}
  bool IntxLevel() const noexcept override { return false; }
};

pci::FunctionSpec AnySpec(FuzzedDataProvider& input) {
  pci::FunctionSpec spec;
  spec.vendor_id = input.PickValueInArray<uint16_t>({0x1af4, 0x1af4, 0xffff});
  spec.class_code =
      input.PickValueInArray<uint32_t>({0x50000, 0x50000, 0x1000000});
  spec.multi_function = input.ConsumeBool();
  for (auto& bar : spec.bars) {
    if (input.ConsumeIntegralInRange(0, 2) != 0) continue;
    bar = pci::BarSpec{.size = input.PickValueInArray<uint64_t>(
                           {256, 256, 16, 8, 0, 257, uint64_t{1} << 31,
                            uint64_t{1} << 32, uint64_t{1} << 63}),
                       .is_64bit = input.ConsumeBool(),
                       .prefetchable = input.ConsumeBool()};
  }
  spec.msix_vectors = input.PickValueInArray({0, 0, 1, 64, 2048, 2049, -1});
  spec.msix_bar = input.ConsumeIntegralInRange(-1, pci::kBars);
  spec.intx = input.ConsumeBool();
  return spec;
}

void MakeFunction(FuzzedDataProvider& input) {
  const pci::FunctionSpec spec = AnySpec(input);
  Nothing nothing;
  pci::Function::Dependencies dependencies;
  if (input.ConsumeBool()) dependencies.intx_source = &nothing;
  const int handled = input.ConsumeIntegralInRange(0, pci::kBars);
  if (handled < pci::kBars) dependencies.bars[handled] = &nothing;
  auto function = pci::Function::Create(spec, dependencies);
  RequireReason(function.status());
  Require(!function.ok() || pci::ValidateSpec(spec).ok(), "of a valid spec");
  if (!function.ok()) return;
  pci::Function& made = **function;
  for (int i = input.ConsumeIntegralInRange(0, 8); i > 0; --i) {
    const int bar = input.ConsumeIntegralInRange(-1, pci::kBars);
    const auto address = input.PickValueInArray<uint64_t>(
        {0xfe000000, 0, 0xfe000001, 0xffffff00, 0xfffffff0, 0x100000000,
         ~uint64_t{0} << 8, uint64_t{1} << 63});
    const uint8_t decode[] = {2, 0};
    made.ConfigWrite(4, decode);
    const absl::Status placed = made.PlaceBar(bar, address);
    RequireReason(placed);
    Require(!placed.ok() || made.BarAddress(bar) == address, "it is there");
    Require((made.BarSize(bar) != 0) || !placed.ok(), "a BAR that there is");
    std::array<uint8_t, 8> bytes = {};
    const auto piece = absl::MakeSpan(bytes).first(
        input.PickValueInArray<size_t>({4, 1, 2, 8}));
    const auto offset = input.PickValueInArray<uint64_t>(
        {0, 4, 0xfc, 0xff, 0x100, 0x7ff, ~uint64_t{0}});
    made.bar(bar).Read(offset, piece);
    made.bar(bar).Write(offset, piece);
  }
}

// --- The ports of a PC ------------------------------------------------------

// Knows where the last access was.
class Ecam : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    offset_ = offset;
    std::fill(bytes.begin(), bytes.end(), uint8_t{0x5a});
  }
  void Write(uint64_t offset, absl::Span<const uint8_t>) noexcept override {
    offset_ = offset;
  }
  std::optional<uint64_t> Take() { return std::exchange(offset_, {}); }

 private:
  std::optional<uint64_t> offset_;
};

void UsePorts(FuzzedDataProvider& input) {
  Ecam ecam;
  pci::ConfigPorts ports(ecam);
  uint32_t address = 0;
  for (int i = input.ConsumeIntegralInRange(1, 16); i > 0; --i) {
    const auto offset = input.ConsumeIntegralInRange<uint64_t>(0, 9);
    const auto size = input.PickValueInArray<size_t>({4, 1, 2, 8, 3});
    std::array<uint8_t, 8> bytes = {};
    const auto piece = absl::MakeSpan(bytes).first(size);
    const bool write = input.ConsumeBool();
    const bool of_address = offset == 0 && size == 4;
    if (write) {
      const auto value = input.PickValueInArray<uint32_t>(
          {0x80001804, 0x80001800, 0x1804, 0xffffffff, 0});
      for (int byte = 0; byte < 4; ++byte) {
        bytes[byte] = static_cast<uint8_t>(value >> 8 * byte);
      }
      ports.Write(offset, piece);
      if (of_address) address = value;
    } else {
      ports.Read(offset, piece);
      Require(!of_address || bytes[0] == (address & 0xff), "its own value");
    }
    const bool passed = (address >> 31) != 0 && offset >= 4 &&
                        offset + size <= pci::ConfigPorts::kPorts;
    const std::optional<uint64_t> target = ecam.Take();
    Require(target.has_value() == passed, "who is named is reached");
    Require(!passed || *target == (((address >> 8) & 0xffff) << 12 |
                                   ((address & 0xfc) + (offset - 4))),
            "at its register");
    Require(write || passed || of_address || bytes[0] == 0xff,
            "nobody's reads ones");
  }
}

// --- Ids --------------------------------------------------------------------

class Ids {
 public:
  explicit Ids(FuzzedDataProvider& input)
      : input_(input),
        size_(input.ConsumeIntegralInRange(1, 5)),
        pool_(size_) {}

  void Step() {
    enum Action { kTake, kRelease, kDisown, kKeep, kTime, kMaxValue = kTime };
    const auto action = input_.ConsumeEnum<Action>();
    const auto id = input_.ConsumeIntegralInRange<PeerId>(0, 6);
    const absl::Time until =
        now_ + absl::Seconds(input_.ConsumeIntegralInRange(0, 4));
    const std::string owner =
        input_.PickValueInArray({"a", "b", "c", "d", "e", "f", ""});
    switch (action) {
      case kTake: {
        const std::optional<PeerId> known = pool_.OwnedBy(owner);
        const int in_use = pool_.in_use();
        const std::optional<PeerId> taken = pool_.Take(owner, now_);
        Require(taken.has_value() == (in_use < size_), "one that is left");
        if (!taken.has_value()) break;
        Require(*taken < size_ && used_.emplace(*taken, owner).second,
                "an id is given once");
        Require(!known.has_value() || used_.contains(*known) ||
                    pool_.OwnedBy(owner) != known || *taken == *known,
                "an owner has its own back");
        break;
      }
      case kRelease:
        pool_.Release(id, until);
        used_.erase(id);
        break;
      case kDisown:
        if (used_.contains(id)) pool_.Disown(id);
        break;
      case kKeep:
        if (pool_.Keep({id, owner}, until)) {
          Require(id < size_ && !used_.contains(id), "what is free is kept");
        }
        break;
      case kTime:
        now_ = until;
        break;
    }
    Require(pool_.in_use() == static_cast<int>(used_.size()), "all in use");
    const auto holdings = pool_.Holdings(now_);
    for (size_t i = 1; i < holdings.size(); ++i) {
      Require(holdings[i - 1].id < holdings[i].id, "each once, in order");
    }
    Require(holdings.size() >= used_.size() &&
                holdings.size() <= static_cast<size_t>(size_),
            "what is in use is held");
  }

 private:
  FuzzedDataProvider& input_;
  const int size_;
  absl::Time now_ = absl::UnixEpoch();
  protocol::IdPool pool_;
  std::map<PeerId, std::string> used_;
};

void Run(FuzzedDataProvider input) {
  enum Part { kFunction, kPorts, kRegions, kIds, kMaxValue = kIds };
  switch (input.ConsumeEnum<Part>()) {
    case kFunction:
      for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
        MakeFunction(input);
      }
      return;
    case kPorts:
      return UsePorts(input);
    case kRegions: {
      SetupRegion region(input);
      for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
        region.Step();
      }
      return;
    }
    case kIds: {
      Ids ids(input);
      for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
        ids.Step();
      }
      return;
    }
  }
}

}  // namespace
}  // namespace ivshmem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::Run(FuzzedDataProvider(data, size));
  return 0;
}
