// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest cannot tell by the device how its accesses get out: by KVM's exits,
// ACRN's page or Xen's.

#include "testing/ioreq/same_script.h"

#include <linux/kvm.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/address_map.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/kvm/exits.h"
#include "backends/linux/memory_object.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/msi.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "testing/ioreq/acrn/acrn_guest.h"
#include "testing/ioreq/xen/xen_guest.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem {
namespace {

using Kind = GuestAccess::Kind;

// What came of an access: what was read, then who was interrupted.
struct Result {
  uint64_t value = 0;
  std::vector<std::string> events;

  friend bool operator==(const Result&, const Result&) = default;
};

// Threading: any thread; the events of an access are there when it is answered.
class Events : public pci::MsiSink {
 public:
  void Send(const pci::MsiMessage& message) noexcept override {
    Add(absl::StrCat("message ", message.address, " ", message.data));
  }
  void Add(std::string event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  std::vector<std::string> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> events_;
};

class PeerNotifier : public Notifier {
 public:
  PeerNotifier(Events& events, int vector) : events_(events), vector_(vector) {}
  Outcome Signal() noexcept override {
    events_.Add(absl::StrCat("peer's vector ", vector_));
    return Outcome::kSignalled;
  }

 private:
  Events& events_;
  const int vector_;
};

// The device, BAR2 trapped.
struct Machine {
  explicit Machine(MmioSpace& space) {
    device = *PciDevice::Create({.vectors = kScriptVectors}, memory.view(),
                                {.mmio = &space, .msi = &events});
    device->device().SetId(kScriptSelf);
    for (int v = 0; v < kScriptVectors; ++v) {
      EXPECT_TRUE(device->device()
                      .peers()
                      .Connect(kScriptPeer, static_cast<Vector>(v),
                               std::make_shared<PeerNotifier>(events, v))
                      .ok());
    }
  }

