// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the device costs on KVM, beside the least program that does the same.
// Both are measured in turn, round after round, with a second copy of the least
// program for the noise. docs/performance.md says how to read the figures.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <array>
#include <deque>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bench/kvm/bare_vm.h"
#include "bench/kvm/cpus.h"
#include "bench/kvm/device_vm.h"
#include "bench/kvm/figure.h"
#include "bench/kvm/guest/mailbox.h"
#include "bench/kvm/pauses.h"
#include "bench/kvm/ratio.h"

namespace ivshmem::bench {
namespace {

// New VMs after so many rounds, so that no pair's luck with memory and caches
// decides. Each order of the three is as frequent then.
constexpr int kRoundsOfAContest = 12;
// Who waits for interrupts is woken soon or late as the machine pleases: that
// takes more rounds to see through.
constexpr int kRoundTripsMore = 3;
constexpr int kManyVectors = 1000;
// Takes long, and no ratio is wanted of it: one visit for so many rounds.
constexpr int kVisitEvery = 4;

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// All rounds of one figure.
class FigureSeries {
 public:
  FigureSeries(const Figure& figure, const Cpus& cpus)
      : figure_(figure), cpus_(cpus) {}

  absl::Status MeasureRound(benchmark::State& state) {
    const uint32_t count = SliceOf(figure_);
    const int turn = ratio_.rounds();
    if (turn % kRoundsOfAContest == 0) {
      contest_.reset();
      auto contest = Contest::Create(figure_, cpus_);
      if (!contest.ok()) return contest.status();
      contest_ = *std::move(contest);
      // The first accesses set up page tables.
      const auto warm = contest_->RunRound(turn, count / 10);
      if (!warm.ok()) return warm.status();
    }
    const absl::StatusOr<Round> round = contest_->RunRound(turn, count);
    if (!round.ok()) return round.status();
    ratio_.Add(*round);
    state.SetLabel(figure_.text);
    state.SetIterationTime(round->device * 1e-9);
    state.counters["ratio"] = round->device / round->bare;
    state.counters["control"] = round->bare_again / round->bare;
    return absl::OkStatus();
  }

  std::string name() const { return figure_.name; }
  bool empty() const { return ratio_.rounds() == 0; }
  std::string Summary() const {
    return ratio_.Summary(absl::StrCat("kvm ", figure_.name), figure_.target);
  }

 private:
  const Figure& figure_;
  const Cpus cpus_;
  std::unique_ptr<Contest> contest_;
  Ratio ratio_;
};

// A peer with 1,000 vectors comes and goes.
class VisitSeries {
 public:
  explicit VisitSeries(const Cpus& cpus) : cpus_(cpus) {}

  absl::Status MeasureRound(benchmark::State& state) {
    if (bare_ == nullptr) {
      auto bare = BareVm::Create({}, cpus_.guest);
      if (!bare.ok()) return bare.status();
      bare_ = *std::move(bare);
      auto device = DeviceVm::Create({}, cpus_.guest);
      if (!device.ok()) return device.status();
      device_ = *std::move(device);
    }
    const bool bare_first = visits_[0].size() % 2 == 0;
    for (const bool bare : {bare_first, !bare_first}) {
      Contender& contender = bare ? static_cast<Contender&>(*bare_) : *device_;
      const auto visit = MeasureVisit(contender, kManyVectors);
      if (!visit.ok()) return visit.status();
      visits_[bare ? 1 : 0].push_back(*visit);
    }
    state.SetIterationTime(absl::ToDoubleSeconds(visits_[0].back().add.took));
    return absl::OkStatus();
  }

  std::string name() const { return "many_vectors"; }
  bool empty() const { return visits_[1].empty(); }
  std::string Summary() const {
    return absl::StrCat(
        bench::Summary("many_vectors", kManyVectors, visits_[0]), "\n",
        bench::Summary("many_vectors, hand-written", kManyVectors, visits_[1]));
  }

 private:
  const Cpus cpus_;
  std::unique_ptr<BareVm> bare_;
  std::unique_ptr<DeviceVm> device_;
  std::array<std::vector<Visit>, 2> visits_;  // The device's, the bare VM's.
};

// Rounds as repetitions of a benchmark, whose closing line is kept.
template <typename Series>
void Register(Series& series, int rounds, absl::Status& failure) {
  benchmark::RegisterBenchmark(
      absl::StrCat("kvm/", series.name()).c_str(),
      [&series, &failure](benchmark::State& state) {
        for (auto _ : state) {
          const absl::Status status = series.MeasureRound(state);
          if (status.ok()) continue;
          failure = status;
          state.SkipWithError(status.ToString().c_str());
          return;
        }
      })
      ->Iterations(1)
      ->Repetitions(rounds)
      ->DisplayAggregatesOnly()
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

// Says the closing line; whether it is a good one.
template <typename Series>
bool Tell(const Series& series, const absl::Status& failure) {
  if (!failure.ok()) {
    std::cout << "kvm " << series.name() << ": FAILED: " << failure << '\n';
    return false;
  }
  // A filter may have left it out.
  if (!series.empty()) std::cout << series.Summary() << '\n';
  return true;
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);  // Takes its own flags.
  CLI::App app(
      "Measures the device on /dev/kvm. Flags of Google Benchmark "
      "(--benchmark_...) are understood too.",
      "kvm");
  int rounds = 240;
  app.add_option(
         "--rounds", rounds,
         "Times that each is measured; round trips three times as often")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  RaiseDescriptorLimit();
  const Cpus cpus = ChooseCpus();
  PinThread(cpus.host);
  std::deque<FigureSeries> figures;
  VisitSeries visits(cpus);
  std::array<absl::Status, kFigures.size() + 1> failures;
  for (size_t i = 0; i < kFigures.size(); ++i) {
    const bool round_trip = kFigures[i].work.operation == kBenchAnswer;
    Register(figures.emplace_back(kFigures[i], cpus),
             round_trip ? rounds * kRoundTripsMore : rounds, failures[i]);
  }
  Register(visits, (rounds + kVisitEvery - 1) / kVisitEvery, failures.back());
  benchmark::RunSpecifiedBenchmarks();

  bool good = true;
  for (size_t i = 0; i < kFigures.size(); ++i) {
    good = Tell(figures[i], failures[i]) && good;
  }
  good = Tell(visits, failures.back()) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace ivshmem::bench

// What the libraries below may throw is the end of it, and rightly so.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
