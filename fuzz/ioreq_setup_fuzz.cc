// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Hypervisors that refuse any call, at any step of what comes before the first
// request and after the last: ranges of any place and size, waits that fail or
// are stopped. What fails is undone and says why.

// <linux/acrn.h> leaves its inclusion to others.
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/front_space.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/ioreq/xen/transport.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "fuzz/require.h"

namespace ivshmem::ioreq {
namespace {

constexpr int kMostClaims = 30;

constexpr uint64_t kBases[] = {
    0x1000,  0,          0xcf8,       0xffff,
    0x10000, 0xfffffff,  0x800,       uint64_t{1} << 28,
    0x2000,  0xfffff000, ~uint64_t{0}};
constexpr uint64_t kSizes[] = {0x1000,   0x2000,   0,       1,           0x100,
                               0x101000, 0x100000, 0x10000, ~uint64_t{0}};
constexpr Space kSpaces[] = {Space::kMemory, Space::kPorts, Space::kPciConfig};
constexpr int kErrors[] = {-EIO, -ENOSPC, -EEXIST, -EPERM, -EAGAIN, -ENOENT};

void RequireReason(const absl::Status& status) {
  Require(status.ok() || !status.message().empty(), "a reason is said");
}

class Zeros : public MmioHandler {
 public:
  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  }
  void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}
};

Request AnyRequest(FuzzedDataProvider& input) {
  return {.kind = input.PickValueInArray(
              {Request::Kind::kMemory, Request::Kind::kPorts,
               Request::Kind::kPciConfig, Request::Kind::kUnknown}),
          .direction = input.PickValueInArray({Request::Direction::kRead,
                                               Request::Direction::kWrite,
                                               Request::Direction::kUnknown}),
          .address = input.PickValueInArray(kBases),
          .size = input.PickValueInArray<uint64_t>({4, 1, 2, 8, 3})};
}

// Claims and releases through a dispatcher, with a hypervisor that has a say.
template <typename Disturb>
void Claim(FuzzedDataProvider& input, RangeClaims* claims, Disturb disturb) {
  Zeros zeros;
  Dispatcher dispatcher(claims, nullptr);
  std::vector<RegistrationPtr> held;
  uint64_t failures = 0;
  for (int i = 0; i < kMostClaims && input.remaining_bytes() > 0; ++i) {
    disturb();
    if (input.ConsumeIntegralInRange(0, 3) == 0) {
      if (!held.empty()) held.pop_back();
      dispatcher.Synchronize();
      continue;
    }
    if (input.ConsumeBool()) {
      const uint64_t value = dispatcher.Answer(AnyRequest(input));
      if (value != 0) ++failures;
    }
    auto claim = dispatcher.space(input.PickValueInArray(kSpaces))
                     .Claim(input.PickValueInArray(kBases),
                            input.PickValueInArray(kSizes), zeros);
    RequireReason(claim.status());
    if (claim.ok()) held.push_back(*std::move(claim));
  }
  const Dispatcher::Counts counts = dispatcher.counts();
  Require(counts.unclaimed + counts.spanning + counts.malformed >= failures,
          "what nobody answered is counted");
}

// --- Xen --------------------------------------------------------------------

void WaitForXen(FuzzedDataProvider& input, xen::RecordingHypervisor& hypervisor,
                xen::Transport& transport) {
  enum How { kReady, kStopped, kBroken, kFails, kMaxValue = kFails };
  switch (input.ConsumeEnum<How>()) {
    case kReady: {
      ioreq_t request = {};
      request.type = IOREQ_TYPE_COPY;
      request.size = 4;
      request.count = 1;
      request.dir = IOREQ_READ;
      hypervisor.Send(0, request);
      return Require(transport.Wait().ok(), "a request ends the wait");
    }
    case kStopped:
      transport.Stop();
      return Require(absl::IsCancelled(transport.Wait()), "it is stopped");
    case kBroken:
      hypervisor.BreakEvents();
      return Require(!transport.Wait().ok(), "no event can come");
    case kFails: {
      // So many events, and then an error: else it would wait for ever.
      const int events = input.ConsumeIntegralInRange(0, 3);
      for (int i = 0; i <= events; ++i) {
        hypervisor.Raise(input.ConsumeBool()
                             ? 99 + i
                             : xen::RecordingHypervisor::kLocalPort + i);
      }
      if (events > 0 && input.ConsumeBool()) {
        hypervisor.Refuse("Pending", input.PickValueInArray({-EAGAIN, -EINTR}));
      }
      if (input.ConsumeBool()) hypervisor.Refuse("Unmask", -EIO);
      hypervisor.Refuse("Pending", -EIO, events);
      return Require(!transport.Wait().ok(), "an error ends the wait");
    }
  }
}

void UseXen(FuzzedDataProvider& input) {
  xen::RecordingHypervisor hypervisor(
      input.PickValueInArray({3, 4, 1, 128, 129, 0}));
  const auto maybe_refuse = [&] {
    if (!input.ConsumeBool()) return;
    hypervisor.Refuse(input.PickValueInArray(
                          {"VcpuCount", "CreateServer", "MapServerPage",
                           "EnableServer", "Bind", "MapRange", "UnmapRange"}),
                      input.PickValueInArray(kErrors),
                      input.ConsumeIntegralInRange(0, 2));
  };
  maybe_refuse();
  auto transport = xen::Transport::Open(hypervisor);
  RequireReason(transport.status());
  if (!transport.ok()) {
    return Require(hypervisor.Existing().empty(), "what failed is undone");
  }
  Claim(input, (*transport)->claims(), maybe_refuse);
  WaitForXen(input, hypervisor, **transport);
}

