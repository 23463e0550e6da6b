// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The simulated Xen itself: that it does notice who breaks the rules of its
// page, and that claims are as in Xen.

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "backends/ioreq/xen/ioreq_abi.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/ioreq/xen/simulated_domain.h"
#include "testing/ioreq/xen/xen_guest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;
using xen_simulation::Command;
using xen_simulation::kEchoMemory;
using xen_simulation::Reply;

class Judge : public ::testing::Test {
 protected:
  void SetUp() override {
    auto domain = SimulatedDomain::Start(1);
    ASSERT_TRUE(domain.ok()) << domain.status();
    domain_ = *std::move(domain);
    xen_ = domain_->Open();
    server_ = xen_->CreateServer();
    ASSERT_EQ(xen_->MapServerPage(server_, &page_), 0);
    ASSERT_EQ(xen_->EnableServer(server_, true), 0);
    slot_ = static_cast<ioreq_t*>(page_.data);
    port_ = xen_->Bind(slot_->vp_eport);
    ASSERT_GT(port_, 0);
    ASSERT_EQ(xen_->MapRange(server_, XEN_DMOP_IO_RANGE_MEMORY, kEchoMemory,
                             kEchoMemory + 0xfff),
              0);
  }
  void TearDown() override { xen_->UnmapServerPage(page_); }

  // One request, which a device model handles by `work`. Returns the result.
  int Request(const std::function<void()>& work,
              uint8_t direction = IOREQ_READ) {
    Reply reply;
    std::thread vcpu([&] {
      reply = domain_->Call(
          {.kind = Command::kAccess,
           .request = XenRequest(IOREQ_TYPE_COPY, direction, kEchoMemory, 4)});
    });
    while (State() != STATE_IOREQ_READY) std::this_thread::yield();
    work();
    vcpu.join();
    return reply.result;
  }

  int State() {
    return std::atomic_ref<uint8_t>(reinterpret_cast<uint8_t*>(slot_)[30])
               .load() &
           0xf;
  }
  void SetState(int state) {
    const std::atomic_ref<uint8_t> byte(reinterpret_cast<uint8_t*>(slot_)[30]);
    byte.store((byte.load() & 0xf0) | static_cast<uint8_t>(state));
  }
  void Notify() { EXPECT_EQ(xen_->Notify(static_cast<uint32_t>(port_)), 0); }
  void Answer() {
    SetState(STATE_IOREQ_INPROCESS);
    slot_->data = 7;
    SetState(STATE_IORESP_READY);
    Notify();
  }

  std::unique_ptr<SimulatedDomain> domain_;
  std::unique_ptr<xen::Hypervisor> xen_;
  xen::ForeignMemory::ServerPage page_;
  int server_ = -1;
  int port_ = 0;
  ioreq_t* slot_ = nullptr;
};

TEST_F(Judge, TakesAnswers) {
  EXPECT_EQ(Request([&] { Answer(); }), 0);
  EXPECT_EQ(Request([&] { Answer(); }), 0);
  EXPECT_EQ(domain_->Violations(), "");
}

TEST_F(Judge, SeesAStateThatGoesBack) {
  EXPECT_EQ(Request([&] {
              SetState(STATE_IOREQ_NONE);
              Notify();
            }),
            -EPIPE);
  EXPECT_THAT(domain_->Violations(), HasSubstr("state 0 after 1"));
}

TEST_F(Judge, SeesAnUnknownState) {
  EXPECT_EQ(Request([&] {
              SetState(4);
              Notify();
            }),
            -EPIPE);
  EXPECT_THAT(domain_->Violations(), HasSubstr("state 4 after 1"));
}

TEST_F(Judge, SeesWhatElseIsWritten) {
  const std::vector<std::function<void()>> writes = {
      [&] { ++slot_->vp_eport; }, [&] { slot_->addr ^= 1; },
      [&] { ++slot_->count; },    [&] { ++slot_->size; },
      [&] { ++slot_->type; },     [&] { slot_->df ^= 1; }};
  for (size_t i = 0; i < writes.size(); ++i) {
    if (i > 0) {
      TearDown();
      SetUp();
    }
    Request([&] {
      writes[i]();
      Answer();
    });
    EXPECT_THAT(domain_->Violations(), HasSubstr("more than the answer")) << i;
  }
}

TEST_F(Judge, SeesDataThatNoReadAskedFor) {
  EXPECT_EQ(Request([&] { Answer(); }, IOREQ_WRITE), 0);
  EXPECT_THAT(domain_->Violations(), HasSubstr("more than the answer"));
}

TEST_F(Judge, SeesASecondEvent) {
  EXPECT_EQ(Request([&] {
              Answer();
              Notify();
            }),
            0);
  EXPECT_THAT(domain_->Violations(), HasSubstr("told 2 times of 1"));
}

TEST_F(Judge, SeesWhoTouchesASlotWithoutARequest) {
  EXPECT_EQ(Request([&] { Answer(); }), 0);
  slot_->data = 8;
  EXPECT_THAT(domain_->Violations(), HasSubstr("a slot changed"));
}

TEST_F(Judge, SeesAServerThatIsDestroyedInUse) {
  xen_->DestroyServer(server_);
  EXPECT_THAT(domain_->Violations(),
              HasSubstr("an enabled server is destroyed"));
}

// Of the domain, 8 servers.
TEST_F(Judge, HasEightServers) {
  for (int i = 1; i < 8; ++i) EXPECT_EQ(xen_->CreateServer(), i);
  EXPECT_EQ(xen_->CreateServer(), -ENOSPC);
}

// 256 ranges of a type; those that touch are one.
TEST_F(Judge, HasRanges) {
  const auto map = [&](uint64_t first, uint64_t last) {
    return xen_->MapRange(server_, XEN_DMOP_IO_RANGE_PORT, first, last);
  };
  const auto unmap = [&](uint64_t first, uint64_t last) {
    return xen_->UnmapRange(server_, XEN_DMOP_IO_RANGE_PORT, first, last);
  };
  EXPECT_EQ(map(5, 4), -EINVAL);
  EXPECT_EQ(map(0x10, 0x1f), 0);
  EXPECT_EQ(map(0x1f, 0x20), -EEXIST);
  EXPECT_EQ(map(0, 0x10), -EEXIST);
  EXPECT_EQ(map(0x20, 0x2f), 0);
  EXPECT_EQ(map(0, 0xf), 0);
  EXPECT_EQ(unmap(0x18, 0x27), 0) << "what was joined is cut";
  EXPECT_EQ(unmap(0x18, 0x27), -ENOENT);
  EXPECT_EQ(unmap(0x20, 0x2f), -ENOENT);
  // Two so far.
  for (uint64_t i = 0; i < 254; ++i) {
    EXPECT_EQ(map(0x100 + 2 * i, 0x100 + 2 * i), 0) << i;
  }
  EXPECT_EQ(map(0x8000, 0x8000), -ENOMEM);
  EXPECT_EQ(map(0x101, 0x101), 0) << "joins two";
  EXPECT_EQ(map(0x8000, 0x8000), 0);
}

}  // namespace
}  // namespace ivshmem
