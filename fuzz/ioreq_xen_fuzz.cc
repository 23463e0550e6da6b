// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whatever is in Xen's page, and however it changes while a request is served:
// what waits is answered, no state is stored but the next one, and of the rest
// nothing is written but the answer.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/guest_memory.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/ioreq/xen/transport.h"
#include "fuzz/require.h"
#include "fuzz/served_device.h"

namespace ivshmem::xen {
namespace {

using ioreq::Request;
using ioreq::ServedDevice;

constexpr int kVcpus = 3;
constexpr int kMostSteps = 100;
// The guest has two pages of RAM, one after the other.
constexpr uint64_t kRam = 0x10000;

using Page = std::array<ioreq_t, kRequestsPerPage>;

bool IsNotice(const ioreq_t& request) {
  return request.type == IOREQ_TYPE_TIMEOFFSET ||
         request.type == IOREQ_TYPE_INVALIDATE;
}

bool Same(const Page& a, const Page& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

class World {
 public:
  explicit World(FuzzedDataProvider& input) : input_(input) {
    auto transport = Transport::Open(xen_);
    Require(transport.ok(), "the transport is made");
    transport_ = *std::move(transport);
    dispatcher_.emplace(transport_->claims(), &memory_);
    device_.emplace(*dispatcher_);
    for (uint64_t frame : {kRam >> 12, (kRam >> 12) + 1}) xen_.AddFrame(frame);
    if (input_.ConsumeBool()) device_->SetUp();
  }

  // What still waits, begun or not, is answered with ones.
  ~World() {
    device_.reset();
    dispatcher_.reset();
    Page expected = Read();
    transport_ = nullptr;
    for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
      ioreq_t& slot = expected[vcpu];
      const int state = slot.state;
      if (state != STATE_IOREQ_READY) continue;
      slot.state = STATE_IORESP_READY;
      if (!IsNotice(slot) && slot.dir == IOREQ_READ && slot.data_is_ptr == 0) {
        slot.data = ioreq::MaskOf(slot.size);
        // Sizes that there are not: ones up to the largest.
        if (slot.size < 8) slot.data = (uint64_t{1} << (8 * slot.size)) - 1;
      }
    }
    const Page after = Read();
    for (int vcpu = 0; vcpu < kRequestsPerPage; ++vcpu) {
      // The data of what was in process is that of an earlier request.
      if (expected[vcpu].state == STATE_IOREQ_INPROCESS) continue;
      Require(std::memcmp(&expected[vcpu], &after[vcpu], sizeof(ioreq_t)) == 0,
              "all that waited was answered");
    }
    Require(xen_.Existing().empty(), "nothing is left behind");
    Require(xen_.complaints().empty(), "Xen's rules were kept");
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
        Issue(AnyVcpu());
        return Serve(AnyVcpu());
      case kServe:
        return Serve(AnyVcpu());
      case kBytes:
        return Scribble();
      case kState:
        return SetState(AnyVcpu());
      case kDisturb:
        return device_->Disturb(input_);
    }
  }

 private:
  int AnyVcpu() { return input_.ConsumeIntegralInRange(0, kVcpus - 1); }

  Page Read() {
    Page page;
    std::memcpy(page.data(), &xen_.request(0), sizeof(page));
    return page;
  }

