// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whatever is in ACRN's page, and however it changes while a request is served:
// what waits is answered, exactly once, and nothing is written but its answer.

// <linux/acrn.h> leaves its inclusion to others.
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/fake_guest_memory.h"
#include "backends/ioreq/request.h"
#include "fuzz/require.h"
#include "fuzz/served_device.h"

namespace ivshmem::acrn {
namespace {

using ioreq::Request;
using ioreq::ServedDevice;

constexpr int kVcpus = 3;
constexpr uint16_t kVm = 7;
constexpr int kMostSteps = 200;

using Page = acrn_io_request_buffer;

// The kernel's side, which completes what it is told.
class Kernel final : public Hsm {
 public:
  explicit Kernel(Page& page) : page_(page) {}

  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
    if (request != ACRN_IOCTL_NOTIFY_REQUEST_FINISH) return 0;
    acrn_ioreq_notify notify;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
    std::memcpy(&notify, reinterpret_cast<const void*>(argument),
                sizeof(notify));
    Require(notify.vmid == kVm && notify.vcpu < kVcpus, "whose request ended");
    seen_ = page_;
    finished_.push_back(static_cast<int>(notify.vcpu));
    page_.req_slot[notify.vcpu].processed = ACRN_IOREQ_STATE_COMPLETE;
    return 0;
  }

  // The slots that were finished, which are forgotten.
  std::vector<int> TakeFinished() { return std::exchange(finished_, {}); }
  // The page when the last of them was.
  const Page& seen() const { return seen_; }

 private:
  Page& page_;
  Page seen_;
  std::vector<int> finished_;
};

bool Same(const Page& a, const Page& b) {
  return std::memcmp(&a, &b, sizeof(Page)) == 0;
}

bool Waits(const acrn_io_request& slot) {
  return slot.processed == ACRN_IOREQ_STATE_PROCESSING &&
         slot.kernel_handled == 0;
}

// Where an answer goes, and how long it is; 0 for a write.
std::pair<size_t, size_t> AnswerOf(const acrn_io_request& request) {
  constexpr size_t kUnion = offsetof(acrn_io_request, reqs);
  const bool written =
      request.type == kTypeWriteProtect ||
      (request.type <= ACRN_IOREQ_TYPE_PCICFG &&
       request.reqs.mmio_request.direction == ACRN_IOREQ_DIR_WRITE);
  if (request.type == ACRN_IOREQ_TYPE_PORTIO) {
    return {kUnion + offsetof(acrn_pio_request, value), written ? 0 : 4};
  }
  if (request.type == ACRN_IOREQ_TYPE_PCICFG) {
    return {kUnion + offsetof(acrn_pci_request, value), written ? 0 : 4};
  }
  return {kUnion + offsetof(acrn_mmio_request, value), written ? 0 : 8};
}

class World {
 public:
  explicit World(FuzzedDataProvider& input) : input_(input) {
    auto transport = Transport::Create(
        kernel_, {.vmid = kVm, .vcpus = kVcpus, .page = page_.get()});
    Require(transport.ok(), "the transport is made");
    transport_ = *std::move(transport);
    if (input_.ConsumeBool()) device_.SetUp();
  }

  // What still waits is answered with ones.
  ~World() {
    const Page before = *page_;
    transport_ = nullptr;
    std::vector<int> waited;
    for (int slot = 0; slot < kVcpus; ++slot) {
      if (!Waits(before.req_slot[slot])) continue;
      waited.push_back(slot);
      CheckAnswer(before, *page_, slot, before.req_slot[slot], ~uint64_t{0});
    }
    Require(kernel_.TakeFinished() == waited, "all that waited was answered");
  }

  void Step() {
    enum Action {
      kRequest,
      kServe,
      kBytes,
      kState,
      kDisturb,
      kMaxValue = kDisturb
    };
    switch (input_.ConsumeEnum<Action>()) {
      case kRequest:
        Issue(AnySlot());
        return Serve(AnySlot());
      case kServe:
        return Serve(AnySlot());
      case kBytes:
        return Scribble();
      case kState:
        return SetState();
      case kDisturb:
        return device_.Disturb(input_);
    }
  }

 private:
  int AnySlot() { return input_.ConsumeIntegralInRange(0, kVcpus - 1); }

