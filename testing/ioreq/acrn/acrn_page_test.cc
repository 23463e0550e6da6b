// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// ACRN's page under load and with what nobody should put there: every slot is
// always answered, and the rules are kept, which the guest's process watches.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/memory_object.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "core/registers.h"
#include "core/switchboard.h"
#include "gtest/gtest.h"
#include "testing/ioreq/acrn/acrn_guest.h"

namespace ivshmem {
namespace {

using acrn_simulation::Command;
using acrn_simulation::Reply;

constexpr uint64_t kSize = 2 << 20;
constexpr absl::Duration kPatience = absl::Seconds(20);

// A read waits until it is let go; others read the offset.
class Gate : public MmioHandler {
 public:
  static constexpr uint64_t kAddress = 0xd0000000;
  static constexpr uint64_t kSize = 0x1000;
  static constexpr uint64_t kBlocked = 0x800;

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    if (offset == kBlocked) {
      entered.Notify();
      let_go.WaitForNotification();
    }
    StoreLittleEndian(offset, bytes);
  }
  void Write(uint64_t /*offset*/,
             absl::Span<const uint8_t> /*bytes*/) noexcept override {
    ++writes;
  }

  std::atomic<int> writes{0};
  absl::Notification entered;
  absl::Notification let_go;
};

// Whether the vCPUs poll, and whether the device model does.
using Ways = std::tuple<bool, bool>;

class AcrnPage : public ::testing::TestWithParam<Ways> {
 protected:
  void SetUp() override { Start(4); }
  void Start(int vcpus) {
    if (guest_.has_value()) guest_->StopServing();
    guest_.reset();
    guest_.emplace(AcrnGuest::Options{
        .vcpus = vcpus,
        .polling = std::get<0>(GetParam()),
        .engine = {.wait = std::get<1>(GetParam())
                               ? ioreq::Engine::Options::Wait::kPoll
                               : ioreq::Engine::Options::Wait::kBlock}});
    auto claim = guest_->dispatcher()
                     .space(ioreq::Space::kMemory)
                     .Claim(Gate::kAddress, Gate::kSize, gate_);
    ASSERT_TRUE(claim.ok());
    claim_ = *std::move(claim);
  }
  void TearDown() override { guest_->StopServing(); }

  Reply Storm(int vcpu, uint64_t seed, uint64_t count) {
    Command command = {.kind = Command::kStorm,
                       .vcpu = static_cast<uint32_t>(vcpu),
                       .number = count,
                       .value = seed};
    const std::array<uint64_t, 8> addresses = {Gate::kAddress,
                                               Gate::kAddress + Gate::kSize,
                                               0,
                                               0x10,
                                               ~uint64_t{0xf},
                                               uint64_t{1} << 32,
                                               0xb0000000 + (3 << 15),
                                               0xe0030000};
    std::memcpy(command.data, addresses.data(), sizeof(addresses));
    return guest_->vm().Call(command);
  }

  void Poke(int vcpu, const acrn_io_request& slot) {
    Command command = {.kind = Command::kPoke,
                       .vcpu = static_cast<uint32_t>(vcpu)};
    std::memcpy(command.data, &slot, sizeof(slot));
    guest_->vm().Call(command);
  }
  acrn_io_request Peek(int vcpu) {
    const Reply reply = guest_->vm().Call(
        {.kind = Command::kPeek, .vcpu = static_cast<uint32_t>(vcpu)});
    acrn_io_request slot;
    std::memcpy(&slot, reply.data, sizeof(slot));
    return slot;
  }
  bool IsUntouched(int vcpu, const acrn_io_request& slot) {
    const acrn_io_request now = Peek(vcpu);
    constexpr size_t kBytes = offsetof(acrn_io_request, processed) + 4;
    return std::memcmp(&now, &slot, kBytes) == 0;
  }
  bool StateBecomes(int vcpu, uint32_t state) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (Peek(vcpu).processed != state) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }
  // All vCPUs are served.
  void ExpectServed(int from = 0) {
    for (int vcpu = from; vcpu < 4; ++vcpu) {
      EXPECT_EQ(guest_->Read(Gate::kAddress + 4 * vcpu, 4, vcpu), 4u * vcpu);
    }
  }

