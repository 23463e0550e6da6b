// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/front.h"

#include <cerrno>
#include <functional>
#include <memory>
#include <vector>

#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/kernel_half.h"
#include "backends/ioreq/acrn/request_slots.h"
#include "backends/ioreq/acrn/requests.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

int ReadsFive(acrn_io_request& request, void* /*data*/) {
  request.reqs.mmio_request.value = 5;
  return 0;
}

class FakeHost : public RequestSlots::Host {
 public:
  void Upcall() noexcept override {
    ++upcalls;
    if (on_upcall) on_upcall();
  }
  void Resume(int vcpu) noexcept override { resumed.push_back(vcpu); }

  int upcalls = 0;
  std::vector<int> resumed;
  std::function<void()> on_upcall;
};

class FrontTest : public ::testing::Test {
 protected:
  FrontTest() {
    EXPECT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, ReadsFive, nullptr).ok());
    kernel_.SetServed(true);
  }

  acrn_io_request& slot(int index) { return page_->req_slot[index]; }
  // What the device model does.
  void Answer(int index, uint64_t value) {
    slot(index).reqs.mmio_request.value = value;
    EXPECT_TRUE(kernel_.Finish(index));
  }

  const std::unique_ptr<acrn_io_request_buffer> page_ =
      std::make_unique<acrn_io_request_buffer>();
  FakeHost host_;
  EmulationRanges ranges_;
  RequestSlots slots_{*page_, 4, /*polling=*/false, host_};
  KernelHalf kernel_{*page_, 4, slots_, nullptr};
  Front front_{ranges_, &slots_};
};

// From the start all slots are FREE, those that no vCPU has too.
TEST_F(FrontTest, SlotsAreFree) {
  for (int i = 0; i < ACRN_IO_REQUEST_MAX; ++i) {
    EXPECT_EQ(slot(i).processed, uint32_t{ACRN_IOREQ_STATE_FREE});
  }
}

