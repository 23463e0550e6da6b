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
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/function.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/intx.h"
#include "core/device.h"
#include "core/device_state.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/notifier.h"
#include "core/peer_table.h"
#include "core/protocol/id_pool.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "fuzz/require.h"

namespace ivshmem {
namespace {

constexpr int kMostSteps = 60;
constexpr uint64_t kMemorySize = 0x1000;

// Of one reason, which is said.
void RequireReason(const absl::Status& status) {
  Require(status.ok() || !status.message().empty(), "a reason is said");
}

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

// --- Devices and regions ----------------------------------------------------

class Ends : public InterruptSink, public LevelListener {
 public:
  InterruptResult Deliver(Vector) noexcept override {
    return InterruptResult::kDelivered;
  }
  void LevelMayHaveChanged() noexcept override {}
};

class Bell : public Notifier {
 public:
  explicit Bell(Outcome outcome) : outcome_(outcome) {}
  Outcome Signal() noexcept override { return outcome_; }

 private:
  const Outcome outcome_;
};

// How often a device says that each result came.
template <typename Result>
uint64_t Sum(const Device& device) {
  uint64_t sum = 0;
  for (int i = 0; i < static_cast<int>(Result::kCount); ++i) {
    sum += device.count(static_cast<Result>(i));
  }
  return sum;
}

class Region {
 public:
  explicit Region(FuzzedDataProvider& input) : input_(input) {}

  ~Region() { ports_.clear(); }

  void Step() {
    enum Action {
      kRegion,
      kMake,
      kBind,
      kUnbind,
      kPeer,
      kRing,
      kMaxValue = kRing
    };
    switch (input_.ConsumeEnum<Action>()) {
      case kRegion:
        return AddRegion();
      case kMake:
        return Make();
      case kBind:
        return Bind();
      case kUnbind:
        if (!ports_.empty()) ports_.pop_back();
        return;
      case kPeer:
        return Connect();
      case kRing:
        return Ring();
    }
  }

 private:
  const char* AnyName() {
    return input_.PickValueInArray({"a", "a", "b", "nobody's", ""});
  }

  void AddRegion() {
    const std::string name = AnyName();
    const SharedMemory memory = {
        input_.ConsumeIntegralInRange(0, 3) == 0 ? nullptr : memory_.data(),
        input_.PickValueInArray<uint64_t>({kMemorySize, kMemorySize, 0})};
    const bool known = regions_.contains(name);
    const absl::Status added = switchboard_.AddRegion(name, memory);
    RequireReason(added);
    Require(added.ok() == (!known && !name.empty() && memory.data != nullptr &&
                           memory.size != 0),
            "a region that there can be");
    if (added.ok()) regions_[name] = memory.size;
    Require(switchboard_.FindRegion(name).ok() == regions_.contains(name),
            "it is found");
  }

  void Make() {
    if (!devices_.empty() && devices_.size() > 4) return;
    const Dialect& dialect = *input_.PickValueInArray(
        {&kRevision1, &kRevision0, &kQemu, &kQemuFlat, &kAcrn});
    const auto interrupts =
        input_.PickValueInArray({InterruptMode::kMsix, InterruptMode::kNone,
                                 InterruptMode::kIntx, InterruptMode::kLine});
    const int vectors =
        input_.PickValueInArray({1, 2, 0, 3, 64, 65, kMaxVectors + 1, -1});
    Device::Dependencies dependencies;
    if (input_.ConsumeIntegralInRange(0, 3) != 0) {
      dependencies.interrupts = &ends_;
    }
    if (input_.ConsumeIntegralInRange(0, 3) != 0) dependencies.level = &ends_;
    auto device = Device::Create(
        {.dialect = dialect, .interrupts = interrupts, .vectors = vectors},
        dependencies);
    RequireReason(device.status());
    if (!device.ok()) return;
    const bool none = interrupts == InterruptMode::kNone;
    Require(none ? vectors == 0 : vectors >= 1 && vectors <= kMaxVectors,
            "of a number of vectors that there can be");
    devices_.push_back(*std::move(device));
  }

  Device* Any() {
    if (devices_.empty()) return nullptr;
    return devices_[input_.ConsumeIntegralInRange<size_t>(0,
                                                          devices_.size() - 1)]
        .get();
  }

