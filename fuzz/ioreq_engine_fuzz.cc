// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The engine with its threads: whatever vCPUs ask, in any order, also of a
// handler that blocks, each request is answered once, with its own answer, and
// no slot waits for another's handler. What is checked does not depend on which
// thread is faster; how many of the engine's lines an input reaches may.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "fuzz/require.h"

namespace ivshmem::ioreq {
namespace {

constexpr int kMostSlots = 4;
constexpr int kMostSteps = 30;
constexpr uint64_t kBase = 0x1000;
constexpr uint64_t kSize = 0x100;
// A write here blocks until it is let go.
constexpr uint64_t kBlocks = 0x80;
constexpr absl::Duration kLong = absl::Seconds(20);

// A page, whose vCPUs are the fuzzer's thread.
class Page final : public Transport {
 public:
  explicit Page(int slots) : count_(slots) {}

  void Issue(int slot, const Request& request) {
    absl::MutexLock lock(&mutex_);
    slots_[slot] = {.state = State::kIssued, .request = request, .value = 0};
  }
  // The answer to what was issued.
  uint64_t Await(int slot) {
    absl::MutexLock lock(&mutex_);
    Slot& it = slots_[slot];
    const auto done = [&it] { return it.state == State::kDone; };
    Require(mutex_.AwaitWithTimeout(absl::Condition(&done), kLong),
            "a request is answered");
    it.state = State::kFree;
    return it.value;
  }
  void Fail(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(status);
  }
  // A wait that ends for no reason.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    ++wakes_;
  }

  int slots() const override { return count_; }
  absl::Status Wait() override {
    absl::MutexLock lock(&mutex_);
    Require(!std::exchange(waiting_, true), "one thread waits");
    mutex_.Await(absl::Condition(this, &Page::Due));
    waiting_ = false;
    wakes_ = std::max(0, wakes_ - 1);
    return stopped_ ? absl::CancelledError("stopped") : failure_;
  }
  void Stop() noexcept override {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  std::optional<Request> Begin(int slot) noexcept override {
    absl::MutexLock lock(&mutex_);
    Slot& it = slots_[slot];
    Require(it.state != State::kBegun, "what is begun is completed first");
    if (it.state != State::kIssued) return std::nullopt;
    it.state = State::kBegun;
    return it.request;
  }
  void Complete(int slot, uint64_t value) noexcept override {
    absl::MutexLock lock(&mutex_);
    Slot& it = slots_[slot];
    Require(it.state == State::kBegun, "what is begun is completed once");
    it.state = State::kDone;
    it.value = value;
  }

 private:
  enum class State : uint8_t { kFree, kIssued, kBegun, kDone };
  struct Slot {
    State state = State::kFree;
    Request request;
    uint64_t value = 0;
  };

  // As ACRN's: as long as a request is not completed, too.
  bool Due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ || !failure_.ok() || wakes_ > 0 ||
           std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
             return slot.state == State::kIssued || slot.state == State::kBegun;
           });
  }

  const int count_;
  absl::Mutex mutex_;
  std::array<Slot, kMostSlots> slots_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  int wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

// Reads the offset in each byte.
class Handler final : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(offset));
  }
  void Write(uint64_t offset, absl::Span<const uint8_t>) noexcept override {
    if (offset != kBlocks) return;
    absl::MutexLock lock(&mutex_);
    ++blocked_;
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return passes_ > 0;
    };
    Require(mutex_.AwaitWithTimeout(absl::Condition(&free), kLong), "let go");
    --passes_;
    --blocked_;
  }
  // Until so many are in there.
  void AwaitBlocked(int count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return blocked_ == count;
    };
    Require(mutex_.AwaitWithTimeout(absl::Condition(&there), kLong),
            "a handler that blocks holds nobody up");
  }
  void Release(int count) {
    absl::MutexLock lock(&mutex_);
    passes_ += count;
  }

 private:
  absl::Mutex mutex_;
  int blocked_ ABSL_GUARDED_BY(mutex_) = 0;
  int passes_ ABSL_GUARDED_BY(mutex_) = 0;
};

uint64_t Mask(uint64_t size) {
  return size >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
}