// --- ACRN -------------------------------------------------------------------

class Kernel final : public acrn::Hsm {
 public:
  explicit Kernel(FuzzedDataProvider& input)
      : fails_(input.PickValueInArray({0, 0, ENODEV, EEXIST})),
        failing_(input.PickValueInArray<uint64_t>(
            {ACRN_IOCTL_ATTACH_IOREQ_CLIENT, ACRN_IOCTL_CREATE_IOREQ_CLIENT})) {
  }

  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t) noexcept override {
    if (request == ACRN_IOCTL_DESTROY_IOREQ_CLIENT) --clients_;
    if (request == failing_ && fails_ != 0) return -fails_;
    if (request == ACRN_IOCTL_CREATE_IOREQ_CLIENT) ++clients_;
    return 0;
  }
  int clients() const { return clients_; }

 private:
  const int fails_;
  const uint64_t failing_;
  int clients_ = 0;
};

struct alignas(4096) AlignedPage : acrn_io_request_buffer {};

void UseAcrn(FuzzedDataProvider& input) {
  Kernel kernel(input);
  const auto page = std::make_unique<AlignedPage>();
  acrn_io_request_buffer* at = page.get();
  switch (input.ConsumeIntegralInRange(0, 7)) {
    case 0:
      at = nullptr;
      break;
    case 1:
      at = reinterpret_cast<acrn_io_request_buffer*>(
          reinterpret_cast<uint8_t*>(at) + 256);
      break;
    default:
      break;
  }
  const int vcpus = input.PickValueInArray({3, 1, 16, 0, 17, -1});
  auto transport =
      acrn::Transport::Create(kernel, {.vmid = 7, .vcpus = vcpus, .page = at});
  RequireReason(transport.status());
  Require(!transport.ok() || (at == page.get() && vcpus >= 1 && vcpus <= 16),
          "of a page and vCPUs that there can be");
  if (!transport.ok()) return Require(kernel.clients() == 0, "no client");
  Claim(input, (*transport)->claims(), [] {});
  Require((*transport)->Wait().ok(), "what was left is looked for first");
  bool stopped = false;
  for (int i = input.ConsumeIntegralInRange(0, 4); i > 0; --i) {
    if (input.ConsumeBool()) {
      (*transport)->Stop();
      stopped = true;
    }
    const absl::Status waited = (*transport)->Wait();
    RequireReason(waited);
    Require(stopped == absl::IsCancelled(waited), "it is stopped for good");
  }
  *transport = nullptr;
  Require(kernel.clients() == 0, "the client has gone");
}

// Ranges inside of the hypervisor, before and after the VM is launched.
void UseRanges(FuzzedDataProvider& input) {
  using acrn::EmulationRanges;
  using acrn::FrontSpace;
  EmulationRanges ranges;
  FrontSpace memory(ranges, FrontSpace::Kind::kMemory);
  FrontSpace ports(ranges, FrontSpace::Kind::kPorts);
  Zeros zeros;
  std::vector<RegistrationPtr> held;
  bool launched = false;
  for (int i = 0; i < kMostClaims && input.remaining_bytes() > 0; ++i) {
    enum Action {
      kWindow,
      kClaim,
      kAllow,
      kNoHandler,
      kLaunch,
      kMaxValue = kLaunch
    };
    FrontSpace& space = input.ConsumeBool() ? memory : ports;
    const auto action = input.ConsumeEnum<Action>();
    const uint64_t base = input.PickValueInArray(kBases);
    const uint64_t size = input.PickValueInArray(kSizes);
    switch (action) {
      case kWindow: {
        const absl::Status added = space.AddWindow(base, size);
        RequireReason(added);
        Require(!added.ok() || (!launched && size != 0), "before the launch");
        break;
      }
      case kClaim: {
        auto claim = space.Claim(base, size, zeros);
        RequireReason(claim.status());
        if (claim.ok()) held.push_back(*std::move(claim));
        break;
      }
      case kAllow: {
        const auto port = static_cast<uint16_t>(base);
        const absl::Status allowed =
            ranges.AllowPorts(port, static_cast<uint32_t>(size));
        RequireReason(allowed);
        Require(!allowed.ok() ||
                    (ranges.io_bitmap()[port / 8] & 1 << port % 8) == 0,
                "it causes no exit");
        break;
      }
      case kNoHandler:
        Require(!ranges.RegisterMmio(base, base + 1, nullptr, nullptr).ok(),
                "a handler is needed");
        held.clear();
        memory.Synchronize();
        break;
      case kLaunch:
        ranges.Launch();
        launched = true;
        break;
    }
  }
}

void Run(FuzzedDataProvider input) {
  enum Part { kXen, kAcrn, kRanges, kMaxValue = kRanges };
  switch (input.ConsumeEnum<Part>()) {
    case kXen:
      return UseXen(input);
    case kAcrn:
      return UseAcrn(input);
    case kRanges:
      return UseRanges(input);
  }
}

}  // namespace
}  // namespace ivshmem::ioreq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::ioreq::Run(FuzzedDataProvider(data, size));
  return 0;
}
