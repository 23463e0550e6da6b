// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/local_hsm.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/front.h"
#include "backends/ioreq/acrn/msi.h"
#include "backends/ioreq/acrn/request_slots.h"
#include "backends/ioreq/acrn/requests.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/ioreq/request.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "bus/pci/msi.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

constexpr uint64_t kBase = 0x10000;

// Reads give the offset and 3.
class Offsets : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    StoreLittleEndian(offset + 3, bytes);
  }
  void Write(uint64_t /*offset*/,
             absl::Span<const uint8_t> /*bytes*/) noexcept override {
    ++writes;
  }

  std::atomic<uint64_t> writes{0};
};

// A hypervisor whose vCPUs are threads: they wait to be resumed, or poll.
class Machine : private RequestSlots::Host {
 public:
  explicit Machine(int vcpus, bool polling)
      : polling_(polling),
        slots_(page_, vcpus, polling, *this),
        hsm_(page_, vcpus, slots_, nullptr),
        front_(ranges_, &slots_) {}

  LocalHsm& hsm() { return hsm_; }
  RequestSlots& slots() { return slots_; }
  acrn_io_request_buffer& page() { return page_; }

  // What Emulate() or PostWork() says in the end.
  int Do(int vcpu, acrn_io_request& request) {
    int result = front_.Emulate(vcpu, request);
    while (result == Front::kPending) {
      if (polling_) {
        std::this_thread::yield();
      } else {
        std::unique_lock lock(mutex_);
        resumed_.wait(lock, [&] { return resume_[vcpu]; });
        resume_[vcpu] = false;
      }
      result = front_.PostWork(vcpu, request);
    }
    return result;
  }

 private:
  void Upcall() noexcept override { hsm_.Upcall(); }
  void Resume(int vcpu) noexcept override {
    const std::lock_guard lock(mutex_);
    resume_[vcpu] = true;
    resumed_.notify_all();
  }

  const bool polling_;
  alignas(4096) acrn_io_request_buffer page_ = {};
  EmulationRanges ranges_;
  RequestSlots slots_;
  LocalHsm hsm_;
  Front front_;
  std::mutex mutex_;
  std::condition_variable resumed_;
  std::array<bool, ACRN_IO_REQUEST_MAX> resume_ = {};
};

int Ioctl(Hsm& hsm, uint64_t request) { return hsm.Ioctl(request, nullptr); }

// One client at a time (EEXIST); without one nobody can attach (ENODEV).
TEST(LocalHsm, Clients) {
  const auto machine = std::make_unique<Machine>(2, true);
  LocalHsm& hsm = machine->hsm();
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), -ENODEV);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_DESTROY_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), -EEXIST);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_DESTROY_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), -ENODEV);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_IRQFD), -ENOTTY);
  EXPECT_EQ(Ioctl(hsm, 0), -ENOTTY);
}

// DESTROY ends a wait, even when there is a new client at once.
TEST(LocalHsm, DestroyEndsAWait) {
  for (int i = 0; i < 50; ++i) {
    const auto machine = std::make_unique<Machine>(2, true);
    LocalHsm& hsm = machine->hsm();
    EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), 0);
    std::thread waiter([&] {
      EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), -ENODEV);
    });
    if (i % 2 == 0) std::this_thread::yield();
    EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_DESTROY_IOREQ_CLIENT), 0);
    waiter.join();
  }
}

// A request that comes ends the wait; it is finished once.
TEST(LocalHsm, ARequest) {
  const auto machine = std::make_unique<Machine>(2, false);
  LocalHsm& hsm = machine->hsm();
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), 0);
  std::thread vcpu([&] {
    acrn_io_request request = MmioRead(0x5000, 4);
    EXPECT_EQ(machine->Do(1, request), 0);
    EXPECT_EQ(request.reqs.mmio_request.value, 42u);
  });
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), 0) << "still there";
  machine->page().req_slot[1].reqs.mmio_request.value = 42;
  acrn_ioreq_notify notify = {};
  EXPECT_EQ(hsm.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify), -EINVAL);
  notify.vcpu = 2;
  EXPECT_EQ(hsm.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify), -EINVAL);
  notify.vcpu = 1;
  notify.reserved = 1;
  EXPECT_EQ(hsm.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify), -EINVAL);
  notify.reserved = 0;
  EXPECT_EQ(hsm.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify), 0);
  vcpu.join();
  EXPECT_EQ(hsm.Ioctl(ACRN_IOCTL_NOTIFY_REQUEST_FINISH, &notify), -EINVAL);
}

