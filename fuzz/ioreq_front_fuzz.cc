// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The hypervisor's end of ACRN's page, with guests that ask for anything,
// resets at any moment and a device model that answers what, when and where it
// likes: a vCPU gets one answer to each request, or learns that there is none.

// <linux/acrn.h> leaves its inclusion to others.
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/types/span.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/front.h"
#include "backends/ioreq/acrn/front_space.h"
#include "backends/ioreq/acrn/kernel_half.h"
#include "backends/ioreq/acrn/request_slots.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "fuzz/require.h"

namespace ivshmem::acrn {
namespace {

constexpr int kVcpus = 3;
constexpr int kMostSteps = 300;
constexpr uint64_t kWindow = 0x1000;
constexpr uint64_t kWindowSize = 0x1000;
constexpr uint16_t kPorts = 0xc000;

constexpr uint64_t kAddresses[] = {
    kWindow,     kWindow + 0x100, kWindow + 0x1fe, kWindow + kWindowSize - 2,
    kWindow - 2, kPorts,          kPorts + 0x3e,   0xcf8,
    0xcfc,       0xfffe,          ~uint64_t{0},    ~uint64_t{0} - 3};

// Fills what is read and insists on accesses that lie in it.
class Registers : public MmioHandler {
 public:
  explicit Registers(uint64_t size) : size_(size) {}
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    Check(offset, bytes.size());
    for (uint8_t& byte : bytes) byte = 0xa5;
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    Check(offset, bytes.size());
  }

