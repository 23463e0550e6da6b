// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_SETUP_REGION_H_
#define IVSHMEM_FUZZ_SETUP_REGION_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/device.h"
#include "core/device_state.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/notifier.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "fuzz/require.h"

namespace ivshmem {

// Regions, and devices that are bound to them, joined with others and rung.
class SetupRegion {
 public:
  explicit SetupRegion(FuzzedDataProvider& input) : input_(input) {}

  ~SetupRegion() { ports_.clear(); }

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
  static constexpr uint64_t kMemorySize = 0x1000;

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
  static uint64_t Sum(const Device& device) {
    uint64_t sum = 0;
    for (int i = 0; i < static_cast<int>(Result::kCount); ++i) {
      sum += device.count(static_cast<Result>(i));
    }
    return sum;
  }

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
    uint64_t since = 0;
    std::set<Doorbell> arrived;
    for (const auto& one : device->peers().ConnectionsSince(since)) {
      arrived.insert(one.doorbell);
    }
    Require(arrived.size() == all.size(), "all have come");
    Require(device->peers().ConnectionsSince(since).empty(), "nobody since");
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

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_SETUP_REGION_H_
