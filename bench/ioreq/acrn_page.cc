// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/ioreq/acrn_page.h"

#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.
// After it.
#include <linux/acrn.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "bench/ioreq/bench_device.h"
#include "bench/ioreq/by_hand.h"
#include "bench/ioreq/futex.h"

namespace ivshmem::bench {
namespace {

constexpr int kVcpus = 4;  // One of which asks.

std::atomic_ref<uint32_t> StateOf(acrn_io_request& slot) {
  return std::atomic_ref<uint32_t>(slot.processed);
}

class LeastHsm : public acrn::Hsm {
 public:
  explicit LeastHsm(Wait wait) : wait_(wait) {
    for (acrn_io_request& slot : page_.req_slot) {
      slot.processed = ACRN_IOREQ_STATE_FREE;
      slot.completion_polling = wait == Wait::kPoll ? 1 : 0;
    }
  }

  acrn_io_request_buffer* page() { return &page_; }

  // Of slot 0. What it reads.
  uint64_t Read(uint64_t address) {
    acrn_io_request& slot = page_.req_slot[0];
    slot.type = ACRN_IOREQ_TYPE_MMIO;
    slot.reqs.mmio_request = {
        .direction = ACRN_IOREQ_DIR_READ, .address = address, .size = 4};
    StateOf(slot).store(ACRN_IOREQ_STATE_PROCESSING, std::memory_order_release);
    if (wait_ == Wait::kBlock) {
      pending_.store(1, std::memory_order_release);
      FutexWake(pending_);
      while (resumed_.exchange(0) == 0) FutexWait(resumed_, 0);
    } else {
      while (StateOf(slot).load(std::memory_order_acquire) !=
             ACRN_IOREQ_STATE_COMPLETE) {
        Breathe();
      }
    }
    const uint64_t value = slot.reqs.mmio_request.value;
    StateOf(slot).store(ACRN_IOREQ_STATE_FREE, std::memory_order_release);
    return value;
  }

  // What a read of slot 0 asks for; nothing while it asks nothing.
  std::optional<uint64_t> Asked() {
    acrn_io_request& slot = page_.req_slot[0];
    if (StateOf(slot).load(std::memory_order_acquire) !=
        ACRN_IOREQ_STATE_PROCESSING) {
      return std::nullopt;
    }
    return slot.reqs.mmio_request.address;
  }
  void Answer(uint64_t value) {
    page_.req_slot[0].reqs.mmio_request.value = value;
    Finish();
  }

  using acrn::Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
    switch (request) {
      case ACRN_IOCTL_ATTACH_IOREQ_CLIENT:
        while (pending_ == 0) FutexWait(pending_, 0);
        return destroyed_ ? -ENODEV : 0;
      case ACRN_IOCTL_NOTIFY_REQUEST_FINISH:
        Finish();
        return 0;
      case ACRN_IOCTL_CREATE_IOREQ_CLIENT:
        destroyed_ = false;
        pending_ = 0;
        return 0;
      case ACRN_IOCTL_DESTROY_IOREQ_CLIENT:
        destroyed_ = true;
        pending_ = 1;
        FutexWake(pending_);
        return 0;
      default:
        static_cast<void>(argument);
        return 0;
    }
  }

 private:
  void Finish() {
    if (wait_ == Wait::kBlock) pending_.store(0, std::memory_order_relaxed);
    StateOf(page_.req_slot[0])
        .store(ACRN_IOREQ_STATE_COMPLETE, std::memory_order_release);
    if (wait_ == Wait::kPoll) return;
    resumed_ = 1;
    FutexWake(resumed_);
  }

  const Wait wait_;
  alignas(4096) acrn_io_request_buffer page_ = {};
  alignas(64) std::atomic<uint32_t> pending_{0};
  std::atomic<bool> destroyed_{false};
  alignas(64) std::atomic<uint32_t> resumed_{0};
};

class AcrnPage : public Contender {
 public:
  explicit AcrnPage(Wait wait)
      : wait_(wait),
        hsm_(wait),
        dispatcher_(nullptr, nullptr),
        device_(Space()) {}

  absl::StatusOr<absl::Duration> Run(const Cpus& cpus,
                                     uint32_t count) override {
    auto transport = acrn::Transport::Create(
        hsm_, {.vmid = 1, .vcpus = kVcpus, .page = hsm_.page()});
    if (!transport.ok()) return transport.status();
    PinThread(cpus.host);
    auto engine = ioreq::Engine::Start(
        **transport, dispatcher_,
        {.wait = wait_ == Wait::kPoll ? ioreq::Engine::Options::Wait::kPoll
                                      : ioreq::Engine::Options::Wait::kBlock});
    if (!engine.ok()) return engine.status();
    return Time(cpus, count, [this] {
      return hsm_.Read(BenchDevice::kPosition) == BenchDevice::kId;
    });
  }

 private:
  MmioSpace& Space() { return dispatcher_.space(ioreq::Space::kMemory); }

  const Wait wait_;
  LeastHsm hsm_;
  ioreq::Dispatcher dispatcher_;
  BenchDevice device_;
};

class AcrnByHand : public ByHand<LeastHsm> {};

}  // namespace

std::unique_ptr<Contender> MakeAcrnPage(Wait wait, Answerer answerer) {
  if (answerer == Answerer::kByHand) return std::make_unique<AcrnByHand>();
  return std::make_unique<AcrnPage>(wait);
}

}  // namespace ivshmem::bench
