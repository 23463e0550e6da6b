// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/ioreq/xen_page.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/transport.h"
#include "backends/linux/unique_fd.h"
#include "bench/ioreq/bench_device.h"
#include "bench/ioreq/by_hand.h"
#include "bench/ioreq/futex.h"

namespace ivshmem::bench {
namespace {

constexpr int kVcpus = 4;  // One of which asks.
constexpr size_t kStateByte = 30;

class LeastXen : public xen::Hypervisor {
 public:
  explicit LeastXen(Wait wait)
      : wait_(wait), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Of vCPU 0. What it reads.
  uint64_t Read(uint64_t address) {
    ioreq_t& slot = page_[0];
    slot.addr = address;
    slot.size = 4;
    slot.count = 1;
    slot.type = IOREQ_TYPE_COPY;
    const uint32_t seen = told_.load(std::memory_order_relaxed);
    State().store(1 << 5 | STATE_IOREQ_READY,  // A read.
                  std::memory_order_release);
    if (wait_ == Wait::kBlock) {
      const uint64_t one = 1;
      if (write(event_.get(), &one, sizeof(one)) < 0) return 0;
      while (told_.load(std::memory_order_acquire) == seen) {
        FutexWait(told_, seen);
      }
    }
    while ((State().load(std::memory_order_acquire) & 0xf) !=
           STATE_IORESP_READY) {
      Breathe();
    }
    const uint64_t value = slot.data;
    State().store(STATE_IOREQ_NONE, std::memory_order_release);
    return value;
  }

  // What vCPU 0 asks for; nothing while it asks nothing.
  std::optional<uint64_t> Asked() {
    if ((State().load(std::memory_order_acquire) & 0xf) != STATE_IOREQ_READY) {
      return std::nullopt;
    }
    State().store(1 << 5 | STATE_IOREQ_INPROCESS, std::memory_order_release);
    return page_[0].addr;
  }
  void Answer(uint64_t value) {
    page_[0].data = value;
    State().store(1 << 5 | STATE_IORESP_READY, std::memory_order_release);
  }

  int VcpuCount() noexcept override { return kVcpus; }
  int CreateServer() noexcept override { return 0; }
  int DestroyServer(int) noexcept override { return 0; }
  int EnableServer(int, bool) noexcept override { return 0; }
  int MapRange(int, uint32_t, uint64_t, uint64_t) noexcept override {
    return 0;
  }
  int UnmapRange(int, uint32_t, uint64_t, uint64_t) noexcept override {
    return 0;
  }
  int InjectMsi(uint64_t, uint32_t) noexcept override { return 0; }
  int MapServerPage(int, ServerPage* page) noexcept override {
    *page = {.data = page_.data(), .resource = nullptr};
    return 0;
  }
  int UnmapServerPage(const ServerPage&) noexcept override { return 0; }
  int MapFrame(uint64_t, int, void**) noexcept override { return -EINVAL; }
  int UnmapFrame(void*) noexcept override { return 0; }
  int EventDescriptor() noexcept override { return event_.get(); }
  int Bind(uint32_t) noexcept override { return 0; }
  int Unbind(uint32_t) noexcept override { return 0; }
  int Notify(uint32_t) noexcept override {
    if (wait_ == Wait::kPoll) return 0;
    told_.fetch_add(1, std::memory_order_release);
    FutexWake(told_);
    return 0;
  }
  int Pending() noexcept override {
    uint64_t count = 0;
    return read(event_.get(), &count, sizeof(count)) < 0 ? -errno : 0;
  }
  int Unmask(uint32_t) noexcept override { return 0; }

 private:
  std::atomic_ref<uint8_t> State() {
    return std::atomic_ref<uint8_t>(
        reinterpret_cast<uint8_t*>(&page_[0])[kStateByte]);
  }

  const Wait wait_;
  const UniqueFd event_;
  alignas(4096) std::array<ioreq_t, xen::kRequestsPerPage> page_ = {};
  alignas(64) std::atomic<uint32_t> told_{0};
};

class XenPage : public Contender {
 public:
  explicit XenPage(Wait wait) : wait_(wait), xen_(wait) {}

  absl::StatusOr<absl::Duration> Run(const Cpus& cpus,
                                     uint32_t count) override {
    auto transport = xen::Transport::Open(xen_);
    if (!transport.ok()) return transport.status();
    ioreq::Dispatcher dispatcher((*transport)->claims(), /*memory=*/nullptr);
    const BenchDevice device(dispatcher.space(ioreq::Space::kMemory));
    PinThread(cpus.host);
    auto engine = ioreq::Engine::Start(
        **transport, dispatcher,
        {.wait = wait_ == Wait::kPoll ? ioreq::Engine::Options::Wait::kPoll
                                      : ioreq::Engine::Options::Wait::kBlock});
    if (!engine.ok()) return engine.status();
    return Time(cpus, count, [this] {
      return xen_.Read(BenchDevice::kPosition) == BenchDevice::kId;
    });
  }

 private:
  const Wait wait_;
  LeastXen xen_;
};

class XenByHand : public ByHand<LeastXen> {};

}  // namespace

std::unique_ptr<Contender> MakeXenPage(Wait wait, Answerer answerer) {
  if (answerer == Answerer::kByHand) return std::make_unique<XenByHand>();
  return std::make_unique<XenPage>(wait);
}

}  // namespace ivshmem::bench
