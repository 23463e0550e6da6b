// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Xen's page under load and with what nobody should put there: every slot is
// always answered, and the rules are kept, which the domain's process watches.

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "testing/ioreq/xen/xen_guest.h"

namespace ivshmem {
namespace {

using ioreq::Space;
using xen_simulation::Command;
using xen_simulation::EchoByte;
using xen_simulation::kEchoFunction;
using xen_simulation::kEchoMemory;
using xen_simulation::kEchoPorts;
using xen_simulation::kHole;
using xen_simulation::kPage;
using xen_simulation::Reply;
using Wait = ioreq::Engine::Options::Wait;

constexpr absl::Duration kPatience = absl::Seconds(20);

uint64_t Echo(uint64_t offset, int size) {
  uint64_t value = 0;
  for (int i = size - 1; i >= 0; --i) value = value << 8 | EchoByte(offset + i);
  return value;
}

class XenPage : public ::testing::TestWithParam<Wait> {
 protected:
  void SetUp() override { Start(4); }
  void Start(int vcpus) {
    claims_.clear();
    guest_.reset();
    guest_.emplace(vcpus, ioreq::Engine::Options{.wait = GetParam()});
    claims_ = guest_->ClaimEcho(echo_);
  }
  void TearDown() override {
    claims_.clear();
    EXPECT_EQ(echo_.wrong, 0);
  }

