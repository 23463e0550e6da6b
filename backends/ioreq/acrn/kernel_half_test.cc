// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/kernel_half.h"

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "backends/ioreq/acrn/requests.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

class Hypercalls : public KernelHalf::Hypervisor {
 public:
  void RequestFinished(int slot) noexcept override {
    finished.push_back(slot);
    if (on_finished) on_finished(slot);
  }

  std::vector<int> finished;
  std::function<void(int)> on_finished;
};

// Covers one address; reads read 0x55.
class OneAddress : public KernelHalf::Client {
 public:
  static constexpr uint64_t kAddress = 0xe000000c;

  bool Covers(const acrn_io_request& request) noexcept override {
    return request.type == ACRN_IOREQ_TYPE_MMIO &&
           request.reqs.mmio_request.address == kAddress;
  }
  void Answer(acrn_io_request& request) noexcept override {
    seen = request.reqs.mmio_request;
    ++answered;
    request.reqs.mmio_request.value = 0x55;
    if (on_answer) on_answer();
  }

  acrn_mmio_request seen = {};
  int answered = 0;
  std::function<void()> on_answer;
};

class KernelHalfTest : public ::testing::Test {
 protected:
  KernelHalfTest() {
    for (acrn_io_request& slot : page_->req_slot) {
      slot.processed = ACRN_IOREQ_STATE_FREE;
      slot.kernel_handled = 77;
    }
    kernel_.SetServed(true);
  }

  void Put(int slot, const acrn_io_request& request, bool polling = false) {
    page_->req_slot[slot] = request;
    page_->req_slot[slot].kernel_handled = 77;
    page_->req_slot[slot].completion_polling = polling ? 1 : 0;
    page_->req_slot[slot].processed = ACRN_IOREQ_STATE_PENDING;
  }
  uint32_t state(int slot) const { return page_->req_slot[slot].processed; }
  const acrn_io_request& slot(int slot) const { return page_->req_slot[slot]; }

  const std::unique_ptr<acrn_io_request_buffer> page_ =
      std::make_unique<acrn_io_request_buffer>();
  Hypercalls hypervisor_;
  OneAddress client_;
  KernelHalf kernel_{*page_, 4, hypervisor_, &client_};
};