  Gate gate_;
  std::optional<AcrnGuest> guest_;
  RegistrationPtr claim_;
};

INSTANTIATE_TEST_SUITE_P(
    Ways, AcrnPage, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param) ? "VcpusPoll" : "VcpusWait",
                          std::get<1>(info.param) ? "WePoll" : "WeWait");
    });

acrn_io_request GateRead(uint64_t offset) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_MMIO;
  request.reqs.mmio_request.address = Gate::kAddress + offset;
  request.reqs.mmio_request.size = 4;
  return request;
}

// --- Hostile contents: each is answered, with all ones where it is a read
// -----

TEST_P(AcrnPage, UnknownTypes) {
  for (const uint32_t type : {4u, 5u, 0x80000000u, ~0u}) {
    acrn_io_request request = GateRead(0);
    request.type = type;
    EXPECT_EQ(guest_->Do(request).type, type);
    request.reqs.mmio_request.direction = ACRN_IOREQ_DIR_WRITE;
    guest_->Do(request);
  }
  EXPECT_EQ(gate_.writes, 0);
  EXPECT_EQ(guest_->dispatcher().counts().malformed, 8u);
  ExpectServed();
}

TEST_P(AcrnPage, UnknownDirections) {
  for (const uint32_t direction : {2u, 0x100u, ~0u}) {
    acrn_io_request request = GateRead(0);
    request.reqs.mmio_request.direction = direction;
    guest_->Do(request);
  }
  EXPECT_EQ(gate_.writes, 0);
  EXPECT_EQ(guest_->dispatcher().counts().malformed, 3u);
  ExpectServed();
}

TEST_P(AcrnPage, SizesThatAreNone) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{3}, uint64_t{5}, uint64_t{6}, uint64_t{7},
        uint64_t{9}, uint64_t{16}, uint64_t{1} << 32, ~uint64_t{0}}) {
    acrn_io_request request = GateRead(0);
    request.reqs.mmio_request.size = size;
    guest_->Do(request);
    request.reqs.mmio_request.direction = ACRN_IOREQ_DIR_WRITE;
    guest_->Do(request);
  }
  EXPECT_EQ(gate_.writes, 0);
  EXPECT_EQ(guest_->dispatcher().counts().malformed, 18u);
  ExpectServed();
}

// Around the top of memory, past the last port, in no config space.
TEST_P(AcrnPage, AddressesThatAreNone) {
  for (const uint64_t address : {~uint64_t{0}, ~uint64_t{2}}) {
    EXPECT_EQ(guest_->Read(address), 0xffffffffu);
    guest_->Write(address, 1);
  }
  EXPECT_EQ(guest_->Read(~uint64_t{3}), 0xffffffffu) << "up to the last byte";
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PORTIO;
  request.reqs.pio_request.size = 2;
  for (const uint64_t port :
       {uint64_t{0xffff}, uint64_t{0x10000}, uint64_t{1} << 48}) {
    request.reqs.pio_request.address = port;
    EXPECT_EQ(guest_->Do(request).reqs.pio_request.value, 0xffffu) << port;
  }
  ExpectServed();
}

// Unclaimed reads are all ones of their size, and above that 0; writes are
// dropped.
TEST_P(AcrnPage, Unclaimed) {
  EXPECT_EQ(guest_->Read(0xc0000000, 1), 0xffu);
  EXPECT_EQ(guest_->Read(0xc0000000, 2), 0xffffu);
  EXPECT_EQ(guest_->Read(0xc0000000, 4), 0xffffffffu);
  EXPECT_EQ(guest_->Read(0xc0000000, 8), ~uint64_t{0});
  guest_->Write(0xc0000000, 1);
  EXPECT_EQ(guest_->In(0x60, 1), 0xffu);
  EXPECT_EQ(guest_->dispatcher().counts().unclaimed, 6u);
}

// An access that spans the end of a range: all ones; a write is dropped.
TEST_P(AcrnPage, Spanning) {
  EXPECT_EQ(guest_->Read(Gate::kAddress + Gate::kSize - 2), 0xffffffffu);
  EXPECT_EQ(guest_->Read(Gate::kAddress - 2), 0xffffffffu);
  guest_->Write(Gate::kAddress + Gate::kSize - 2, 1);
  EXPECT_EQ(gate_.writes, 0);
  EXPECT_EQ(guest_->dispatcher().counts().spanning, 3u);
}