  // What Xen would put there, more or less.
  void Issue(int vcpu) {
    ioreq_t request = {};
    request.type = input_.PickValueInArray<uint8_t>(
        {IOREQ_TYPE_PIO, IOREQ_TYPE_COPY, IOREQ_TYPE_COPY,
         IOREQ_TYPE_PCI_CONFIG, IOREQ_TYPE_TIMEOFFSET, IOREQ_TYPE_INVALIDATE,
         3});
    request.addr = input_.PickValueInArray(ServedDevice::kAddresses) +
                   input_.ConsumeIntegralInRange(0, 3);
    if (request.type == IOREQ_TYPE_PCI_CONFIG) {
      const auto function = input_.PickValueInArray<uint64_t>(
          {ServedDevice::kSlot << 3, ServedDevice::kSlot << 3, 0, 0xffff,
           0x10000, 0xffffffff});
      request.addr =
          function << 32 | input_.ConsumeIntegralInRange<uint32_t>(0, 0x1004);
    }
    request.size =
        input_.PickValueInArray<uint32_t>({4, 8, 1, 2, 3, 0, 16, 0xffffffff});
    request.count = input_.PickValueInArray<uint32_t>(
        {1, 1, 1, 2, 16, 0, 300, 4097, 0xffffffff});
    request.dir = input_.ConsumeIntegralInRange(0, 1);
    request.df = input_.ConsumeIntegralInRange(0, 1);
    request.data_is_ptr = input_.PickValueInArray({0, 0, 1});
    request.data =
        request.data_is_ptr != 0
            ? input_.PickValueInArray<uint64_t>(
                  {kRam, kRam + 0xffe, kRam + 0x1ffc, 0, ~uint64_t{0} - 2})
            : input_.ConsumeIntegral<uint64_t>();
    xen_.Send(vcpu, request);
  }

  void Scribble() {
    const auto bytes = input_.ConsumeBytes<uint8_t>(
        input_.ConsumeIntegralInRange<size_t>(1, 32));
    if (bytes.empty()) return;
    const auto at = input_.ConsumeIntegralInRange<size_t>(
        0, (kVcpus + 1) * sizeof(ioreq_t) - bytes.size());
    std::memcpy(reinterpret_cast<uint8_t*>(&xen_.request(0)) + at, bytes.data(),
                bytes.size());
  }

  void SetState(int vcpu) {
    xen_.request(vcpu).state = input_.ConsumeIntegralInRange(0, 15);
  }

  void Serve(int vcpu) {
    Page expected = Read();
    ioreq_t& slot = expected[vcpu];
    const ioreq_t asked = slot;
    const bool ready = asked.state == STATE_IOREQ_READY;
    const int notified = xen_.Notified(vcpu);
    const std::optional<Request> request = transport_->Begin(vcpu);
    if (ready) {
      slot.state = IsNotice(asked) ? STATE_IORESP_READY : STATE_IOREQ_INPROCESS;
    }
    Require(Same(expected, Read()), "Begin() takes what is ready");
    Require(request.has_value() == (ready && !IsNotice(asked)),
            "what is ready is begun, and notices are answered");
    Require(xen_.Notified(vcpu) == notified + (ready && IsNotice(asked)),
            "the end of a notice is told");
    if (!request.has_value()) return;

    if (input_.ConsumeBool()) Scribble();  // Too late to matter.
    expected = Read();
    const uint64_t value = dispatcher_->Answer(*request);
    Require(Same(expected, Read()), "an access writes nothing into the page");
    if (request->direction == Request::Direction::kRead &&
        !request->value_is_address) {
      Require((value & ~ioreq::MaskOf(request->size)) == 0, "masked");
    }
    device_->Check();
    xen_.TakeCalls();

    if (input_.ConsumeBool()) SetState(vcpu);
    expected = Read();
    const bool in_process = slot.state == STATE_IOREQ_INPROCESS;
    if (in_process) {
      slot.state = STATE_IORESP_READY;
      if (asked.dir == IOREQ_READ && asked.data_is_ptr == 0) slot.data = value;
    }
    transport_->Complete(vcpu, value);
    Require(Same(expected, Read()), "only the answer is written");
    Require(xen_.Notified(vcpu) == notified + in_process, "its end is told");
  }

  FuzzedDataProvider& input_;
  RecordingHypervisor xen_{kVcpus};
  GuestMemory memory_{xen_};
  std::unique_ptr<Transport> transport_;
  std::optional<ioreq::Dispatcher> dispatcher_;
  std::optional<ServedDevice> device_;
};

void Run(FuzzedDataProvider input) {
  World world(input);
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    world.Step();
  }
}

}  // namespace
}  // namespace ivshmem::xen

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::xen::Run(FuzzedDataProvider(data, size));
  return 0;
}