 private:
  void Check(uint64_t offset, size_t size) const {
    Require(size == 1 || size == 2 || size == 4 || size == 8, "a size");
    Require(offset < size_ && size <= size_ - offset, "lies in the claim");
  }
  const uint64_t size_;
};

bool IsSize(uint64_t size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

class World : public RequestSlots::Host, public KernelHalf::Client {
 public:
  explicit World(FuzzedDataProvider& input)
      : input_(input), polling_(input.ConsumeBool()) {
    slots_.emplace(*page_, kVcpus, polling_, *this);
    kernel_.emplace(*page_, kVcpus, *slots_,
                    input.ConsumeBool() ? this : nullptr);
    kernel_->SetServed(input.ConsumeBool());
    Require(memory_.AddWindow(kWindow, kWindowSize).ok(), "a window");
    Require(ports_.AddWindow(kPorts, 0x40).ok(), "a window of ports");
    ranges_.Launch();
    auto first = memory_.Claim(kWindow + 0x100, 0x100, registers_);
    auto second = ports_.Claim(kPorts, 0x20, port_registers_);
    Require(first.ok() && second.ok(), "claims");
    claims_[0] = *std::move(first);
    claims_[1] = *std::move(second);
    front_.emplace(ranges_, input.ConsumeBool() ? &*slots_ : nullptr);
  }

  // However it came to be, a reset ends all.
  void End() {
    upcalls_ = true;
    slots_->Reset();
    kernel_->Clear();
    slots_->Reset();
    for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
      acrn_io_request request = {};
      Require(slots_->Take(vcpu, request) == -ECANCELED, "all is taken back");
      if (slots_->state(vcpu) == ACRN_IOREQ_STATE_PROCESSING) {
        slots_->set_state(vcpu, ACRN_IOREQ_STATE_COMPLETE);
      }
      waiting_[vcpu] = std::nullopt;
      Require(slots_->Insert(vcpu, request) == RequestSlots::kPending,
              "and then the vCPU can ask");
      Require(slots_->Insert(vcpu, request) == -EBUSY, "once");
    }
  }

  void Step() {
    enum Action {
      kEmulate,
      kPostWork,
      kUpcall,
      kFinish,
      kAnswer,
      kReset,
      kClear,
      kState,
      kServed,
      kUpcalls,
      kMaxValue = kUpcalls
    };
    switch (input_.ConsumeEnum<Action>()) {
      case kEmulate:
        return Emulate(AnyVcpu());
      case kPostWork:
        return PostWork(AnyVcpu());
      case kUpcall:
        kernel_->Upcall();
        return;
      case kFinish:
        kernel_->Finish(input_.ConsumeIntegralInRange(-1, kVcpus));
        return;
      case kAnswer:
        return Scribble();
      case kReset:
        slots_->Reset();
        for (auto& waiting : waiting_) waiting = std::nullopt;
        return;
      case kClear:
        return kernel_->Clear();
      case kState:
        slots_->set_state(input_.ConsumeIntegralInRange(-1, kVcpus),
                          input_.ConsumeIntegralInRange<uint32_t>(0, 4));
        return;
      case kServed:
        return kernel_->SetServed(input_.ConsumeBool());
      case kUpcalls:
        upcalls_ = input_.ConsumeBool();
        return;
    }
  }

 private:
  int AnyVcpu() { return input_.ConsumeIntegralInRange(-1, kVcpus); }
  static bool IsVcpu(int vcpu) { return vcpu >= 0 && vcpu < kVcpus; }

  // RequestSlots::Host
  void Upcall() noexcept override {
    if (upcalls_) kernel_->Upcall();
  }
  void Resume(int vcpu) noexcept override {
    // A state that was set is a request of nobody's, polled or not.
    Require(IsVcpu(vcpu) && !(polling_ && waiting_[vcpu].has_value()),
            "who waits is resumed");
  }
  // KernelHalf::Client
  bool Covers(const acrn_io_request& request) noexcept override {
    return request.reqs.mmio_request.address % 4 == 1;
  }
  void Answer(acrn_io_request& request) noexcept override {
    request.reqs.mmio_request.value = 0x77;
  }

  acrn_io_request AnyRequest() {
    acrn_io_request request = {};
    request.type = input_.ConsumeIntegralInRange<uint32_t>(0, 4);
    acrn_mmio_request& access = request.reqs.mmio_request;
    access.direction = input_.ConsumeIntegralInRange<uint32_t>(0, 2);
    access.address = input_.PickValueInArray(kAddresses) +
                     input_.ConsumeIntegralInRange(0, 3);
    access.size = input_.PickValueInArray<uint64_t>(
        {4, 8, 1, 2, 3, 0, 16, uint64_t{1} << 32, ~uint64_t{0}});
    access.value = input_.ConsumeIntegral<uint64_t>();
    return request;
  }

  void Emulate(int vcpu) {
    acrn_io_request request = AnyRequest();
    const acrn_io_request asked = request;
    const acrn_io_request_buffer before = *page_;
    const int result = front_->Emulate(vcpu, request);
    Require(request.type == asked.type &&
                request.reqs.mmio_request.address ==
                    asked.reqs.mmio_request.address &&
                request.reqs.mmio_request.size == asked.reqs.mmio_request.size,
            "an access stays what it is");
    switch (result) {
      case Front::kPending:
        Require(IsVcpu(vcpu) && !waiting_[vcpu].has_value(), "one at a time");
        waiting_[vcpu] = request;
        return;
      case 0:
        CheckRead(request);
        break;
      case -EIO:
      case -EINVAL:
        break;
      case -EBUSY:
        Require(IsVcpu(vcpu), "a vCPU");
        break;
      default:
        Require(false, "a result that there is");
    }
    Require(std::memcmp(&before, page_.get(), sizeof(before)) == 0,
            "what is not pending is not in the page");
  }

  void PostWork(int vcpu) {
    const bool asked = IsVcpu(vcpu) && waiting_[vcpu].has_value();
    acrn_io_request request = asked ? *waiting_[vcpu] : acrn_io_request{};
    const int result = front_->PostWork(vcpu, request);
    if (result == Front::kPending) return Require(asked, "somebody waits");
    Require(result == 0 ? asked : !asked, "one answer to each request");
    if (result != 0) return;
    waiting_[vcpu] = std::nullopt;
    CheckRead(request);
    Require(slots_->state(vcpu) == ACRN_IOREQ_STATE_FREE, "the slot is free");
  }

  // What is read has no more bytes than were asked for.
  static void CheckRead(const acrn_io_request& request) {
    const acrn_mmio_request& access = request.reqs.mmio_request;
    Require(IsSize(access.size), "no other size is carried out");
    if (access.direction != ACRN_IOREQ_DIR_READ || access.size == 8) return;
    const uint64_t value = request.type == ACRN_IOREQ_TYPE_MMIO
                               ? access.value
                               : request.reqs.pio_request.value;
    Require(value >> (8 * access.size) == 0, "masked");
  }

  // A device model writes what it likes, except states.
  void Scribble() {
    const auto bytes = input_.ConsumeBytes<uint8_t>(
        input_.ConsumeIntegralInRange<size_t>(1, 64));
    if (bytes.empty()) return;
    acrn_io_request& slot =
        page_->req_slot[input_.ConsumeIntegralInRange(0, kVcpus - 1)];
    std::memcpy(&slot.reqs, bytes.data(), bytes.size());
  }

  FuzzedDataProvider& input_;
  const bool polling_;
  bool upcalls_ = true;
  const std::unique_ptr<acrn_io_request_buffer> page_ =
      std::make_unique<acrn_io_request_buffer>();
  EmulationRanges ranges_;
  FrontSpace memory_{ranges_, FrontSpace::Kind::kMemory};
  FrontSpace ports_{ranges_, FrontSpace::Kind::kPorts};
  Registers registers_{0x100};
  Registers port_registers_{0x20};
  std::array<RegistrationPtr, 2> claims_;
  std::optional<RequestSlots> slots_;
  std::optional<KernelHalf> kernel_;
  std::optional<Front> front_;
  // By vCPU, what it asked for and has no answer to.
  std::array<std::optional<acrn_io_request>, kVcpus> waiting_;
};

void Run(FuzzedDataProvider input) {
  World world(input);
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    world.Step();
  }
  world.End();
}

}  // namespace
}  // namespace ivshmem::acrn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::acrn::Run(FuzzedDataProvider(data, size));
  return 0;
}