// What comes after a release is answered, too.
TEST_P(AcrnPage, AfterARelease) {
  ExpectServed();
  claim_ = nullptr;
  EXPECT_EQ(guest_->Read(Gate::kAddress), 0xffffffffu);
  guest_->Write(Gate::kAddress, 1);
  EXPECT_EQ(gate_.writes, 0);
}

// A write to write-protected memory is a write, whatever direction it has.
TEST_P(AcrnPage, WriteProtect) {
  for (const uint32_t direction : {0u, 1u, 7u}) {
    acrn_io_request request = GateRead(0);
    request.type = 3;
    request.reqs.mmio_request.direction = direction;
    guest_->Do(request);
  }
  EXPECT_EQ(gate_.writes, 3);
}

// --- States out of order -----------------------------------------------------

// A slot that is PROCESSING though no kernel ever took it over: answered, once.
TEST_P(AcrnPage, ProcessingFromNowhere) {
  acrn_io_request slot = GateRead(0x44);
  slot.processed = ACRN_IOREQ_STATE_PROCESSING;
  Poke(0, slot);
  // Who waits in the kernel sees it with the next request.
  ExpectServed(1);
  ASSERT_TRUE(StateBecomes(0, ACRN_IOREQ_STATE_COMPLETE));
  EXPECT_EQ(Peek(0).reqs.mmio_request.value, 0x44u);
  slot.processed = ACRN_IOREQ_STATE_FREE;
  Poke(0, slot);
  ExpectServed();
}

// PROCESSING, but the kernel's: left alone.
TEST_P(AcrnPage, KernelHandled) {
  acrn_io_request slot = GateRead(0x44);
  slot.kernel_handled = 1;
  slot.reqs.mmio_request.value = 0x1234;
  slot.processed = ACRN_IOREQ_STATE_PROCESSING;
  Poke(0, slot);
  for (int i = 0; i < 20; ++i) ExpectServed(1);
  EXPECT_TRUE(IsUntouched(0, slot));
  slot.processed = ACRN_IOREQ_STATE_FREE;
  Poke(0, slot);
  ExpectServed();
}

// COMPLETE, FREE, and no state at all: left alone.
TEST_P(AcrnPage, StatesThatAreNotOurs) {
  for (const uint32_t state : {uint32_t{ACRN_IOREQ_STATE_COMPLETE},
                               uint32_t{ACRN_IOREQ_STATE_FREE}, 4u, ~0u}) {
    acrn_io_request slot = GateRead(0x44);
    slot.reqs.mmio_request.value = 0x1234;
    slot.processed = state;
    Poke(0, slot);
    ExpectServed(1);
    EXPECT_TRUE(IsUntouched(0, slot)) << state;
  }
  acrn_io_request slot = GateRead(0);
  slot.processed = ACRN_IOREQ_STATE_FREE;
  Poke(0, slot);
  ExpectServed();
}

// A request that is taken back while its handler runs: what comes of it touches
// the slot no more.
TEST_P(AcrnPage, TakenBack) {
  acrn_io_request slot = GateRead(Gate::kBlocked);
  slot.processed = ACRN_IOREQ_STATE_PENDING;
  Poke(0, slot);
  gate_.entered.WaitForNotification();
  slot.reqs.mmio_request.value = 0x1234;
  slot.processed = ACRN_IOREQ_STATE_FREE;
  Poke(0, slot);
  gate_.let_go.Notify();
  for (int i = 0; i < 20; ++i) ExpectServed(1);
  EXPECT_EQ(Peek(0).reqs.mmio_request.value, 0x1234u);
  EXPECT_EQ(Peek(0).processed, uint32_t{ACRN_IOREQ_STATE_FREE});
}

// --- Load --------------------------------------------------------------------

// A blocked handler holds its own vCPU and no other.
TEST_P(AcrnPage, ABlockedHandler) {
  std::thread blocked([&] {
    EXPECT_EQ(guest_->Read(Gate::kAddress + Gate::kBlocked, 4, 0),
              Gate::kBlocked);
  });
  gate_.entered.WaitForNotification();
  for (int i = 0; i < 20; ++i) ExpectServed(1);
  gate_.let_go.Notify();
  blocked.join();
  ExpectServed();
}