class World {
 public:
  explicit World(FuzzedDataProvider& input)
      : input_(input), slots_(input.ConsumeIntegralInRange(1, kMostSlots)) {
    auto claim =
        dispatcher_.space(Space::kMemory).Claim(kBase, kSize, handler_);
    Require(claim.ok(), "a range is claimed");
    claim_ = *std::move(claim);
    const auto patience = input.PickValueInArray<int>({100, 100, 1000, 99});
    auto engine = Engine::Start(
        page_, dispatcher_,
        {.wait = input.ConsumeBool() ? Engine::Options::Wait::kPoll
                                     : Engine::Options::Wait::kBlock,
         .patience = absl::Microseconds(patience)});
    Require(engine.ok() == (patience >= 100), "a patience that there is");
    if (engine.ok()) engine_ = *std::move(engine);
  }

  ~World() {
    // What was not awaited is answered all the same.
    Release();
    engine_ = nullptr;
    for (int slot = 0; slot < slots_; ++slot) Await(slot);
  }

  bool serves() const { return engine_ != nullptr; }

  void Step() {
    enum Action {
      kAsk,
      kBlock,
      kAwait,
      kWake,
      kRelease,
      kFail,
      kMaxValue = kFail
    };
    const auto action = input_.ConsumeEnum<Action>();
    const int slot = input_.ConsumeIntegralInRange(0, slots_ - 1);
    switch (action) {
      case kAsk:
        return Ask(slot);
      case kBlock:
        return Block(slot);
      case kAwait:
        if (!blocked_[slot] && !failed_) Await(slot);
        return;
      case kWake:
        for (int i = input_.ConsumeIntegralInRange(1, 8); i > 0; --i) {
          page_.Wake();
        }
        return;
      case kRelease:
        return Release();
      case kFail:
        // Nobody would serve what comes later.
        if (input_.ConsumeIntegralInRange(0, 7) == 0) Fail();
        return;
    }
  }

 private:
  void Issue(int slot, const Request& request) {
    page_.Issue(slot, request);
    asked_[slot] = request;
  }

  void Ask(int slot) {
    if (asked_[slot].has_value() || failed_) return;
    Issue(slot, {.kind = input_.PickValueInArray(
                     {Request::Kind::kMemory, Request::Kind::kUnknown}),
                 .direction = Request::Direction::kRead,
                 .address = kBase + input_.ConsumeIntegralInRange<uint64_t>(
                                        0, kSize + 8),
                 .size = input_.PickValueInArray<uint64_t>({4, 1, 2, 8})});
    if (input_.ConsumeBool()) Await(slot);
  }

  // Other slots are served meanwhile, and more and more of them block.
  void Block(int slot) {
    if (asked_[slot].has_value() || failed_) return;
    Issue(slot, {.kind = Request::Kind::kMemory,
                 .direction = Request::Direction::kWrite,
                 .address = kBase + kBlocks,
                 .size = 4,
                 .value = 5});
    blocked_[slot] = true;
    handler_.AwaitBlocked(
        static_cast<int>(std::count(blocked_.begin(), blocked_.end(), true)));
  }

  void Await(int slot) {
    if (!asked_[slot].has_value()) return;
    const Request request = *std::exchange(asked_[slot], std::nullopt);
    const uint64_t value = page_.Await(slot);
    if (request.direction == Request::Direction::kWrite) return;
    const uint64_t offset = request.address - kBase;
    const bool inside = request.kind == Request::Kind::kMemory &&
                        offset <= kSize - request.size;
    const uint64_t expected =
        inside ? offset % 0x100 * 0x0101010101010101 : ~uint64_t{0};
    Require(value == (expected & Mask(request.size)), "its own answer");
  }

  void Release() {
    handler_.Release(
        static_cast<int>(std::count(blocked_.begin(), blocked_.end(), true)));
    for (int slot = 0; slot < slots_; ++slot) {
      if (std::exchange(blocked_[slot], false)) Await(slot);
    }
  }

  void Fail() {
    if (std::exchange(failed_, true)) return;
    // What waits now may be answered as late as by the destructor.
    page_.Fail(absl::UnavailableError("the hypervisor is gone"));
    Require(engine_->status().ok() || absl::IsUnavailable(engine_->status()),
            "it says why it serves no more");
  }

  FuzzedDataProvider& input_;
  const int slots_;
  bool failed_ = false;
  std::array<bool, kMostSlots> blocked_ = {};
  std::array<std::optional<Request>, kMostSlots> asked_;
  Page page_{slots_};
  Handler handler_;
  Dispatcher dispatcher_{nullptr, nullptr};
  RegistrationPtr claim_;
  std::unique_ptr<Engine> engine_;
};

void Run(FuzzedDataProvider input) {
  World world(input);
  if (!world.serves()) return;
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    world.Step();
  }
}

}  // namespace
}  // namespace ivshmem::ioreq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::ioreq::Run(FuzzedDataProvider(data, size));
  return 0;
}
