// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What devices call calls back: notifiers, message sinks, lines and listeners
// of events that access the device again, ring others, move BARs, unbind, and
// unplug devices, also the one that rings or is rung at this moment. A device
// that is at work on something else is not unplugged from inside of that.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "core/notifier.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "fuzz/require.h"

namespace ivshmem {
namespace {

constexpr size_t kDevices = 3;
constexpr int kMostSteps = 100;
constexpr int kDeepest = 4;
constexpr uint64_t kMemorySize = 0x1000;
constexpr int kVectors = 3;
constexpr int kLastSetUp = 4;   // See World::SetUp().
constexpr PeerId kOutside = 3;  // Who is no device of this world.
constexpr uint64_t kBars[] = {0xfe000000, 0xfe010000, 0x80000000,
                              0xfe010008, 0xffffffff, 0};

class World : public DeviceEvents {
 public:
  explicit World(FuzzedDataProvider& input) : input_(input) {
    Require(switchboard_.AddRegion("region", {memory_, kMemorySize}).ok(),
            "a region");
    for (Slot& slot : slots_) {
      slot.host.msi().SetCallback(
          [this](const pci::MsiMessage&) { CallBack(); });
      slot.host.line().SetCallback([this, &slot](bool) {
        const Pin pin(slot);
        CallBack();
      });
    }
  }

  ~World() override {
    quiet_ = true;
    for (Slot& slot : slots_) Unplug(slot);
    for (Slot& slot : slots_) slot.host.executor().RunAll();
  }

  void Step() {
    enum Action {
      kPlug,
      kUnplug,
      kConfigWrite,
      kSetUp,
      kRegister,
      kRing,
      kMsix,
      kInterrupt,
      kReset,
      kConnect,
      kDisconnect,
      kBind,
      kUnbind,
      kWork,
      kSetId,
      kMaxValue = kSetId
    };
    const auto action = input_.ConsumeEnum<Action>();
    Slot& slot = AnySlot();
    if (slot.device == nullptr) return Plug(slot);
    PciDevice& device = *slot.device;
    std::optional<Pin> pin;
    if (action != kRing && action != kInterrupt && action != kUnplug &&
        action != kPlug) {
      pin.emplace(slot);
    }
    switch (action) {
      case kPlug:
      case kUnplug:
        return Unplug(slot);
      case kConfigWrite: {
        const int offset = input_.PickValueInArray<int>(
            {pci::kCommand, pci::kBar0, pci::kBar0 + 4, pci::kBar0 + 8,
             pci::kMsixControl, pci::kInterruptLine});
        return Set(device, offset, input_.PickValueInArray({4, 2, 1, 8}),
                   input_.ConsumeBool() ? input_.PickValueInArray(kBars)
                                        : input_.ConsumeIntegral<uint32_t>());
      }
      case kSetUp:
        return SetUp(slot, input_.ConsumeIntegralInRange(0, kLastSetUp));
      case kRegister:
        return Write(device, 0, input_.PickValueInArray({0, 4, 12, 13}),
                     input_.ConsumeIntegral<uint32_t>());
      case kRing:
        return Write(device, 0, kDoorbellOffset,
                     Doorbell{input_.PickValueInArray<PeerId>(
                                  {kOutside, 0, 1, kOutside, 2, 4, 5, 9}),
                              input_.PickValueInArray<Vector>({0, 0, 1, 3})}
                         .Encode());
      case kMsix:
        return Write(device, PciDevice::kMsixBar,
                     4 * input_.ConsumeIntegralInRange(0, 4 * kVectors),
                     input_.PickValueInArray<uint32_t>({0, 1, 0xfee00000}));
      case kInterrupt:
        device.device().OnPeerInterrupt(input_.ConsumeIntegralInRange(0, 3));
        return;
      case kReset:
        return device.Reset();
      case kConnect: {
        const auto peer = input_.ConsumeIntegralInRange<PeerId>(kOutside, 5);
        const auto connected = device.device().peers().Connect(
            peer, input_.ConsumeIntegralInRange<Vector>(0, 2),
            std::make_shared<Bell>(*this));
        return Require(connected.ok(), "a peer is connected");
      }
      case kDisconnect:
        device.device().peers().Disconnect(
            input_.ConsumeIntegralInRange<PeerId>(0, 5));
        return;
      case kBind: {
        if (slot.port != nullptr) return;
        if (slot.pins > 1) return;  // It may be being bound already.
        auto port = switchboard_.Bind("region", kMemorySize, device.device());
        if (port.ok()) slot.port = *std::move(port);
        return;
      }
      case kUnbind: {
        auto port = std::move(slot.port);
        return;
      }
      case kWork:
        slot.host.executor().RunOne();
        return;
      case kSetId:
        if (slot.port != nullptr) return;
        return device.device().SetId(
            input_.ConsumeIntegralInRange<PeerId>(0, 5));
    }
  }

  void Check() {
    for (Slot& slot : slots_) {
      Require(slot.host.line().overlaps() == 0, "one call of a line at a time");
      if (slot.device == nullptr) continue;
      uint8_t bytes[4];
      slot.device->ConfigRead(0, bytes);
      Require(LoadLittleEndian(bytes) == 0x11101af4, "the ids are read-only");
      const bool level = slot.device->device().interrupt_level();
      slot.device->ConfigRead(pci::kCommand, bytes);
      const bool disabled =
          (LoadLittleEndian(bytes) & pci::kCommandInterruptDisable) != 0;
      // The line of a device that was unplugged is its VMM's to lower.
      if (slot.fresh) {
        Require(slot.host.line().level() == (level && !disabled),
                "the line is at its level");
      }
    }
  }