// 16 vCPUs at once, each with requests of all kinds: all are answered.
TEST_P(AcrnPage, SixteenVcpusInAStorm) {
  Start(16);
  gate_.let_go.Notify();
  constexpr uint64_t kRequests = 150;
  std::vector<std::thread> vcpus;
  for (int vcpu = 0; vcpu < 16; ++vcpu) {
    vcpus.emplace_back([&, vcpu] {
      EXPECT_EQ(Storm(vcpu, 1000 + vcpu, kRequests).value, kRequests);
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
}

// Stopped while all vCPUs are at work, and again, and again: all are answered,
// if only with ones, or by the kernel, which puts nothing there. Whoever serves
// next serves.
TEST_P(AcrnPage, StopsUnderLoad) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> vcpus;
  for (int vcpu = 0; vcpu < 4; ++vcpu) {
    vcpus.emplace_back([&, vcpu] {
      while (!stop) {
        const auto value = static_cast<uint32_t>(
            guest_->Read(Gate::kAddress + 4 * vcpu, 4, vcpu));
        EXPECT_TRUE(value == 4u * vcpu || value == 0xffffffff ||
                    value == 0xa5a5a5a5)
            << value;
      }
    });
  }
  for (int i = 0; i < 25; ++i) {
    guest_->StopServing();
    guest_->Serve();
  }
  stop = true;
  for (std::thread& vcpu : vcpus) vcpu.join();
  ExpectServed();
}

// Stopped while a handler runs: its request is answered first.
TEST_P(AcrnPage, StopsWithAHandlerAtWork) {
  std::thread blocked([&] {
    EXPECT_EQ(guest_->Read(Gate::kAddress + Gate::kBlocked, 4, 0),
              Gate::kBlocked);
  });
  gate_.entered.WaitForNotification();
  std::thread stopper([&] { guest_->StopServing(); });
  gate_.let_go.Notify();
  blocked.join();
  stopper.join();
}

// --- Several devices, rung from everywhere
// ------------------------------------

// 6 devices and 8 vCPUs; each vCPU rings and reads on all devices at once.
TEST_P(AcrnPage, SeveralDevices) {
  Start(8);
  const MemoryObject object = *MemoryObject::Memfd(kSize);
  const MappedMemory memory = *object.Map();
  Switchboard switchboard;
  ASSERT_TRUE(switchboard.AddRegion("hv:/all", memory.view()).ok());
  std::vector<std::unique_ptr<AcrnDevice>> devices;
  std::vector<std::unique_ptr<Switchboard::Port>> ports;
  for (int i = 0; i < 6; ++i) {
    devices.push_back(std::make_unique<AcrnDevice>(
        *guest_, 3 + i, memory.view(), PciDevice::Host()));
    ports.push_back(
        *switchboard.Bind("hv:/all", kSize, devices.back()->device(), 10 + i));
    devices.back()->PlaceBars();
    devices.back()->EnableMsix();
  }
  guest_->TakeMessages();
  constexpr int kRounds = 20;
  std::vector<std::thread> vcpus;
  for (int vcpu = 0; vcpu < 8; ++vcpu) {
    vcpus.emplace_back([&, vcpu] {
      for (int i = 0; i < kRounds; ++i) {
        AcrnDevice& device = *devices[(vcpu + i) % 6];
        EXPECT_EQ(device.Register(kPositionOffset, vcpu), 10u + (vcpu + i) % 6);
        device.Ring(static_cast<PeerId>(10 + i % 6), 2, vcpu);
        guest_->Write(device.bar2() + 8 * vcpu, i, 8, vcpu);
        EXPECT_EQ(guest_->Read(devices[0]->bar2() + 8 * vcpu, 8, vcpu),
                  static_cast<uint64_t>(i));
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  uint64_t delivered = 0;
  for (const auto& device : devices) {
    delivered += device->device().count(InterruptResult::kDelivered);
  }
  EXPECT_EQ(delivered, 8u * kRounds);
  const Reply messages = guest_->vm().Call({.kind = Command::kTakeMessages});
  EXPECT_EQ(messages.value, 8u * kRounds);
  guest_->StopServing();
}

}  // namespace
}  // namespace ivshmem