  void Bind() {
    Device* device = Any();
    if (device == nullptr) return;
    for (const Bound& bound : ports_) {
      if (bound.device == device) return;
    }
    const std::string name = AnyName();
    std::optional<PeerId> id;
    if (input_.ConsumeBool()) {
      id = input_.PickValueInArray<PeerId>({0, 1, 2, 65535});
    }
    const auto size =
        input_.PickValueInArray<uint64_t>({kMemorySize, kMemorySize, 16});
    auto port = switchboard_.Bind(name, size, *device, id);
    RequireReason(port.status());
    if (!port.ok()) return;
    Require(regions_.contains(name) && size == kMemorySize, "of a region");
    Require(device->id() == (*port)->id() &&
                (!id.has_value() || id == device->id()),
            "its id");
    Require((*port)->memory().size == size, "its memory");
    for (const Bound& bound : ports_) {
      Require(bound.region != name || bound.port->id() != (*port)->id(),
              "an id is given once");
    }
    ports_.push_back({name, device, *std::move(port)});
  }

  void Connect() {
    Device* device = Any();
    if (device == nullptr) return;
    const auto vector = input_.PickValueInArray<Vector>(
        {0, 1, 2, kMaxVectors - 1, kMaxVectors, 65535});
    const auto outcome = input_.PickValueInArray({Notifier::Outcome::kSignalled,
                                                  Notifier::Outcome::kFull,
                                                  Notifier::Outcome::kFailed});
    const bool bell = input_.ConsumeIntegralInRange(0, 7) != 0;
    const PeerId peer = 9;
    const absl::Status connected = device->peers().Connect(
        peer, vector, bell ? std::make_shared<Bell>(outcome) : nullptr);
    RequireReason(connected);
    Require(connected.ok() == (bell && vector < kMaxVectors), "a vector");
    const auto found = device->peers().Find({peer, vector});
    Require(!connected.ok() || found != nullptr, "who is connected is found");
    const auto all = device->peers().Connections();
    Require(std::is_sorted(all.begin(), all.end(),
                           [](const auto& a, const auto& b) {
                             return a.doorbell < b.doorbell;
                           }),
            "connections are in order");
    if (found == nullptr) return;
    Require(std::any_of(all.begin(), all.end(),
                        [vector](const auto& one) {
                          return one.doorbell == Doorbell{9, vector};
                        }),
            "and they are all that there is");
    // Carriers of signals that nobody has to poll.
    Require(!found->TakeSignals(), "a bell holds no signals");
  }

  void Ring() {
    Device* device = Any();
    if (device == nullptr) return;
    if (!device->id().has_value() && input_.ConsumeBool()) device->SetId(20);
    const uint64_t rings = Sum<RingResult>(*device);
    device->Write(kDoorbellOffset, 4,
                  Doorbell{input_.PickValueInArray<PeerId>({9, 9, 0, 1, 300}),
                           input_.PickValueInArray<Vector>({0, 1, 2, 2047, 9})}
                      .Encode());
    Require(Sum<RingResult>(*device) == rings + 1, "a ring counts once");
    const uint64_t interrupts = Sum<InterruptResult>(*device);
    device->OnPeerInterrupt(input_.ConsumeIntegralInRange<Vector>(0, 3));
    Require(Sum<InterruptResult>(*device) == interrupts + 1, "as an interrupt");
    for (int i = 0; i <= static_cast<int>(RingResult::kCount); ++i) {
      Require(*RingResultName(static_cast<RingResult>(i)) != '\0', "a name");
    }
    for (int i = 0; i <= static_cast<int>(InterruptResult::kCount); ++i) {
      Require(*InterruptResultName(static_cast<InterruptResult>(i)) != '\0',
              "a name");
    }
    const DeviceState state = device->Save();
    Require(state.id == device->id(), "what is saved is so");
    RequireReason(CheckState(
        state, device->config().dialect,
        input_.PickValueInArray({InterruptMode::kMsix, InterruptMode::kNone,
                                 InterruptMode::kIntx, InterruptMode::kLine}),
        device->config().vectors));
  }

  struct Bound {
    std::string region;
    Device* device;
    std::unique_ptr<Switchboard::Port> port;
  };

  FuzzedDataProvider& input_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(kMemorySize);
  Ends ends_;
  std::map<std::string, uint64_t> regions_;
  Switchboard switchboard_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<Bound> ports_;  // The devices outlive them.
};

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
      Region region(input);
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
