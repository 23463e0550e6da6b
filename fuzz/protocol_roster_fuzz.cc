// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of comings, goings and sends: the roster does what its model does
// (core/protocol/roster_model.h), and in the end each client knows exactly who
// is there.

#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "core/protocol/roster_model.h"
#include "fuzz/require.h"

namespace ivshmem::protocol {
namespace {

constexpr PeerId kIds[] = {0, 1, 2, 3, 63, 64, 255, 65535};
constexpr int kMostSteps = 150;

void Do(RosterModel& model, const RosterStep& step) {
  const absl::Status status = model.Do(step);
  Require(status.ok(), status.message());
}

void Run(FuzzedDataProvider input) {
  using Kind = RosterStep::Kind;
  RosterModel model(input.ConsumeIntegralInRange(1, 4));
  for (int i = 0; i < kMostSteps && input.remaining_bytes() > 0; ++i) {
    RosterStep step;
    step.kind = input.PickValueInArray(
        {Kind::kJoin, Kind::kLeave, Kind::kReturn, Kind::kSend, Kind::kSettle});
    step.id = input.PickValueInArray(kIds);
    if (step.kind == Kind::kSend) {
      step.room = input.ConsumeIntegralInRange<size_t>(0, 15);
      step.sent = input.ConsumeIntegralInRange<size_t>(0, 16);
      if (step.sent == 16) step.sent = std::numeric_limits<size_t>::max();
    }
    Do(model, step);
  }
  Do(model, {.kind = Kind::kSettle});
}

}  // namespace
}  // namespace ivshmem::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::protocol::Run(FuzzedDataProvider(data, size));
  return 0;
}