  // What a hypervisor would put there, more or less.
  void Issue(int index) {
    acrn_io_request& slot = page_->req_slot[index];
    slot.type = input_.ConsumeIntegralInRange<uint32_t>(0, 4);
    const uint64_t address = input_.PickValueInArray(ServedDevice::kAddresses) +
                             input_.ConsumeIntegralInRange(0, 3);
    const uint64_t size = input_.PickValueInArray<uint64_t>(
        {4, 8, 1, 2, 3, 0, 16, uint64_t{1} << 32, ~uint64_t{0}});
    acrn_mmio_request& access = slot.reqs.mmio_request;
    access.direction = input_.ConsumeIntegralInRange<uint32_t>(0, 2);
    access.address = address;
    access.size = size;
    access.value = input_.ConsumeIntegral<uint64_t>();
    if (slot.type == ACRN_IOREQ_TYPE_PCICFG) {
      acrn_pci_request& config = slot.reqs.pci_request;
      config.value = static_cast<uint32_t>(input_.ConsumeIntegral<uint64_t>());
      config.bus = input_.PickValueInArray<uint32_t>({0, 0, 255, 256});
      config.dev = input_.PickValueInArray<uint32_t>(
          {ServedDevice::kSlot, ServedDevice::kSlot, 31, 32});
      config.func = input_.PickValueInArray<uint32_t>({0, 0, 7, 8});
      config.reg = input_.ConsumeIntegralInRange<uint32_t>(0, 0x1004);
    }
    slot.kernel_handled = 0;
    slot.processed = ACRN_IOREQ_STATE_PROCESSING;
  }

  void Scribble() {
    const auto bytes = input_.ConsumeBytes<uint8_t>(
        input_.ConsumeIntegralInRange<size_t>(1, 64));
    if (bytes.empty()) return;
    const auto at = input_.ConsumeIntegralInRange<size_t>(
        0, (kVcpus + 1) * sizeof(acrn_io_request) - bytes.size());
    std::memcpy(reinterpret_cast<uint8_t*>(page_.get()) + at, bytes.data(),
                bytes.size());
  }

  void SetState() {
    acrn_io_request& slot = page_->req_slot[AnySlot()];
    slot.processed = input_.ConsumeIntegralInRange<uint32_t>(0, 4);
    slot.kernel_handled = input_.ConsumeIntegralInRange<uint32_t>(0, 1);
  }

  void Serve(int index) {
    Page before = *page_;
    const acrn_io_request asked = before.req_slot[index];
    const std::optional<Request> request = transport_->Begin(index);
    Require(request.has_value() == Waits(asked), "what waits is begun");
    Require(Same(before, *page_), "Begin() writes nothing");
    if (!request.has_value()) return;

    if (input_.ConsumeBool()) Scribble();  // Too late to matter.
    before = *page_;
    const uint64_t value = dispatcher_.Answer(*request);
    Require(Same(before, *page_), "an access writes nothing into the page");
    if (request->direction == Request::Direction::kRead) {
      Require((value & ~ioreq::MaskOf(request->size)) == 0, "masked");
    }
    device_.Check();

    if (input_.ConsumeBool()) SetState();
    before = *page_;
    transport_->Complete(index, value);
    if (!Waits(before.req_slot[index])) {
      Require(Same(before, *page_), "what was taken back is left alone");
      Require(kernel_.TakeFinished().empty(), "and nobody is told");
      return;
    }
    Require(kernel_.TakeFinished() == std::vector{index}, "it is answered");
    CheckAnswer(before, kernel_.seen(), index, asked, value);
  }

  // Nothing but the answer to `asked` came into the slot; but its state may
  // have changed.
  static void CheckAnswer(const Page& before, const Page& after, int index,
                          const acrn_io_request& asked, uint64_t value) {
    acrn_io_request expected = before.req_slot[index];
    const auto [offset, size] = AnswerOf(asked);
    std::memcpy(reinterpret_cast<uint8_t*>(&expected) + offset, &value, size);
    expected.processed = after.req_slot[index].processed;
    Require(
        std::memcmp(&expected, &after.req_slot[index], sizeof(expected)) == 0,
        "only the answer is written");
    for (int i = 0; i < ACRN_IO_REQUEST_MAX; ++i) {
      Require(i < kVcpus || std::memcmp(&before.req_slot[i], &after.req_slot[i],
                                        sizeof(expected)) == 0,
              "slots of no vCPU are left alone");
    }
  }

  FuzzedDataProvider& input_;
  struct alignas(4096) AlignedPage : Page {};
  const std::unique_ptr<AlignedPage> page_ = std::make_unique<AlignedPage>();
  Kernel kernel_{*page_};
  std::unique_ptr<Transport> transport_;
  ioreq::FakeGuestMemory memory_{0x1000, 64};
  ioreq::Dispatcher dispatcher_{nullptr, &memory_};
  ServedDevice device_{dispatcher_};
};

void Run(FuzzedDataProvider input) {
  World world(input);
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    world.Step();
  }
}

}  // namespace
}  // namespace ivshmem::acrn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::acrn::Run(FuzzedDataProvider(data, size));
  return 0;
}
