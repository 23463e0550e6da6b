// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/vmm.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/events.h"
#include "examples/two_guests/guests/images.h"
#include "examples/two_guests/guests/report.h"
#include "examples/two_guests/guests/ring.h"
#include "examples/two_guests/machine.h"
#include "examples/two_guests/tap.h"
#include "examples/two_guests/trace.h"
#include "examples/two_guests/world.h"

namespace ivshmem::two_guests {
namespace {

using Clock = std::chrono::steady_clock;

// Basic blocks. A message takes some thousand.
constexpr int kSliceBlocks = 10'000;

// How long guests may do without another message being answered: so many turns
// for both, and so long. What an emulator does in that many turns does not
// depend on a clock, nor on how fast the host is; on KVM only the clock counts.
struct Patience {
  int rounds;
  absl::Duration time;
  // How long all may wait for interrupts when none has been sent. The kernel
  // may still have one under way, of which nobody is told.
  absl::Duration waiting;
};

Patience PatienceWith(Engine engine, bool short_cuts) {
  if (engine == Engine::kUnicorn) return {.rounds = 100};
  return {.rounds = 1,
          .time = absl::Seconds(10),
          .waiting = short_cuts ? absl::Seconds(10) : absl::ZeroDuration()};
}

class Vmm {
 public:
  Vmm(const VmmConfig& config, const VmmEvents& events)
      : config_(config),
        events_(events),
        trace_(events.on_trace),
        short_cuts_(TakesShortCuts(config, events)),
        patience_(PatienceWith(config.engine, short_cuts_)) {}

  absl::StatusOr<VmmResult> Run();

 private:
  // Both guests' observers, who are told apart by their side.
  class Observer : public GuestObserver {
   public:
    Observer(Vmm& vmm, Side side) : vmm_(vmm), side_(side) {}
    bool OnWrite(const Access& access) override {
      return vmm_.OnWrite(side_, access);
    }
    void OnHandled(const Access& access) override {
      vmm_.trace_.OnHandled(vmm_.world_->machine(side_).name(), access);
    }
    void OnEvent(const DeviceEvent& event) noexcept override {
      vmm_.OnDeviceEvent(side_, event);
    }
    void OnReport(uint32_t event, uint32_t argument) override {
      vmm_.OnReport(side_, event, argument);
    }

   private:
    Vmm& vmm_;
    const Side side_;
  };

  bool OnWrite(Side side, const Access& access);
  void OnDeviceEvent(Side side, const DeviceEvent& event);
  void OnReport(Side side, uint32_t event, uint32_t argument);
  void FlipByte(Side side);

  // Gives both machines a turn. Returns whether there is an end.
  bool RunRound();
  bool Over(Side side) const {
    const GuestReport& report = world_->report(side);
    return report.done || report.failure.has_value();
  }
  void Fail(std::string why) {
    if (!result_.failure.has_value()) result_.failure = std::move(why);
  }
  bool Waits(bool quiet);
  bool Stagnates();
  std::string HowFar() const;
  // Those that the kernel did by itself, of which no observer is told,
  // included.
  uint64_t Rung() const { return result_.doorbells_rung + RungByKernel(); }
  uint64_t Delivered() const {
    return result_.doorbells_delivered + DeliveredByKernel();
  }
  uint64_t RungByKernel() const;
  uint64_t DeliveredByKernel() const;
  void CountByKernel();
  void CheckGuests();
  void CheckCounts();