// A registered handler does it at once: 0, and no slot is touched.
TEST_F(FrontTest, AnInternalHandlerFirst) {
  acrn_io_request request = MmioRead(0x1ffc, 4);
  EXPECT_EQ(front_.Emulate(1, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 5u);
  EXPECT_EQ(slots_.state(1), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(host_.upcalls, 0);
}

// -EIO when it spans devices, -EINVAL for an unknown type: no request is made.
TEST_F(FrontTest, Errors) {
  acrn_io_request request = MmioRead(0x1ffe, 4);
  EXPECT_EQ(front_.Emulate(1, request), -EIO);
  request.type = 9;
  EXPECT_EQ(front_.Emulate(1, request), -EINVAL);
  request = MmioRead(0x5000, 4);
  EXPECT_EQ(front_.Emulate(4, request), -EINVAL);
  EXPECT_EQ(front_.Emulate(-1, request), -EINVAL);
  EXPECT_EQ(front_.PostWork(4, request), -EINVAL);
  EXPECT_EQ(front_.PostWork(-1, request), -EINVAL);
  EXPECT_EQ(host_.upcalls, 0);
  for (int i = 0; i < ACRN_IO_REQUEST_MAX; ++i) {
    EXPECT_EQ(slot(i).processed, uint32_t{ACRN_IOREQ_STATE_FREE});
  }
}

// What no handler covers goes into the vCPU's slot: filled in and PENDING by
// the time of the upcall. On completion the value goes back to the instruction,
// masked to its size, and the slot becomes FREE.
TEST_F(FrontTest, ARequestToTheDeviceModel) {
  acrn_io_request request = MmioRead(0x5000, 2);
  host_.on_upcall = [&] {
    EXPECT_EQ(slots_.state(2), uint32_t{ACRN_IOREQ_STATE_PENDING});
    EXPECT_EQ(slot(2).type, uint32_t{ACRN_IOREQ_TYPE_MMIO});
    EXPECT_EQ(slot(2).completion_polling, 0u);
    EXPECT_EQ(slot(2).reqs.mmio_request.address, 0x5000u);
    EXPECT_EQ(slot(2).reqs.mmio_request.size, 2u);
  };
  EXPECT_EQ(front_.Emulate(2, request), Front::kPending);
  EXPECT_EQ(Front::kPending, 1);
  EXPECT_EQ(host_.upcalls, 1);
  EXPECT_EQ(front_.PostWork(2, request), Front::kPending);
  kernel_.Upcall();
  EXPECT_EQ(front_.PostWork(2, request), Front::kPending);
  EXPECT_TRUE(host_.resumed.empty());
  Answer(2, 0x123456);
  EXPECT_EQ(host_.resumed, std::vector<int>{2});
  EXPECT_EQ(front_.PostWork(2, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 0x3456u);
  EXPECT_EQ(slots_.state(2), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(front_.PostWork(2, request), -ECANCELED);
}

// A write: the slot becomes FREE, the instruction's value stays.
TEST_F(FrontTest, AWriteToTheDeviceModel) {
  acrn_io_request request = MmioWrite(0x5000, 4, 7);
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  kernel_.Upcall();
  Answer(0, 99);
  EXPECT_EQ(front_.PostWork(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 7u);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_FREE});
}

// Ports have 4 bytes of value; what follows in the slot is not theirs.
TEST_F(FrontTest, APortOfTheDeviceModel) {
  acrn_io_request request = PortRead(0x60, 4);
  request.reqs.mmio_request.value = 0;  // All 8 bytes.
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  kernel_.Upcall();
  Answer(0, 0xaaaaaaaabbbbbbbb);
  EXPECT_EQ(front_.PostWork(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 0xbbbbbbbbu);
}

// One request of a vCPU at a time; others have their own slots.
TEST_F(FrontTest, OneRequestOfAVcpu) {
  acrn_io_request first = MmioRead(0x5000, 4);
  acrn_io_request second = MmioRead(0x6000, 4);
  EXPECT_EQ(front_.Emulate(0, first), Front::kPending);
  EXPECT_EQ(front_.Emulate(0, second), -EBUSY);
  EXPECT_EQ(front_.Emulate(1, second), Front::kPending);
  EXPECT_EQ(slot(0).reqs.mmio_request.address, 0x5000u);
}

// With polling the slot says so, and nobody is resumed.
TEST_F(FrontTest, Polling) {
  RequestSlots slots(*page_, 4, /*polling=*/true, host_);
  KernelHalf kernel(*page_, 4, slots, nullptr);
  kernel.SetServed(true);
  Front front(ranges_, &slots);
  acrn_io_request request = MmioRead(0x5000, 4);
  EXPECT_EQ(front.Emulate(0, request), Front::kPending);
  EXPECT_EQ(slot(0).completion_polling, 1u);
  kernel.Upcall();
  slot(0).reqs.mmio_request.value = 3;
  EXPECT_TRUE(kernel.Finish(0));
  EXPECT_EQ(front.PostWork(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 3u);
  EXPECT_EQ(front.Emulate(0, request), Front::kPending);
  slots.Reset();
  EXPECT_TRUE(host_.resumed.empty());
}

// A VM without a device model: nobody reads all ones of the size, writes are
// dropped.
TEST_F(FrontTest, NoDeviceModel) {
  Front front(ranges_, nullptr);
  acrn_io_request request = MmioRead(0x5000, 8);
  EXPECT_EQ(front.Emulate(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, ~uint64_t{0});
  request = PortRead(0x60, 2);
  EXPECT_EQ(front.Emulate(0, request), 0);
  EXPECT_EQ(request.reqs.pio_request.value, 0xffffu);
  request = MmioWrite(0x5000, 8, 7);
  EXPECT_EQ(front.Emulate(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 7u);
  request = PortRead(0x60, 1);
  request.type = ACRN_IOREQ_TYPE_PCICFG;
  request.reqs.pci_request.bus = 3;
  EXPECT_EQ(front.Emulate(0, request), 0);
  EXPECT_EQ(request.reqs.pci_request.value, 0xffu);
  EXPECT_EQ(request.reqs.pci_request.bus, 3u);
  EXPECT_EQ(front.PostWork(0, request), -ECANCELED);
}

// Reset: all slots are FREE, whatever they were, and who waited is resumed to
// find nothing.
TEST_F(FrontTest, Reset) {
  acrn_io_request pending = MmioRead(0x5000, 4);
  acrn_io_request complete = pending;
  EXPECT_EQ(front_.Emulate(1, complete), Front::kPending);
  kernel_.Upcall();
  Answer(1, 1);
  EXPECT_EQ(front_.Emulate(0, pending), Front::kPending);
  slots_.set_state(3, ACRN_IOREQ_STATE_COMPLETE);
  host_.resumed.clear();
  slots_.Reset();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(slots_.state(i), uint32_t{ACRN_IOREQ_STATE_FREE});
  }
  EXPECT_EQ(host_.resumed, (std::vector<int>{0, 1}));
  EXPECT_EQ(front_.PostWork(0, pending), -ECANCELED);
  EXPECT_EQ(front_.PostWork(1, complete), -ECANCELED);
  EXPECT_EQ(front_.Emulate(0, pending), Front::kPending);
  EXPECT_EQ(front_.Emulate(1, complete), Front::kPending);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_PENDING});
  EXPECT_EQ(slots_.state(1), uint32_t{ACRN_IOREQ_STATE_PENDING});
}

// Reset while the device model is at work: its late answer goes nowhere, and
// the next request is not put where that answer is written before it has come.
TEST_F(FrontTest, ResetWhileTheDeviceModelIsAtWork) {
  host_.on_upcall = [&] { kernel_.Upcall(); };
  acrn_io_request request = MmioRead(0x5000, 4);
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  slots_.Reset();
  EXPECT_EQ(host_.resumed, std::vector<int>{0});
  EXPECT_EQ(front_.PostWork(0, request), -ECANCELED);
  acrn_io_request next = MmioWrite(0x6000, 4, 7);
  EXPECT_EQ(front_.Emulate(0, next), Front::kPending);
  EXPECT_EQ(front_.Emulate(0, next), -EBUSY);
  EXPECT_EQ(slot(0).reqs.mmio_request.address, 0x5000u);
  EXPECT_EQ(front_.PostWork(0, next), Front::kPending);
  Answer(0, 1);
  EXPECT_EQ(host_.resumed, (std::vector<int>{0, 0}));
  EXPECT_EQ(front_.PostWork(0, next), Front::kPending);
  EXPECT_EQ(host_.upcalls, 2);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  EXPECT_EQ(slot(0).reqs.mmio_request.address, 0x6000u);
  EXPECT_EQ(slot(0).reqs.mmio_request.value, 7u);
  EXPECT_EQ(front_.PostWork(0, next), Front::kPending);
  Answer(0, 2);
  EXPECT_EQ(front_.PostWork(0, next), 0);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_FREE});
}

// The answer has come before the next request: that is put there at once.
TEST_F(FrontTest, ResetAndAnAnswer) {
  host_.on_upcall = [&] { kernel_.Upcall(); };
  acrn_io_request request = MmioRead(0x5000, 4);
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  slots_.Reset();
  Answer(0, 1);
  EXPECT_EQ(front_.PostWork(0, request), -ECANCELED);
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  Answer(0, 2);
  EXPECT_EQ(front_.PostWork(0, request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 2u);
}

// Another reset before the answer: the request that waited is gone, too. A
// reset after it: the slot is FREE.
TEST_F(FrontTest, ResetTwice) {
  host_.on_upcall = [&] { kernel_.Upcall(); };
  acrn_io_request request = MmioRead(0x5000, 4);
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  slots_.Reset();
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  host_.resumed.clear();
  slots_.Reset();
  EXPECT_EQ(host_.resumed, std::vector<int>{0});
  EXPECT_EQ(front_.PostWork(0, request), -ECANCELED);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
  Answer(0, 1);
  slots_.Reset();
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(front_.Emulate(0, request), Front::kPending);
  EXPECT_EQ(host_.upcalls, 2);
  EXPECT_EQ(slots_.state(0), uint32_t{ACRN_IOREQ_STATE_PROCESSING});
}

// A slot in a state that this hypervisor did not put there: the vCPU learns it.
TEST_F(FrontTest, ASlotThatIsNotFree) {
  acrn_io_request request = MmioRead(0x5000, 4);
  slots_.set_state(0, 77);
  EXPECT_EQ(front_.Emulate(0, request), -EBUSY);
  EXPECT_EQ(slots_.state(0), 77u);
  EXPECT_EQ(front_.PostWork(0, request), -ECANCELED);
  slots_.set_state(4, ACRN_IOREQ_STATE_PENDING);
  EXPECT_EQ(slots_.state(4), uint32_t{ACRN_IOREQ_STATE_FREE});
  EXPECT_EQ(slot(4).processed, uint32_t{ACRN_IOREQ_STATE_FREE});
}

}  // namespace
}  // namespace ivshmem::acrn
