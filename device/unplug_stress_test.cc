// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Devices are plugged and unplugged at any moment, while vCPUs access them and
// peers ring: through a switchboard, with doorbells bound and vectors routed.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/linux/loop_thread.h"
#include "backends/mock/events.h"
#include "backends/mock/host.h"
#include "backends/registration.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr int kRounds = 60;
constexpr uint64_t kBar0 = 0xfe000000;
constexpr uint64_t kBar1 = 0xfe010000;
constexpr uint64_t kBar2 = 0x800000000;

void Write(MmioHandler& to, uint64_t address, int size, uint64_t value) {
  std::array<uint8_t, 8> bytes;
  const absl::Span<uint8_t> span = absl::MakeSpan(bytes).subspan(0, size);
  StoreLittleEndian(value, span);
  to.Write(address, span);
}

// A machine with a slot, and what its VMM does for it.
class Machine {
 public:
  explicit Machine(Switchboard& board)
      : board_(board), memory_(*board.FindRegion("region")) {
    for (EventHandle& event : own_) event = host_.events().Create();
    for (EventHandle& event : others_) event = host_.events().Create();
  }

  void Plug(PeerId id) {
    auto device = PciDevice::Create({.vectors = 2}, memory_,
                                    {.mmio = &addresses_,
                                     .mapper = nullptr,
                                     .msi = &host_.msi(),
                                     .doorbells = &host_.accelerator(),
                                     .router = &host_.router(),
                                     .executor = &executor_->loop()});
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    auto port = board_.Bind("region", memory_.size, device_->device(), id);
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *std::move(port);
    // Besides those of the switchboard: vectors that can be routed, and
    // doorbells that can be bound.
    for (Vector v = 0; v < 2; ++v) {
      Connect(id, v, own_[v]);
      Connect(2, v, others_[v]);
    }
    function_ = *functions_.Claim(0, pci::kEcamFunctionSize, device_->config());
  }

  // As PciDevice's comment has it.
  void Unplug() {
    function_ = nullptr;
    functions_.Synchronize();
    device_->Reset();
    addresses_.Synchronize();
    port_ = nullptr;
    device_ = nullptr;
  }

  // Anything that a guest may do, at any time.
  void Access(uint32_t i) {
    switch (i % 8) {
      case 0:
        Write(functions_, pci::kBar0, 4, kBar0);
        Write(functions_, pci::kBar0 + 4, 4, kBar1);
        Write(functions_, pci::kBar0 + 8, 4, kBar2 & 0xffffffff);
        Write(functions_, pci::kBar0 + 12, 4, kBar2 >> 32);
        return Write(functions_, pci::kCommand, 2, 6);
      case 1:
        Write(addresses_, kBar1, 4, 0xfee00000);
        Write(addresses_, kBar1 + 12, 4, i / 8 % 2);
        return Write(functions_, pci::kMsixControl, 2, pci::kMsixControlEnable);
      case 2:
        return Write(functions_, pci::kCommand, 2, i / 8 % 4 == 0 ? 0 : 6);
      case 3:
        return Write(addresses_, kBar2 + i % 4096 / 4 * 4, 4, i);
      default:
        return Write(
            addresses_, kBar0 + kDoorbellOffset, 4,
            Doorbell{static_cast<PeerId>(i % 3), static_cast<Vector>(i / 3 % 2)}
                .Encode());
    }
  }

  // A peer that rings past us.
  void Signal(uint32_t i) { host_.events().Signal(own_[i % 2]); }

  mock::Host& host() { return host_; }

 private:
  void Connect(PeerId peer, Vector vector, EventHandle event) {
    EXPECT_TRUE(device_->device()
                    .peers()
                    .Connect(peer, vector,
                             std::make_shared<mock::EventNotifier>(
                                 host_.events(), event))
                    .ok());
  }

  Switchboard& board_;
  const SharedMemory memory_;
  mock::Host host_{{.keep = 0}};
  std::array<EventHandle, 2> own_;
  std::array<EventHandle, 2> others_;
  std::unique_ptr<LoopThread> executor_ = *LoopThread::Start();
  AddressMap addresses_;
  AddressMap functions_;
  std::unique_ptr<PciDevice> device_;
  std::unique_ptr<Switchboard::Port> port_;
  RegistrationPtr function_;
};

TEST(UnplugStress, AtAnyMoment) {
  std::vector<uint8_t> memory(0x1000);
  Switchboard board;
  ASSERT_TRUE(board.AddRegion("region", {memory.data(), memory.size()}).ok());
  Machine unplugged(board);
  Machine stays(board);
  stays.Plug(1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> vcpus;
  for (Machine* machine : {&unplugged, &unplugged, &stays}) {
    vcpus.emplace_back([&stop, machine] {
      for (uint32_t i = 0; !stop; ++i) machine->Access(i);
    });
  }
  vcpus.emplace_back([&] {
    for (uint32_t i = 0; !stop; ++i) unplugged.Signal(i);
  });
  for (int round = 0; round < kRounds; ++round) {
    unplugged.Plug(0);
    if (round % 3 != 0) std::this_thread::yield();
    unplugged.Unplug();
    EXPECT_EQ(unplugged.host().accelerator().size(), 0u) << round;
    EXPECT_EQ(unplugged.host().router().size(), 0u) << round;
  }
  stop = true;
  for (std::thread& vcpu : vcpus) vcpu.join();
  stays.Unplug();
}

// A device goes while a peer's interrupt is on its way to the line, where the
// function may still be asked for its status.
TEST(UnplugStress, WhileTheLineIsSet) {
  std::vector<uint8_t> memory(0x1000);
  mock::Host host;
  auto device = PciDevice::Create(
      {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
      {memory.data(), memory.size()},
      {.mmio = &host.space(), .intx = &host.line()});
  ASSERT_TRUE(device.ok()) << device.status();
  MmioHandler& config = (*device)->config();
  Write(config, pci::kBar0, 4, kBar0);
  Write(config, pci::kCommand, 2, pci::kCommandMemorySpace);
  host.space().Write32(kBar0 + kMaskOffset, 1);
  std::atomic<bool> on_its_way = false;
  host.line().SetCallback([&](bool /*asserted*/) {
    on_its_way = true;
    while (host.space().Capture(kBar0, 4).ok()) std::this_thread::yield();
    for (int i = 0; i < 2000; ++i) {
      std::array<uint8_t, 2> status = {};
      config.Read(pci::kStatus, absl::MakeSpan(status));
      ASSERT_NE(LoadLittleEndian(status) & pci::kStatusInterrupt, 0u);
    }
  });
  Device& rung = (*device)->device();
  std::thread peer([&rung] { rung.OnPeerInterrupt(0); });
  while (!on_its_way) std::this_thread::yield();
  *device = nullptr;
  peer.join();
}

}  // namespace
}  // namespace ivshmem