// What came before there was a client waits for it.
TEST(LocalHsm, RequestsWaitForAClient) {
  const auto machine = std::make_unique<Machine>(2, true);
  LocalHsm& hsm = machine->hsm();
  std::thread vcpu([&] {
    acrn_io_request request = MmioRead(0x5000, 4);
    EXPECT_EQ(machine->Do(0, request), 0);
  });
  while (machine->slots().state(0) != ACRN_IOREQ_STATE_PENDING) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CREATE_IOREQ_CLIENT), 0);
  EXPECT_EQ(machine->slots().state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_ATTACH_IOREQ_CLIENT), 0);
  EXPECT_EQ(Ioctl(hsm, ACRN_IOCTL_CLEAR_VM_IOREQ), 0);
  vcpu.join();
}

// Messages go to the sink.
TEST(LocalHsm, Messages) {
  class Sink : public pci::MsiSink {
   public:
    void Send(const pci::MsiMessage& message) noexcept override {
      sent.push_back(message);
    }
    std::vector<pci::MsiMessage> sent;
  } sink;
  class Nobody : public KernelHalf::Hypervisor {
   public:
    void RequestFinished(int /*slot*/) noexcept override {}
  } nobody;
  const auto page = std::make_unique<acrn_io_request_buffer>();
  LocalHsm hsm(*page, 1, nobody, &sink);
  MsiInjector injector(hsm);
  const pci::MsiMessage message = {.address = 0xfee01000, .data = 0x4031};
  injector.Send(message);
  ASSERT_EQ(sink.sent.size(), 1u);
  EXPECT_EQ(sink.sent[0], message);
  LocalHsm without(*page, 1, nobody, nullptr);
  acrn_msi_entry entry = {};
  EXPECT_EQ(without.Ioctl(ACRN_IOCTL_INJECT_MSI, &entry), -ENOTTY);
}

// The whole way in one process: front, page, transport, engine, dispatcher.
// vCPUs on their threads, while the VM is reset again and again: each access
// gives what is there or that there was a reset.
class WholeWay : public ::testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Completion, WholeWay, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Polled" : "Told";
                         });

TEST_P(WholeWay, WithResets) {
  constexpr int kVcpus = 4;
  constexpr int kAccesses = 500;
  Offsets offsets;
  const auto machine = std::make_unique<Machine>(kVcpus, GetParam());
  ioreq::Dispatcher dispatcher(nullptr, nullptr);
  const auto claim =
      dispatcher.space(ioreq::Space::kMemory).Claim(kBase, 0x10000, offsets);
  ASSERT_TRUE(claim.ok());
  auto transport = Transport::Create(
      machine->hsm(), {.vcpus = kVcpus, .page = &machine->page()});
  ASSERT_TRUE(transport.ok()) << transport.status();
  auto engine = ioreq::Engine::Start(**transport, dispatcher, {});
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::atomic<uint64_t> done{0};
  std::atomic<uint64_t> canceled{0};
  std::vector<std::thread> vcpus;
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    vcpus.emplace_back([&, vcpu] {
      for (uint64_t i = 0; i < kAccesses; ++i) {
        const bool write = i % 3 == 0;
        acrn_io_request request = write ? MmioWrite(kBase + i, 4, 7)
                                        : MmioRead(kBase + i * 4 + vcpu, 4);
        const int result = machine->Do(vcpu, request);
        if (result == -ECANCELED) {
          ++canceled;
          continue;
        }
        ++done;
        EXPECT_EQ(result, 0);
        EXPECT_EQ(request.reqs.mmio_request.value,
                  write ? 7 : i * 4 + vcpu + 3);
      }
    });
  }
  std::atomic<bool> stop{false};
  std::thread resetter([&] {
    while (!stop) {
      machine->slots().Reset();
      std::this_thread::yield();
    }
  });
  for (std::thread& vcpu : vcpus) vcpu.join();
  stop = true;
  resetter.join();
  EXPECT_EQ(done + canceled, uint64_t{kVcpus * kAccesses});
  // And afterwards all is as ever.
  acrn_io_request request = MmioRead(kBase + 8, 4);
  EXPECT_EQ(machine->Do(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 11u);
  EXPECT_EQ(dispatcher.counts().malformed, 0u);
  *engine = nullptr;
  *transport = nullptr;
}

}  // namespace
}  // namespace ivshmem::acrn