// An upcall: what is PENDING goes to the device model, PROCESSING and not the
// kernel's; nothing else is touched.
TEST_F(KernelHalfTest, TakesOverWhatIsPending) {
  Put(1, MmioWrite(0x1000, 4, 7));
  page_->req_slot[2].processed = ACRN_IOREQ_STATE_COMPLETE;
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(kernel_.pending(), 0b10u);
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(state(1), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  EXPECT_EQ(state(2), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_EQ(slot(1).kernel_handled, 0u);
  EXPECT_EQ(slot(1).type, uint32_t{ACRN_IOREQ_TYPE_MMIO});
  EXPECT_EQ(slot(1).reqs.mmio_request.address, 0x1000u);
  EXPECT_EQ(slot(1).reqs.mmio_request.value, 7u);
  EXPECT_TRUE(hypervisor_.finished.empty());
}

// Only as many slots as the VM has vCPUs.
TEST_F(KernelHalfTest, LooksAtItsVcpusOnly) {
  Put(4, MmioRead(0x1000, 4));
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(state(4), uint32_t{ACRN_IOREQ_STATE_PENDING});
  page_->req_slot[4].processed = ACRN_IOREQ_STATE_PROCESSING;
  EXPECT_FALSE(kernel_.Finish(4));
  EXPECT_FALSE(kernel_.Finish(-1));
  EXPECT_FALSE(kernel_.Finish(32));
  kernel_.Clear();
  EXPECT_EQ(state(4), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
}

// Finished: COMPLETE, then the hypercall, for the hypervisor that waits.
TEST_F(KernelHalfTest, Finishes) {
  Put(3, MmioRead(0x1000, 4));
  kernel_.Upcall();
  uint32_t seen = 0;
  hypervisor_.on_finished = [&](int slot) { seen = state(slot); };
  EXPECT_TRUE(kernel_.Finish(3));
  EXPECT_EQ(seen, uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_EQ(hypervisor_.finished, std::vector<int>{3});
  EXPECT_EQ(kernel_.pending(), 0u);
  EXPECT_FALSE(kernel_.Upcall());
}

// No hypercall when the hypervisor polls.
TEST_F(KernelHalfTest, NoHypercallForWhoPolls) {
  Put(0, MmioRead(0x1000, 4), /*polling=*/true);
  kernel_.Upcall();
  EXPECT_TRUE(kernel_.Finish(0));
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_TRUE(hypervisor_.finished.empty());
}

// A slot that the device model has not: nothing happens, twice is once.
TEST_F(KernelHalfTest, FinishesOnlyWhatItHas) {
  EXPECT_FALSE(kernel_.Finish(0));
  Put(0, MmioRead(0x1000, 4));
  EXPECT_FALSE(kernel_.Finish(0));
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_PENDING});
  kernel_.Upcall();
  EXPECT_TRUE(kernel_.Finish(0));
  EXPECT_FALSE(kernel_.Finish(0));
  EXPECT_EQ(hypervisor_.finished.size(), 1u);
}

// What a client in the kernel covers is answered there: the device model has
// nothing to do, and would skip the slot.
TEST_F(KernelHalfTest, AnswersInTheKernel) {
  Put(2, MmioWrite(OneAddress::kAddress, 4, 9));
  uint32_t during = 0;
  client_.on_answer = [&] {
    during = state(2);
    EXPECT_FALSE(kernel_.Finish(2)) << "not the device model's";
  };
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(during, uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  EXPECT_EQ(slot(2).kernel_handled, 1u);
  EXPECT_EQ(state(2), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_EQ(slot(2).reqs.mmio_request.value, 0x55u);
  EXPECT_EQ(client_.seen.value, 9u);
  EXPECT_EQ(hypervisor_.finished, std::vector<int>{2});
}

// No device model yet: its requests wait, the kernel's own do not.
TEST_F(KernelHalfTest, WaitsForADeviceModel) {
  kernel_.SetServed(false);
  Put(0, MmioRead(0x1000, 4));
  Put(1, MmioRead(OneAddress::kAddress, 4));
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_PENDING});
  EXPECT_EQ(state(1), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  kernel_.SetServed(true);
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(kernel_.pending(), 1u);
}

// Port 0xCF8 is the kernel's; the data ports become config requests: bus,
// device, function, register with its high bits, and the port's own offset.
TEST_F(KernelHalfTest, ConfigPorts) {
  Put(0,
      PortWrite(0xcf8, 4,
                0x80000000 | 0xd << 24 | 0x12 << 16 | 3 << 11 | 2 << 8 | 0x41));
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  Put(0, PortRead(0xcf8, 4));
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(slot(0).reqs.pio_request.value, 0x8d121a41u);
  EXPECT_EQ(client_.answered, 0);

  Put(0, PortWrite(0xcfe, 2, 0x1234));
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(slot(0).type, uint32_t{ACRN_IOREQ_TYPE_PCICFG});
  const acrn_pci_request& config = slot(0).reqs.pci_request;
  EXPECT_EQ(config.direction, uint32_t{ACRN_IOREQ_DIR_WRITE});
  EXPECT_EQ(config.bus, 0x12u);
  EXPECT_EQ(config.dev, 3u);
  EXPECT_EQ(config.func, 2u);
  EXPECT_EQ(config.reg, 0xd42u);
  EXPECT_EQ(config.size, 2u);
  EXPECT_EQ(config.value, 0x1234u);
  EXPECT_TRUE(kernel_.Finish(0));

  Put(1, PortRead(0xd00, 1));
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(slot(1).type, uint32_t{ACRN_IOREQ_TYPE_PORTIO});
}

// The data ports while the register enables nothing: all ones, and writes go
// nowhere.
TEST_F(KernelHalfTest, ConfigPortsOfNobody) {
  Put(0, PortWrite(0xcf8, 4, 0x00001800));
  Put(1, PortRead(0xcfc, 4));
  Put(2, PortWrite(0xcff, 1, 3));
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(state(1), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_EQ(state(2), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  EXPECT_EQ(slot(1).reqs.pio_request.value, 0xffffffffu);
  EXPECT_EQ(slot(1).type, uint32_t{ACRN_IOREQ_TYPE_PORTIO});
  EXPECT_EQ(slot(2).reqs.pio_request.value, 3u);
}

// Memory at the same address is no port.
TEST_F(KernelHalfTest, MemoryIsNoPort) {
  Put(0, MmioWrite(0xcf8, 4, 0x80000000));
  Put(1, MmioRead(0xcfc, 4));
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(kernel_.pending(), 0b11u);
  EXPECT_EQ(slot(1).type, uint32_t{ACRN_IOREQ_TYPE_MMIO});
}

// Taken back while the device model is at work: its answer completes nothing,
// and nobody is told.
TEST_F(KernelHalfTest, TakenBack) {
  Put(0, MmioRead(0x1000, 4));
  kernel_.Upcall();
  page_->req_slot[0].processed = ACRN_IOREQ_STATE_FREE;
  EXPECT_FALSE(kernel_.Finish(0));
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_TRUE(hypervisor_.finished.empty());
  EXPECT_EQ(kernel_.pending(), 0u);
}

// Taken back, and no answer ever comes: the device model has nothing to do
// there any more, and the next request in the slot is as any other.
TEST_F(KernelHalfTest, TakenBackAndAnother) {
  Put(0, MmioRead(0x1000, 4));
  kernel_.Upcall();
  page_->req_slot[0].processed = ACRN_IOREQ_STATE_FREE;
  EXPECT_FALSE(kernel_.Upcall());
  EXPECT_EQ(kernel_.pending(), 0u);
  Put(0, MmioRead(0x2000, 4));
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  EXPECT_EQ(kernel_.pending(), 1u);
  EXPECT_TRUE(kernel_.Finish(0));
  EXPECT_EQ(hypervisor_.finished, std::vector<int>{0});
}

// Taken back while a client in the kernel answers, and another one is there:
// that is taken over once the client has ended, and keeps what is in it.
TEST_F(KernelHalfTest, TakenBackFromTheKernel) {
  Put(0, MmioRead(OneAddress::kAddress, 4));
  client_.on_answer = [&] {
    client_.on_answer = nullptr;
    Put(0, MmioWrite(0x2000, 4, 7));
    kernel_.Upcall();
    EXPECT_EQ(state(0), uint32_t{ACRN_IOREQ_STATE_PENDING});
  };
  EXPECT_TRUE(kernel_.Upcall());
  EXPECT_EQ(kernel_.pending(), 1u);
  EXPECT_EQ(slot(0).reqs.mmio_request.address, 0x2000u);
  EXPECT_EQ(slot(0).reqs.mmio_request.value, 7u);
  EXPECT_TRUE(hypervisor_.finished.empty());
}

// Cleared: what the device model has and what waits is complete; what is
// complete or free stays so; a late answer finishes nothing.
TEST_F(KernelHalfTest, Clears) {
  Put(0, MmioRead(0x1000, 4));
  kernel_.Upcall();
  Put(1, MmioRead(0x1000, 4));
  Put(2, MmioRead(0x1000, 4), /*polling=*/true);
  kernel_.Clear();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(state(i), uint32_t{ACRN_IOREQ_STATE_COMPLETE});
  }
  EXPECT_EQ(state(3), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(hypervisor_.finished, (std::vector<int>{0, 1}));
  EXPECT_EQ(kernel_.pending(), 0u);
  EXPECT_FALSE(kernel_.Finish(0));
}

// vCPUs on threads of their own, upcalls from all of them, a device model that
// answers: each request once, with its own answer.
TEST(KernelHalfThreads, ManyVcpus) {
  constexpr int kVcpus = 4;
  constexpr uint64_t kRequests = 2000;
  const auto page = std::make_unique<acrn_io_request_buffer>();
  for (acrn_io_request& slot : page->req_slot) {
    slot.processed = ACRN_IOREQ_STATE_FREE;
  }
  class Counting : public KernelHalf::Hypervisor {
   public:
    void RequestFinished(int /*slot*/) noexcept override { ++finished; }
    std::atomic<uint64_t> finished{0};
  } hypervisor;
  KernelHalf kernel(*page, kVcpus, hypervisor, nullptr);
  kernel.SetServed(true);
  std::atomic<bool> stop{false};
  std::thread device_model([&] {
    while (!stop) {
      const uint32_t pending = kernel.pending();
      for (int slot = 0; slot < kVcpus; ++slot) {
        if ((pending & 1u << slot) == 0) continue;
        acrn_mmio_request& request = page->req_slot[slot].reqs.mmio_request;
        request.value = ~request.address;
        EXPECT_TRUE(kernel.Finish(slot));
      }
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> vcpus;
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    vcpus.emplace_back([&, vcpu] {
      acrn_io_request& slot = page->req_slot[vcpu];
      const std::atomic_ref<uint32_t> state(slot.processed);
      for (uint64_t i = 0; i < kRequests; ++i) {
        const uint64_t address = i * 16 + vcpu;
        slot.type = ACRN_IOREQ_TYPE_MMIO;
        slot.reqs.mmio_request.address = address;
        state.store(ACRN_IOREQ_STATE_PENDING, std::memory_order_release);
        kernel.Upcall();
        while (state.load(std::memory_order_acquire) !=
               ACRN_IOREQ_STATE_COMPLETE) {
          std::this_thread::yield();
        }
        EXPECT_EQ(slot.reqs.mmio_request.value, ~address);
        state.store(ACRN_IOREQ_STATE_FREE, std::memory_order_release);
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  stop = true;
  device_model.join();
  EXPECT_EQ(hypervisor.finished, kVcpus * kRequests);
}

}  // namespace
}  // namespace ivshmem::acrn