  Reply Storm(int vcpu, uint64_t count, int hostile_to = -1) {
    return guest_->domain().Call({.kind = Command::kStorm,
                                  .server = hostile_to,
                                  .vcpu = vcpu,
                                  .a = count,
                                  .b = 1000u + static_cast<uint64_t>(vcpu)});
  }
  // On all vCPUs at once.
  void StormAll(uint64_t count, int hostile_to = -1) {
    std::vector<std::thread> threads;
    for (int v = 0; v < guest_->domain().vcpus(); ++v) {
      threads.emplace_back([&, v] {
        EXPECT_EQ(Storm(v, count, hostile_to).value, count) << "vCPU " << v;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  ioreq::Dispatcher::Counts counts() {
    return guest_->server().dispatcher().counts();
  }
  void ExpectServed() {
    for (int v = 0; v < guest_->domain().vcpus(); ++v) {
      EXPECT_EQ(guest_->Read(kEchoMemory + 8 * v, 8, v), Echo(8 * v, 8));
    }
  }
  uint64_t answered() {
    return guest_->domain().Call({.kind = Command::kAnswered}).value;
  }

  EchoDevice echo_;
  std::optional<XenGuest> guest_;
  std::vector<RegistrationPtr> claims_;
};

INSTANTIATE_TEST_SUITE_P(Waits, XenPage,
                         ::testing::Values(Wait::kBlock, Wait::kPoll),
                         [](const auto& info) {
                           return info.param == Wait::kBlock ? "Block" : "Poll";
                         });

// An access of each size, in each space.
TEST_P(XenPage, AccessesOfAllSizes) {
  for (const int bytes : {1, 2, 4, 8}) {
    const auto size = static_cast<uint32_t>(bytes);
    EXPECT_EQ(guest_->Read(kEchoMemory + 0x10, size), Echo(0x10, bytes));
    guest_->Write(kEchoMemory + 0x10, ~Echo(0x10, bytes), size);
    if (size == 8) continue;
    EXPECT_EQ(guest_->In(kEchoPorts + 8, size), Echo(8, bytes));
    guest_->Out(kEchoPorts + 8, ~Echo(8, bytes), size);
    EXPECT_EQ(guest_->Config(31, 0x40, size), Echo(0x40, bytes));
    guest_->SetConfig(31, 0x40, static_cast<uint32_t>(~Echo(0x40, bytes)),
                      size);
  }
  EXPECT_EQ(echo_.reads, 10);
  EXPECT_EQ(echo_.writes, 10);
}

// --- Strings: `count` items to or from the domain's memory ---

class XenString {
 public:
  XenString(XenGuest& guest, uint8_t type, uint8_t direction, uint64_t address)
      : guest_(guest), request_(XenRequest(type, direction, address, 4)) {
    request_.data_is_ptr = 1;
  }
  XenString& Count(uint32_t count) {
    request_.count = count;
    return *this;
  }
  XenString& Backwards() {
    request_.df = 1;
    return *this;
  }
  Reply At(uint64_t operand, int late = -1) {
    request_.data = operand;
    return guest_.Do(request_, 0, late);
  }

 private:
  XenGuest& guest_;
  ioreq_t request_;
};

// rep movs from the device: memory steps, up or down (`df`), and so do the
// operands, over the end of a page too.
TEST_P(XenPage, ReadsAStringIntoMemory) {
  uint8_t* const ram = guest_->domain().frame(4);
  const uint64_t operand = 4 * kPage + kPage - 6;
  EXPECT_EQ(XenString(*guest_, IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory + 0x20)
                .Count(3)
                .At(operand)
                .result,
            0);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(ram[kPage - 6 + i], EchoByte(0x20 + i)) << i;
  }
  EXPECT_EQ(ram[kPage - 7], 0);
  EXPECT_EQ(ram[kPage + 6], 0);
  EXPECT_EQ(XenString(*guest_, IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory + 0x20)
                .Count(3)
                .Backwards()
                .At(4 * kPage + 0x100)
                .result,
            0);
  for (int i = -8; i < 4; ++i) EXPECT_EQ(ram[0x100 + i], EchoByte(0x20 + i));
}

TEST_P(XenPage, WritesAStringFromMemory) {
  uint8_t* const ram = guest_->domain().frame(4);
  for (int i = 0; i < 64; ++i) ram[i] = static_cast<uint8_t>(~EchoByte(i));
  EXPECT_EQ(XenString(*guest_, IOREQ_TYPE_COPY, IOREQ_WRITE, kEchoMemory)
                .Count(16)
                .At(4 * kPage)
                .result,
            0);
  EXPECT_EQ(echo_.writes, 16);
}

// rep ins, rep outs: the port stays.
TEST_P(XenPage, StringsOfPorts) {
  uint8_t* const ram = guest_->domain().frame(4);
  XenString(*guest_, IOREQ_TYPE_PIO, IOREQ_READ, kEchoPorts + 4)
      .Count(2)
      .At(4 * kPage);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(ram[i], EchoByte(4 + i % 4));
  for (int i = 0; i < 8; ++i) {
    ram[i] = static_cast<uint8_t>(~EchoByte(4 + i % 4));
  }
  XenString(*guest_, IOREQ_TYPE_PIO, IOREQ_WRITE, kEchoPorts + 4)
      .Count(2)
      .At(4 * kPage);
  EXPECT_EQ(echo_.writes, 2);
}

// Operands that are not RAM: the string ends there, and is answered.
TEST_P(XenPage, StringsWithoutOperands) {
  XenString into(*guest_, IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory);
  EXPECT_EQ(into.Count(4).At(kHole * kPage).result, 0);
  EXPECT_EQ(into.Count(4).At(~uint64_t{0} - 3).result, 0);
  XenString from(*guest_, IOREQ_TYPE_COPY, IOREQ_WRITE, kEchoMemory);
  EXPECT_EQ(from.Count(4).At(kHole * kPage).result, 0);
  EXPECT_EQ(echo_.writes, 0);
  EXPECT_EQ(counts().malformed, 3u);
  // Half of them are.
  uint8_t* const ram = guest_->domain().frame(kHole - 1);
  for (int i = 0; i < 8; ++i) {
    ram[kPage - 8 + i] = static_cast<uint8_t>(~EchoByte(i));
  }
  EXPECT_EQ(from.Count(4).At(kHole * kPage - 8).result, 0);
  EXPECT_EQ(echo_.writes, 2);
  ExpectServed();
}

// --- Claims ---

// Xen hands over what lies wholly in a range, and no more once it is released.
TEST_P(XenPage, OnlyWhatIsClaimedComes) {
  EXPECT_EQ(guest_->Read(kEchoMemory + 0xffc), Echo(0xffc, 4));
  const uint64_t before = answered();
  EXPECT_EQ(guest_->Read(kEchoMemory + 0xffe), 0xffffffffu);
  EXPECT_EQ(guest_->Read(kEchoMemory - 1), 0xffffffffu);
  EXPECT_EQ(guest_->Config(30, 0), 0xffffffffu);
  claims_.clear();
  EXPECT_EQ(guest_->Read(kEchoMemory), 0xffffffffu);
  EXPECT_EQ(guest_->In(kEchoPorts, 2), 0xffffu);
  EXPECT_EQ(guest_->Config(31, 0), 0xffffffffu);
  EXPECT_EQ(answered(), before);
  claims_ = guest_->ClaimEcho(echo_);
  ExpectServed();
}

// A request that was under way when its range was released: all ones, and
// nothing is written.
TEST_P(XenPage, LateRequests) {
  claims_.clear();
  const ioreq_t read =
      XenRequest(IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory, 4, 1);
  Reply reply = guest_->Do(read, 0, /*late=*/0);
  EXPECT_EQ(reply.result, 0);
  EXPECT_EQ(reply.request.data, 0xffffffffu);
  reply = guest_->Do(
      XenRequest(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, kEchoFunction << 32, 2, 1),
      0, 0);
  EXPECT_EQ(reply.request.data, 0xffffu);
  const ioreq_t write =
      XenRequest(IOREQ_TYPE_PIO, IOREQ_WRITE, kEchoPorts, 1, 1);
  EXPECT_EQ(guest_->Do(write, 0, 0).result, 0);
  EXPECT_EQ(echo_.reads + echo_.writes, 0);
  EXPECT_EQ(counts().unclaimed, 3u);
}

// Overlaps, too many ranges: errors of the claim, which leave nothing.
TEST_P(XenPage, ClaimsThatXenRefuses) {
  MmioSpace& ports = guest_->server().space(Space::kPorts);
  EXPECT_EQ(ports.Claim(kEchoPorts + 0xff, 2, echo_).status().code(),
            absl::StatusCode::kAlreadyExists);
  std::vector<RegistrationPtr> many;
  absl::Status status;
  for (int i = 0; i < 300 && status.ok(); ++i) {
    auto claim = ports.Claim(4 * i, 1, echo_);
    status = claim.status();
    if (claim.ok()) many.push_back(*std::move(claim));
  }
  EXPECT_EQ(many.size(), 255u) << "and that of the echo device";
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(guest_->In(4 * 255, 1), 0xffu);
  many.pop_back();
  EXPECT_TRUE(ports.Claim(4 * 255, 1, echo_).ok());
}

// Eight servers of a domain, each with its claims; a ninth is refused.
TEST_P(XenPage, EightServers) {
  std::vector<std::unique_ptr<XenServer>> others;
  std::vector<std::unique_ptr<EchoDevice>> echoes;
  std::vector<RegistrationPtr> claims;
  for (int i = 1; i < 8; ++i) {
    others.push_back(std::make_unique<XenServer>(
        guest_->domain(), ioreq::Engine::Options{.wait = Wait::kBlock}));
    echoes.push_back(std::make_unique<EchoDevice>());
    auto claim = others.back()
                     ->space(Space::kMemory)
                     .Claim(kEchoMemory + 0x1000 * i, 0x1000, *echoes.back());
    ASSERT_TRUE(claim.ok()) << claim.status();
    claims.push_back(*std::move(claim));
  }
  for (int i = 1; i < 8; ++i) {
    EXPECT_EQ(guest_->Read(kEchoMemory + 0x1000 * i, 4, i % 4), Echo(0, 4));
    EXPECT_EQ(echoes[i - 1]->reads, 1);
  }
  const auto hypervisor = guest_->domain().Open();
  const auto ninth = xen::Transport::Open(*hypervisor);
  EXPECT_EQ(ninth.status().code(), absl::StatusCode::kResourceExhausted)
      << ninth.status();
  ExpectServed();
  claims.clear();
}

// --- What nobody should send ---

TEST_P(XenPage, HostileRequests) {
  const ioreq_t read =
      XenRequest(IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory, 4, 0x77);
  ioreq_t request = read;
  request.type = 200;
  EXPECT_EQ(guest_->Do(request, 0, 0).request.data, 0xffffffffu) << "type";
  for (const uint32_t size : {0u, 3u, 5u, 16u, 0x80000000u, ~0u}) {
    request = read;
    request.size = size;
    EXPECT_EQ(guest_->Do(request, 0, 0).result, 0) << size;
    request.dir = IOREQ_WRITE;
    EXPECT_EQ(guest_->Do(request, 0, 0).result, 0) << size;
  }
  for (const uint64_t address : {~uint64_t{0}, ~uint64_t{2}}) {
    request = read;
    request.addr = address;
    EXPECT_EQ(guest_->Do(request, 0, 0).request.data, 0xffffffffu) << "wraps";
  }
  for (const uint32_t count : {0u, 4097u, ~0u}) {
    request = read;
    request.count = count;
    request.data_is_ptr = 1;
    request.data = 4 * kPage;
    EXPECT_EQ(guest_->Do(request, 0, 0).result, 0) << count;
  }
  EXPECT_EQ(counts().malformed, 1u + 12 + 2 + 3);
  EXPECT_EQ(echo_.reads + echo_.writes, 0);
  ExpectServed();
}

// Of config space: a register past the function's 4 KiB, or an access over its
// end, reaches no other function.
TEST_P(XenPage, ConfigStaysInTheFunction) {
  for (const uint64_t offset : {0xffe, 0x1000, 0x8000, 0x7fffffff}) {
    const Reply reply = guest_->Do(XenRequest(
        IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, kEchoFunction << 32 | offset, 4, 1));
    EXPECT_EQ(reply.result, 0);
    EXPECT_EQ(reply.request.data, 0xffffffffu) << offset;
  }
  // The function before it.
  const Reply reply =
      guest_->Do(XenRequest(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ,
                            (kEchoFunction - 1) << 32 | 0x1000, 4, 1),
                 0, 0);
  EXPECT_EQ(reply.request.data, 0xffffffffu);
  EXPECT_EQ(echo_.reads, 0);
}

// That the guest's clock was set, and that cached mappings are to go, is told
// to every server: completed as it is.
TEST_P(XenPage, Notices) {
  for (const int type : {IOREQ_TYPE_TIMEOFFSET, IOREQ_TYPE_INVALIDATE}) {
    for (const int direction : {IOREQ_READ, IOREQ_WRITE}) {
      const Reply reply =
          guest_->Do(XenRequest(static_cast<uint8_t>(type),
                                static_cast<uint8_t>(direction), 0, 8, 0x1234),
                     1, 0);
      EXPECT_EQ(reply.result, 0);
      EXPECT_EQ(reply.request.data, 0x1234u);
    }
  }
  EXPECT_EQ(counts().malformed, 0u);
}

// A state that no request begins with is left alone; the slot works later.
TEST_P(XenPage, StatesOutOfOrder) {
  for (const int state : {2, 3, 4, 7, 15}) {
    ioreq_t slot =
        XenRequest(IOREQ_TYPE_COPY, IOREQ_READ, kEchoMemory, 4, 0x55);
    slot.vp_eport = xen_simulation::PortOf(0, 1);
    slot.state = static_cast<uint8_t>(state) & 0xf;
    guest_->domain().Call(
        {.kind = Command::kPoke, .server = 0, .vcpu = 1, .request = slot});
    // The others are served meanwhile.
    EXPECT_EQ(guest_->Read(kEchoMemory, 4, 0), Echo(0, 4));
    const ioreq_t after =
        guest_->domain()
            .Call({.kind = Command::kPeek, .server = 0, .vcpu = 1})
            .request;
    EXPECT_EQ(after.state, state);
    EXPECT_EQ(after.data, 0x55u);
  }
  ioreq_t idle = {};
  idle.vp_eport = xen_simulation::PortOf(0, 1);
  guest_->domain().Call(
      {.kind = Command::kPoke, .server = 0, .vcpu = 1, .request = idle});
  ExpectServed();
}

// An event that means nothing is nothing.
TEST_P(XenPage, EventsWithoutARequest) {
  for (int i = 0; i < 100; ++i) {
    guest_->domain().Call(
        {.kind = Command::kRaise, .server = 0, .vcpu = i % 4});
  }
  ExpectServed();
}

TEST_P(XenPage, HostileStorm) {
  StormAll(2000, /*hostile_to=*/0);
  echo_.wrong = 0;  // They write anything.
  ExpectServed();
}

// --- Many vCPUs, blocked handlers, the end ---

TEST_P(XenPage, SixteenVcpusAtOnce) {
  Start(16);
  StormAll(1000);
  EXPECT_EQ(answered(), 16000u);
}

TEST_P(XenPage, AllThatAPageHasRoomFor) {
  Start(128);
  StormAll(30);
  EXPECT_EQ(answered(), 128u * 30);
}

// A handler that does not return holds its own vCPU, and no other.
class Gate : public EchoDevice {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    if (offset == 0x800) {
      entered.Notify();
      open.WaitForNotification();
    }
    EchoDevice::Read(offset, bytes);
  }
  absl::Notification entered;
  absl::Notification open;
};

TEST_P(XenPage, ABlockedHandler) {
  Gate gate;
  auto claim = guest_->server()
                   .space(Space::kMemory)
                   .Claim(kEchoMemory + 0x10000, 0x1000, gate);
  ASSERT_TRUE(claim.ok());
  std::thread vcpu([&] {
    EXPECT_EQ(guest_->Read(kEchoMemory + 0x10800, 4, 0), Echo(0x800, 4));
  });
  ASSERT_TRUE(gate.entered.WaitForNotificationWithTimeout(kPatience));
  for (int v = 1; v < 4; ++v) {
    EXPECT_EQ(Storm(v, 300).value, 300u) << "vCPU " << v;
  }
  gate.open.Notify();
  vcpu.join();
  ExpectServed();
}

// The device model ends while all vCPUs are at it: each request that came is
// answered or, once the server is destroyed, let go by Xen; a new device model
// finds all as it should be.
TEST_P(XenPage, StopsUnderLoad) {
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> threads;
    for (int v = 0; v < 4; ++v) {
      // Until nobody claims what it accesses any more.
      threads.emplace_back([&, v] {
        guest_->domain().Call({.kind = Command::kStorm,
                               .vcpu = v,
                               .type = 1,
                               .a = 1'000'000,
                               .b = static_cast<uint64_t>(v)});
      });
    }
    const uint64_t before = answered();
    const absl::Time deadline = absl::Now() + kPatience;
    while (answered() < before + 50 && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_GE(answered(), before + 50);
    guest_->StopServing();
    for (std::thread& thread : threads) thread.join();
    claims_.clear();
    ASSERT_EQ(guest_->domain().Violations(), "");
    Start(4);
    ExpectServed();
  }
}

}  // namespace
}  // namespace ivshmem