  const VmmConfig config_;
  const VmmEvents events_;
  Trace trace_;
  const bool short_cuts_;
  const Patience patience_;
  std::array<Observer, kSides> observers_ = {Observer(*this, kSideX86),
                                             Observer(*this, kSideCortexM)};
  std::unique_ptr<World> world_;
  VmmResult result_;
  bool met_ = false;
  Clock::time_point request_sent_;
  uint64_t happened_ = 0;  // Reports and interrupts: whether a round was quiet.
  uint32_t answered_before_ = 0;
  int quiet_rounds_ = 0;
  absl::Time quiet_since_;
  absl::Time waiting_since_;
};

bool Vmm::OnWrite(Side side, const Access& access) {
  if (!IsDoorbell(access)) return true;
  // It is the other guest's turn.
  world_->machine(side).EndSlice();
  // First comes a hello, then two for each message: this is one of these.
  const bool in_the_middle = ++result_.doorbells_rung == config_.messages + 1;
  if (!in_the_middle || config_.inject == Inject::kNothing) return true;
  if (config_.inject == Inject::kDropDoorbell) {
    trace_.OnDropped();
    return false;
  }
  FlipByte(side);
  return true;
}

// The last byte that the guest has put into its ring.
void Vmm::FlipByte(Side side) {
  auto* shared = reinterpret_cast<SharedLayout*>(world_->memory().data);
  Ring& ring = shared->ring[side];
  auto* data = reinterpret_cast<uint8_t*>(ring.data);
  data[(ring.written - 1) % kRingBytes] ^= 0xff;
}

void Vmm::OnDeviceEvent(Side side, const DeviceEvent& event) {
  if (event.kind == DeviceEvent::Kind::kInterrupt &&
      (event.interrupt == InterruptResult::kDelivered ||
       event.interrupt == InterruptResult::kHeld)) {
    ++result_.doorbells_delivered;
    ++happened_;
  }
  // Before the machines exist, a device has nothing to tell that matters here.
  if (world_ != nullptr) {
    trace_.OnDeviceEvent(world_->machine(side).name(), event);
  }
}

void Vmm::OnReport(Side side, uint32_t event, uint32_t argument) {
  ++happened_;
  if (side == kSideX86 && event == kReportRequestSent) {
    if (!std::exchange(met_, true) && events_.on_met) {
      events_.on_met(world_->report(kSideX86), world_->report(kSideCortexM));
    }
    request_sent_ = Clock::now();
  }
  // What a guest says is checked: a broken one cannot make the run endless.
  if (side == kSideX86 && event == kReportAnswerChecked &&
      argument == result_.answered + 1 && argument <= config_.messages) {
    result_.answered = argument;
    const std::chrono::duration<double, std::micro> round_trip =
        Clock::now() - request_sent_;
    result_.round_trips_us.push_back(round_trip.count());
    if (events_.on_progress) events_.on_progress(argument);
  }
}

std::string Vmm::HowFar() const {
  return absl::StrFormat(
      "%d of %d messages answered, %d doorbells rung, %d delivered",
      result_.answered, config_.messages, Rung(), Delivered());
}

uint64_t Vmm::RungByKernel() const {
  const EventCarriers* short_cuts = world_->short_cuts();
  return short_cuts == nullptr ? 0 : short_cuts->rung_by_kernel();
}

uint64_t Vmm::DeliveredByKernel() const {
  const EventCarriers* short_cuts = world_->short_cuts();
  return short_cuts == nullptr ? 0 : short_cuts->taken_by_kernel();
}

// Once, when the run is over.
void Vmm::CountByKernel() {
  result_.rung_by_kernel = RungByKernel();
  result_.doorbells_rung += result_.rung_by_kernel;
  result_.delivered_by_kernel = DeliveredByKernel();
  result_.doorbells_delivered += result_.delivered_by_kernel;
}

bool Vmm::RunRound() {
  const uint64_t happened_before = happened_;
  bool all_idle = true;
  for (const Side side : {kSideX86, kSideCortexM}) {
    if (Over(side)) continue;
    Machine& machine = world_->machine(side);
    const auto state = machine.Run(kSliceBlocks);
    if (!state.ok()) {
      Fail(absl::StrCat(machine.name(), ": ", state.status().message()));
      return true;
    }
    if (world_->report(side).failure.has_value()) return true;
    all_idle = all_idle && *state == Machine::State::kIdle;
    world_->Deliver();
  }
  if (Over(kSideX86) && Over(kSideCortexM)) return true;

  // Nothing runs and nothing is on its way: it would stay so for ever.
  const bool quiet = all_idle && happened_ == happened_before;
  if (Waits(quiet)) {
    Fail(absl::StrCat(Delivered() < Rung()
                          ? "a doorbell was lost, the guests wait for ever: "
                          : "the guests wait for ever: ",
                      HowFar()));
    return true;
  }
  if (!quiet && Stagnates()) {
    Fail(absl::StrCat("the guests run but do not get on: ", HowFar()));
    return true;
  }
  return false;
}

// Whether everybody has waited for long enough, of which `quiet` is the round
// that is over.
bool Vmm::Waits(bool quiet) {
  const absl::Time now = absl::Now();
  if (!quiet) waiting_since_ = now;
  return quiet && now - waiting_since_ >= patience_.waiting;
}

bool Vmm::Stagnates() {
  const absl::Time now = absl::Now();
  if (result_.answered != std::exchange(answered_before_, result_.answered)) {
    quiet_rounds_ = 0;
    quiet_since_ = now;
    return false;
  }
  return ++quiet_rounds_ > patience_.rounds &&
         now - quiet_since_ >= patience_.time;
}

void Vmm::CheckGuests() {
  for (const Side side : {kSideX86, kSideCortexM}) {
    if (const auto failure = world_->report(side).failure) {
      Fail(absl::StrCat(world_->machine(side).name(), ": ",
                        DescribeFailure(*failure)));
    }
  }
}

// What one guest counted against what the other one and the VMM did.
void Vmm::CheckCounts() {
  const GuestReport& x86 = world_->report(kSideX86);
  const GuestReport& cortex_m = world_->report(kSideCortexM);
  const struct {
    const char* what;
    uint64_t got, expected;
  } checks[] = {
      {"messages answered", result_.answered, config_.messages},
      {"messages that x86 sent", x86.messages_sent, config_.messages + 1ull},
      {"messages that cortex-m checked", cortex_m.messages_checked,
       x86.messages_sent},
      {"messages that cortex-m sent", cortex_m.messages_sent, config_.messages},
      {"messages that x86 checked", x86.messages_checked,
       cortex_m.messages_sent},
      {"bytes that cortex-m checked", cortex_m.bytes_checked, x86.bytes_sent},
      {"bytes that x86 checked", x86.bytes_checked, cortex_m.bytes_sent},
      {"doorbells that the guests rang", x86.doorbells + cortex_m.doorbells,
       result_.doorbells_rung},
      {"doorbells delivered", result_.doorbells_delivered,
       result_.doorbells_rung},
      {"interrupts that the guests took",
       x86.interrupts_taken + cortex_m.interrupts_taken,
       result_.doorbells_delivered},
  };
  for (const auto& check : checks) {
    if (check.got != check.expected) {
      Fail(absl::StrFormat("%s: expected %d, got %d", check.what,
                           check.expected, check.got));
    }
  }
}

absl::StatusOr<VmmResult> Vmm::Run() {
  if (config_.messages < 1 || config_.messages > kMaxMessages) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "messages: expected 1 to %d, got %d", kMaxMessages, config_.messages));
  }
  auto world = World::Create(
      {.messages = config_.messages,
       .devices = config_.devices,
       .x86_image = config_.x86_image.empty() ? X86Image() : config_.x86_image,
       .cortex_m_image = config_.cortex_m_image.empty()
                             ? CortexMImage()
                             : config_.cortex_m_image,
       .engine = config_.engine,
       .short_cuts = short_cuts_,
       .record = config_.record},
      observers_[kSideX86], observers_[kSideCortexM]);
  if (!world.ok()) return world.status();
  world_ = *std::move(world);

  quiet_since_ = waiting_since_ = absl::Now();
  const auto begin = Clock::now();
  while (!RunRound()) {
  }
  result_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  CountByKernel();
  CheckGuests();
  if (!result_.failure.has_value()) CheckCounts();
  std::sort(result_.round_trips_us.begin(), result_.round_trips_us.end());
  if (const script::Recorder* recorder = world_->recorder()) {
    result_.recorded = recorder->script();
    result_.not_recorded = recorder->dropped();
  }
  result_.x86 = world_->report(kSideX86);
  result_.cortex_m = world_->report(kSideCortexM);
  return std::move(result_);
}

}  // namespace

bool TakesShortCuts(const VmmConfig& config, const VmmEvents& events) {
  return config.engine == Engine::kKvm && config.inject == Inject::kNothing &&
         !events.on_trace && !config.record;
}

absl::StatusOr<VmmResult> RunTwoGuests(const VmmConfig& config,
                                       const VmmEvents& events) {
  return Vmm(config, events).Run();
}

double Percentile(absl::Span<const double> sorted, double percent) {
  if (sorted.empty()) return 0;
  const double rank =
      std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  const size_t index = static_cast<size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

}  // namespace ivshmem::two_guests
