// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any run of requests, begins, completions, answers taken and states that
// nobody expects, on several vCPUs: each slot does what a machine of four
// states does, and the page has nothing that neither side put there.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/ioreq/xen/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::xen {
namespace {

constexpr int kVcpus = 3;

ioreq_t AnyRequest() {
  ioreq_t request = {};
  request.addr = *rc::gen::arbitrary<uint64_t>();
  request.data = *rc::gen::arbitrary<uint64_t>();
  request.count = *rc::gen::arbitrary<uint32_t>();
  request.size = *rc::gen::element<uint32_t>(0, 1, 2, 3, 4, 8, 9, 0xffffffff);
  request.type = *rc::gen::element<uint8_t>(0, 1, 1, 2, 7, 8, 3, 255);
  request.dir = *rc::gen::arbitrary<bool>();
  request.df = *rc::gen::arbitrary<bool>();
  request.data_is_ptr = *rc::gen::arbitrary<bool>();
  return request;
}

bool IsNoticeType(const ioreq_t& request) {
  return request.type == 7 || request.type == 8;
}

bool TakesAnswer(const ioreq_t& request) {
  return request.dir == 1 && request.data_is_ptr == 0;
}

// The page and the notifications as they should be.
struct Model {
  std::array<ioreq_t, kVcpus> slots = {};
  std::array<int, kVcpus> notified = {};

  void Begin(int vcpu) {
    ioreq_t& slot = slots[vcpu];
    if (slot.state != STATE_IOREQ_READY) return;
    slot.state = STATE_IOREQ_INPROCESS;
    if (IsNoticeType(slot)) Finish(vcpu, slot.data);
  }
  void Complete(int vcpu, uint64_t value) {
    ioreq_t& slot = slots[vcpu];
    Finish(vcpu, TakesAnswer(slot) ? value : slot.data);
  }
  void Finish(int vcpu, uint64_t data) {
    ioreq_t& slot = slots[vcpu];
    if (slot.state != STATE_IOREQ_INPROCESS) return;
    slot.data = data;
    slot.state = STATE_IORESP_READY;
    ++notified[vcpu];
  }
};

void Check(Model& model, RecordingHypervisor& xen) {
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    RC_ASSERT(std::memcmp(&xen.request(vcpu), &model.slots[vcpu],
                          sizeof(ioreq_t)) == 0);
    RC_ASSERT(xen.Notified(vcpu) == model.notified[vcpu]);
  }
}

RC_GTEST_PROP(XenTransportModel, DoesWhatFourStatesDo, ()) {
  RecordingHypervisor xen(kVcpus);
  absl::StatusOr<std::unique_ptr<Transport>> opened = Transport::Open(xen);
  RC_ASSERT(opened.ok());
  Transport& transport = **opened;
  Model model;
  for (int i = 0; i < kVcpus; ++i) model.slots[i] = xen.request(i);

  for (int step = *rc::gen::inRange(0, 80); step > 0; --step) {
    const int vcpu = *rc::gen::inRange(0, kVcpus);
    ioreq_t& slot = model.slots[vcpu];
    switch (*rc::gen::weightedElement<int>(
        {{4, 0}, {4, 1}, {4, 2}, {4, 3}, {1, 4}, {1, 5}})) {
      case 0: {  // Xen sends a request.
        if (slot.state != STATE_IOREQ_NONE) break;
        const ioreq_t request = AnyRequest();
        xen.Send(vcpu, request);
        const uint32_t port = slot.vp_eport;
        slot = request;
        slot.vp_eport = port;
        slot.state = STATE_IOREQ_READY;
        break;
      }
      case 1: {
        const bool has = slot.state == STATE_IOREQ_READY && !IsNoticeType(slot);
        const std::optional<ioreq::Request> request = transport.Begin(vcpu);
        RC_ASSERT(request.has_value() == has);
        model.Begin(vcpu);
        break;
      }
      case 2: {
        const auto value = *rc::gen::arbitrary<uint64_t>();
        transport.Complete(vcpu, value);
        model.Complete(vcpu, value);
        break;
      }
      case 3:  // Xen takes the answer.
        if (slot.state != STATE_IORESP_READY) break;
        RC_ASSERT(xen.TakeAnswer(vcpu) == slot.data);
        slot.state = STATE_IOREQ_NONE;
        break;
      case 4: {  // A state out of order.
        const auto state = *rc::gen::inRange<uint8_t>(0, 16);
        if (state == STATE_IOREQ_INPROCESS) break;  // Only of what was begun.
        xen.request(vcpu).state = state & 0xf;
        slot.state = state & 0xf;
        break;
      }
      case 5: {  // Waits if there is something to wait for.
        bool ready = false;
        for (const ioreq_t& each : model.slots) {
          ready = ready || each.state == STATE_IOREQ_READY;
        }
        if (ready) RC_ASSERT(transport.Wait().ok());
        break;
      }
    }
    Check(model, xen);
  }

  // At the end all that wait are answered, and nobody else.
  *opened = nullptr;
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    model.Begin(vcpu);
    const uint32_t size = model.slots[vcpu].size;
    model.Complete(vcpu,
                   size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1);
  }
  Check(model, xen);
  RC_ASSERT(xen.complaints().empty());
  RC_ASSERT(xen.Existing().empty());
}

}  // namespace
}  // namespace ivshmem::xen
