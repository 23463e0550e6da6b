// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/pauses.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/kvm/gate.h"
#include "bench/kvm/ratio.h"

namespace ivshmem::bench {
namespace {

constexpr uint32_t kWarm = 100;  // Reads before something happens.

absl::StatusOr<Pause> Watch(
    Contender& contender,
    absl::FunctionRef<absl::StatusOr<absl::Duration>()> change) {
  const int khz = ioctl(contender.vcpu_fd(), KVM_GET_TSC_KHZ, 0);
  if (khz <= 0) return absl::ErrnoToStatus(errno, "KVM_GET_TSC_KHZ");
  Gate& gate = contender.gate();
  gate.Start({.operation = kBenchWatch, .address = kPosition});
  while (gate.mailbox().result < kWarm) std::this_thread::yield();
  const absl::StatusOr<absl::Duration> took = change();
  gate.mailbox().stop = 1;
  const absl::StatusOr<absl::Duration> watched = gate.Finish();
  if (!took.ok()) return took.status();
  if (!watched.ok()) return watched.status();
  return Pause{.took = *took,
               .longest = absl::Milliseconds(
                   static_cast<double>(gate.mailbox().longest) / khz)};
}

// The kernel rings the last vector of kManyPeer if it is `there`, and those
// before were bound before.
absl::Status CheckLastVector(Contender& contender, int vectors, bool there) {
  const uint64_t exits_before = contender.exits();
  contender.gate().Start(
      {.operation = kBenchWrite,
       .address = kDoorbell,
       .value = RingValue(kManyPeer) + static_cast<uint32_t>(vectors - 1),
       .count = 1});
  const auto took = contender.gate().Finish();
  if (!took.ok()) return took.status();
  const uint64_t exits = contender.exits() - exits_before;
  if (exits == (there ? 0 : 1)) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat(
      "%d vectors of a peer that %s: a ring of the last made %d exits", vectors,
      there ? "is there" : "has gone", exits));
}

// In microseconds.
template <typename Value>
double MedianOf(const std::vector<Visit>& visits, Value value) {
  std::vector<double> values;
  for (const Visit& visit : visits) {
    values.push_back(absl::ToDoubleMicroseconds(value(visit)));
  }
  return Median(values);
}

}  // namespace

absl::StatusOr<Visit> MeasureVisit(Contender& contender, int vectors) {
  const auto add =
      Watch(contender, [&] { return contender.AddVectors(vectors); });
  if (!add.ok()) return add.status();
  absl::Status status = CheckLastVector(contender, vectors, /*there=*/true);
  if (!status.ok()) return status;
  const auto remove =
      Watch(contender, [&] { return contender.RemoveVectors(); });
  if (!remove.ok()) return remove.status();
  status = CheckLastVector(contender, vectors, /*there=*/false);
  if (!status.ok()) return status;
  const auto idle = Watch(contender, [&]() -> absl::StatusOr<absl::Duration> {
    absl::SleepFor(add->took);
    return add->took;
  });
  if (!idle.ok()) return idle.status();
  return Visit{.add = *add, .remove = *remove, .idle = *idle};
}

std::string Summary(absl::string_view name, int vectors,
                    const std::vector<Visit>& visits) {
  return absl::StrFormat(
      "kvm %s: %d ioeventfds added in %.2f ms, removed in %.2f ms; longest "
      "pause of a vCPU %.0f us and %.0f us, with nothing going on %.0f us "
      "(medians of %d)",
      name, vectors,
      MedianOf(visits, [](const Visit& v) { return v.add.took; }) / 1000,
      MedianOf(visits, [](const Visit& v) { return v.remove.took; }) / 1000,
      MedianOf(visits, [](const Visit& v) { return v.add.longest; }),
      MedianOf(visits, [](const Visit& v) { return v.remove.longest; }),
      MedianOf(visits, [](const Visit& v) { return v.idle.longest; }),
      visits.size());
}

}  // namespace ivshmem::bench