 private:
  struct Slot {
    mock::Host host{mock::Host::Options{.keep = 0}};
    std::unique_ptr<PciDevice> device;
    std::unique_ptr<Switchboard::Port> port;
    int pins = 0;
    bool fresh = true;  // The first device of its host.
  };

  // While there is one, the device stays.
  class Pin {
   public:
    explicit Pin(Slot& slot) : slot_(slot) { ++slot_.pins; }
    ~Pin() { --slot_.pins; }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

   private:
    Slot& slot_;
  };

  class Bell : public Notifier {
   public:
    explicit Bell(World& world) : world_(world) {}
    Outcome Signal() noexcept override {
      world_.CallBack();
      return Outcome::kSignalled;
    }

   private:
    World& world_;
  };

  // DeviceEvents
  void OnEvent(const DeviceEvent& /*event*/) noexcept override {
    // It may be any device's.
    const std::array<Pin, kDevices> pins = {Pin(slots_[0]), Pin(slots_[1]),
                                            Pin(slots_[2])};
    CallBack();
  }

  void CallBack() noexcept {
    if (quiet_ || depth_ == kDeepest || input_.remaining_bytes() == 0) return;
    if (!input_.ConsumeBool()) return;
    ++depth_;
    if (input_.ConsumeIntegralInRange(0, 3) == 0) {
      // The hardest on whoever called: it is gone when this returns.
      Unplug(AnySlot());
    } else {
      Step();
    }
    --depth_;
  }

  Slot& AnySlot() {
    return slots_[input_.ConsumeIntegralInRange<size_t>(0, kDevices - 1)];
  }

  void Plug(Slot& slot) {
    const bool intx = input_.ConsumeBool();
    PciDevice::Config config = {
        .dialect = intx ? kRevision0 : kRevision1,
        .interrupts = intx ? InterruptMode::kIntx : InterruptMode::kMsix,
        .vectors = intx ? 1 : kVectors};
    mock::Host& host = slot.host;
    PciDevice::Host with = {.mmio = &host.space(),
                            .mapper = &host.space(),
                            .msi = &host.msi(),
                            .intx = &host.line()};
    if (input_.ConsumeBool()) {
      with.doorbells = &host.accelerator();
      with.router = &host.router();
    }
    if (input_.ConsumeBool()) with.executor = &host.executor();
    if (input_.ConsumeBool()) with.events = this;
    // Nobody calls back before there is a device.
    const bool quiet = std::exchange(quiet_, true);
    auto device = PciDevice::Create(config, {memory_, kMemorySize}, with);
    quiet_ = quiet;
    Require(device.ok(), "a device is made");
    slot.device = *std::move(device);
    // As a server would at once: an id, and somebody to ring; and as firmware
    // and a driver would. Else few inputs come as far as a ring that is
    // answered from inside of it.
    const int ready = input_.ConsumeIntegralInRange(0, 3);
    if (ready == 0) return;
    quiet_ = true;
    Device& made = slot.device->device();
    made.SetId(static_cast<PeerId>(&slot - slots_.data()));
    Require(
        made.peers().Connect(kOutside, 0, std::make_shared<Bell>(*this)).ok(),
        "a peer is connected");
    for (int step = 0; ready > 1 && step <= kLastSetUp; ++step) {
      SetUp(slot, step);
    }
    quiet_ = quiet;
  }

  void Unplug(Slot& slot) {
    if (slot.pins != 0) return;
    const auto device = std::move(slot.device);
    // The device outlives its port.
    const auto port = std::move(slot.port);
    if (device != nullptr) slot.fresh = false;
  }

  void SetUp(Slot& slot, int step) {
    PciDevice& device = *slot.device;
    switch (step) {
      case 0:
        return Set(device, pci::kBar0, 4, kBars[0]);
      case 1:
        return Set(device, pci::kBar0 + 4, 4, kBars[1]);
      case 2:
        return Set(device, pci::kCommand, 2,
                   pci::kCommandMemorySpace | pci::kCommandBusMaster);
      case 3:
        return Set(device, pci::kMsixControl, 2, pci::kMsixControlEnable);
      default:
        return Write(device, 0, kMaskOffset, ~0u);
    }
  }

  static void Set(PciDevice& device, uint64_t offset, int size,
                  uint64_t value) {
    uint8_t bytes[8];
    const absl::Span<uint8_t> span(bytes, size);
    StoreLittleEndian(value, span);
    device.ConfigWrite(offset, span);
  }
  static void Write(PciDevice& device, int bar, uint64_t offset,
                    uint32_t value) {
    uint8_t bytes[4];
    StoreLittleEndian(value, bytes);
    device.bar(bar).Write(offset, bytes);
  }

  FuzzedDataProvider& input_;
  uint8_t memory_[kMemorySize] = {};
  bool quiet_ = false;
  int depth_ = 0;
  Switchboard switchboard_;
  std::array<Slot, kDevices> slots_;
};

void Run(FuzzedDataProvider input) {
  World world(input);
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    world.Step();
    world.Check();
  }
}

}  // namespace
}  // namespace ivshmem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::Run(FuzzedDataProvider(data, size));
  return 0;
}