  MemoryObject object = *MemoryObject::Memfd(kScriptMemorySize);
  MappedMemory memory = *object.Map();
  Events events;
  std::unique_ptr<PciDevice> device;
};

// The results, and at last what is in the shared memory.
struct Played {
  std::vector<Result> results;
  std::string memory;
  int rings = 0;
};

Played Play(const std::vector<GuestAccess>& script, Machine& machine,
            const std::function<uint64_t(const GuestAccess&)>& carry_out) {
  Played played;
  for (const GuestAccess& access : script) {
    uint64_t value = carry_out(access);
    if (access.write) value = 0;
    if (access.size < 8) value &= (uint64_t{1} << 8 * access.size) - 1;
    played.results.push_back({value, machine.events.Take()});
    if (!played.results.back().events.empty()) ++played.rings;
  }
  const SharedMemory memory = machine.memory.view();
  played.memory.assign(reinterpret_cast<const char*>(memory.data), memory.size);
  return played;
}

Played PlayOnAcrn(const std::vector<GuestAccess>& script) {
  AcrnGuest guest(AcrnGuest::Options{});
  Machine machine(guest.dispatcher().space(ioreq::Space::kMemory));
  guest.Plug(*machine.device, kScriptDevice);
  Played played = Play(script, machine, [&](const GuestAccess& a) -> uint64_t {
    const auto value32 = static_cast<uint32_t>(a.value);
    const auto port = static_cast<uint16_t>(a.address);
    const auto offset = static_cast<uint32_t>(a.address);
    switch (a.kind) {
      case Kind::kMemory:
        if (!a.write) return guest.Read(a.address, a.size);
        guest.Write(a.address, a.value, a.size);
        return 0;
      case Kind::kPorts:
        if (!a.write) return guest.In(port, a.size);
        guest.Out(port, value32, a.size);
        return 0;
      case Kind::kConfig:
        if (!a.write) return guest.Config(kScriptDevice, offset, a.size);
        guest.SetConfig(kScriptDevice, offset, value32, a.size);
        return 0;
    }
    return 0;
  });
  guest.StopServing();
  return played;
}

Played PlayOnXen(const std::vector<GuestAccess>& script) {
  XenGuest guest;
  MmioSpace& space = guest.server().space(ioreq::Space::kMemory);
  Machine machine(space);
  guest.server().Plug(*machine.device, kScriptDevice);
  const RegistrationPtr ecam =
      *space.Claim(kScriptEcam + pci::EcamOffset(0, kScriptDevice, 0),
                   pci::kEcamFunctionSize, machine.device->config());
  return Play(script, machine, [&](const GuestAccess& a) -> uint64_t {
    const auto value32 = static_cast<uint32_t>(a.value);
    const auto port = static_cast<uint16_t>(a.address);
    const auto offset = static_cast<uint32_t>(a.address);
    switch (a.kind) {
      case Kind::kMemory:
        if (!a.write) return guest.Read(a.address, a.size);
        guest.Write(a.address, a.value, a.size);
        return 0;
      case Kind::kPorts:
        if (!a.write) return guest.In(port, a.size);
        guest.Out(port, a.value, a.size);
        return 0;
      case Kind::kConfig:
        if (!a.write) return guest.Config(kScriptDevice, offset, a.size);
        guest.SetConfig(kScriptDevice, offset, value32, a.size);
        return 0;
    }
    return 0;
  });
}

// An exit that the 32-bit guest has no instruction for.
uint64_t Exit(const GuestAccess& access, MmioHandler& memory) {
  kvm_run run = {};
  run.mmio.phys_addr = access.address;
  run.mmio.len = access.size;
  run.mmio.is_write = access.write ? 1 : 0;
  std::memcpy(run.mmio.data, &access.value, sizeof(access.value));
  kvm::HandleMmio(run, memory);
  uint64_t value;
  std::memcpy(&value, run.mmio.data, sizeof(value));
  return value;
}

Played PlayOnKvm(const std::vector<GuestAccess>& script) {
  const std::unique_ptr<KvmGuest> guest = KvmGuest::Start();
  AddressMap functions;
  pci::ConfigPorts config_ports(functions);
  Machine machine(guest->memory());
  const uint64_t function = pci::EcamOffset(0, kScriptDevice, 0);
  const RegistrationPtr claims[] = {
      *functions.Claim(function, pci::kEcamFunctionSize,
                       machine.device->config()),
      *guest->memory().Claim(kScriptEcam + function, pci::kEcamFunctionSize,
                             machine.device->config()),
      *guest->ports().Claim(pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts,
                            config_ports)};
  return Play(script, machine, [&](const GuestAccess& a) -> uint64_t {
    const auto value32 = static_cast<uint32_t>(a.value);
    auto port = static_cast<uint16_t>(a.address);
    const auto address = static_cast<uint32_t>(a.address);
    switch (a.kind) {
      case Kind::kMemory:
        if (a.size == 8) return Exit(a, guest->memory());
        if (!a.write) return guest->Read(address, a.size);
        guest->Write(address, value32, a.size);
        return 0;
      case Kind::kConfig:
        guest->Out(0xcf8, 0x80000000 | kScriptDevice << 11 | (address & ~3u));
        port = static_cast<uint16_t>(0xcfc + address % 4);
        [[fallthrough]];
      case Kind::kPorts:
        if (!a.write) return guest->In(port, a.size);
        guest->Out(port, value32, a.size);
        return 0;
    }
    return 0;
  });
}

void ExpectSame(const std::vector<GuestAccess>& script, const Played& a,
                const Played& b) {
  ASSERT_EQ(a.results.size(), script.size());
  ASSERT_EQ(b.results.size(), script.size());
  int shown = 0;
  for (size_t i = 0; i < script.size() && shown < 5; ++i) {
    if (a.results[i] == b.results[i]) continue;
    ++shown;
    ADD_FAILURE() << "access " << i << ": " << script[i] << std::hex << ": 0x"
                  << a.results[i].value << " and 0x" << b.results[i].value
                  << "; " << ::testing::PrintToString(a.results[i].events)
                  << " and " << ::testing::PrintToString(b.results[i].events);
  }
  EXPECT_TRUE(a.memory == b.memory) << "the shared memory differs";
  // The script is one that interrupts, and that changes the memory.
  EXPECT_GE(a.rings, 20);
  EXPECT_NE(std::count(a.memory.begin(), a.memory.end(), '\0'),
            static_cast<int64_t>(a.memory.size()));
}

constexpr int kAccesses = 2000;
constexpr uint64_t kSeed = 5;

TEST(SameScript, AcrnAndXen) {
  const auto script = GuestScript(kSeed, kAccesses);
  ExpectSame(script, PlayOnAcrn(script), PlayOnXen(script));
}

TEST(SameScript, KvmAndAcrn) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const auto script = GuestScript(kSeed, kAccesses);
  ExpectSame(script, PlayOnKvm(script), PlayOnAcrn(script));
}

TEST(SameScript, KvmAndXen) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const auto script = GuestScript(kSeed, kAccesses);
  ExpectSame(script, PlayOnKvm(script), PlayOnXen(script));
}

}  // namespace
}  // namespace ivshmem
