// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/figure.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "bench/kvm/device_vm.h"

namespace ivshmem::bench {
namespace {

constexpr BareVm::Options kFast = {};
constexpr BareVm::Options kSlow = {
    .fast = {.io_event_fd = false, .irqfd = false},
    .trapped = BareVm::Trapped::kSignals};
constexpr BareVm::Options kSlowByEpoll = {
    .fast = {.io_event_fd = false, .irqfd = false},
    .trapped = BareVm::Trapped::kSignals,
    .waits = BareVm::Waits::kInEpoll};

constexpr Work Ring(BenchOperation operation, uint16_t peer) {
  return {
      .operation = operation, .address = kDoorbell, .value = RingValue(peer)};
}

// The six orders of three.
constexpr int kOrders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0},
                              {0, 2, 1}, {2, 0, 1}, {1, 0, 2}};

// What an eventfd holds; takes it.
uint64_t Take(int fd) {
  pollfd readable = {.fd = fd, .events = POLLIN, .revents = 0};
  eventfd_t count = 0;
  if (poll(&readable, 1, 0) == 1) eventfd_read(fd, &count);
  return count;
}

// Interrupts the guest and waits for its answer, so many times.
absl::Status RoundTrips(Contender& contender, uint32_t count) {
  eventfd_t rung;
  for (uint32_t i = 0; i < count; ++i) {
    if (eventfd_write(contender.interrupt_fd(), 1) != 0 ||
        eventfd_read(contender.ring_fd(), &rung) != 0) {
      return absl::ErrnoToStatus(errno, "eventfd");
    }
  }
  return absl::OkStatus();
}

absl::Status Expect(const char* what, uint64_t expected, uint64_t got) {
  if (expected == got) return absl::OkStatus();
  return absl::InternalError(
      absl::StrFormat("%s: expected %d, got %d", what, expected, got));
}

}  // namespace

const std::array<Figure, 7> kFigures = {{
    {.name = "ioeventfd",
     .text = "a doorbell that the kernel rings",
     .target = 1.02,
     .bare = kFast,
     .work = Ring(kBenchWrite, kPeer),
     .exits = 0,
     .rings = 1},
    {.name = "exit",
     .text = "a doorbell that the device rings",
     .target = 1.03,
     .bare = kSlow,
     .work = Ring(kBenchWrite, kPeer),
     .exits = 1,
     .rings = 1},
    {.name = "absent_peer",
     .text = "a doorbell of a peer that is not there",
     .target = 1.03,
     .bare = kFast,
     .work = Ring(kBenchWrite, kAbsentPeer),
     .exits = 1,
     .rings = 0},
    {.name = "ivposition",
     .text = "a read of IVPosition",
     .target = 1.03,
     .bare = kFast,
     .work = {.operation = kBenchRead, .address = kPosition},
     .exits = 1,
     .rings = 0},
    {.name = "round_trip",
     .text = "interrupt and answer, by irqfd and ioeventfd",
     .target = 1.00,
     .bare = kFast,
     .work = Ring(kBenchAnswer, kPeer),
     .exits = 0,
     .rings = 1},
    {.name = "round_trip_slow",
     .text = "interrupt and answer, through the program",
     .target = 1.02,
     .bare = kSlow,
     .work = Ring(kBenchAnswer, kPeer),
     .exits = 1,
     .rings = 1},
    {.name = "round_trip_epoll",
     .text = "the same, the hand-written program waits in epoll_wait() as well",
     .target = 1.02,
     .bare = kSlowByEpoll,
     .work = Ring(kBenchAnswer, kPeer),
     .exits = 1,
     .rings = 1},
}};

uint32_t SliceOf(const Figure& figure) {
  if (figure.work.operation == kBenchAnswer) return 100;
  return figure.exits == 0 ? 3000 : 500;
}

absl::StatusOr<absl::Duration> RunSlice(Contender& contender,
                                        const Figure& figure, uint32_t count) {
  const uint64_t exits_before = contender.exits();
  Work work = figure.work;
  work.count = count;
  contender.gate().Start(work);
  uint64_t rung = 0;
  if (work.operation == kBenchAnswer) {
    const absl::Status status = RoundTrips(contender, count);
    if (!status.ok()) return status;
    rung = count;
  }
  absl::StatusOr<absl::Duration> took = contender.gate().Finish();
  if (!took.ok()) return took;
  rung += Take(contender.ring_fd());
  auto status = Expect("rings", uint64_t{count} * figure.rings, rung);
  if (!status.ok()) return status;
  status = Expect("exits", uint64_t{count} * figure.exits,
                  contender.exits() - exits_before);
  if (!status.ok()) return status;
  if (work.operation == kBenchRead) {
    status = Expect("IVPosition", kOwnId, contender.gate().mailbox().result);
    if (!status.ok()) return status;
  }
  return took;
}

absl::StatusOr<std::unique_ptr<Contest>> Contest::Create(const Figure& figure,
                                                         const Cpus& cpus) {
  auto contest = absl::WrapUnique(new Contest(figure));
  for (const int bare : {0, 2}) {
    auto vm = BareVm::Create(figure.bare, cpus.guest);
    if (!vm.ok()) return vm.status();
    contest->contenders_[bare] = *std::move(vm);
  }
  auto vm = DeviceVm::Create(figure.bare.fast, cpus.guest);
  if (!vm.ok()) return vm.status();
  contest->contenders_[1] = *std::move(vm);
  return contest;
}

absl::StatusOr<Round> Contest::RunRound(int turn, uint32_t count) {
  std::array<double, 3> each = {};
  for (const int i : kOrders[turn % 6]) {
    const auto took = RunSlice(*contenders_[i], figure_, count);
    if (!took.ok()) return took.status();
    each[i] = absl::ToDoubleNanoseconds(*took) / count;
  }
  return Round{.bare = each[0], .device = each[1], .bare_again = each[2]};
}

}  // namespace ivshmem::bench
