// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What a request through a hypervisor's page costs, beside two threads that
// hand a cache line to and fro. All are measured in turn, round after round,
// with a second copy of the two threads for the noise; then beside two threads
// that do the page's protocol by hand. docs/performance.md says
// how to read the figures.

#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <deque>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/ioreq/acrn_page.h"
#include "bench/ioreq/contender.h"
#include "bench/ioreq/ping_pong.h"
#include "bench/ioreq/xen_page.h"
#include "bench/kvm/cpus.h"
#include "bench/kvm/ratio.h"

namespace ivshmem::bench {
namespace {

constexpr double kTarget = 1.3;
// New contenders after so many rounds, so that no pair's luck with memory
// and caches decides. Each order of the three is as frequent then.
constexpr int kRoundsOfAContest = 12;

using Make = std::unique_ptr<Contender> (*)(Wait wait, Answerer answerer);

enum class Bare : uint8_t {
  kPingPong,  // Two threads and a cache line.
  kPage,      // Two threads and the same page, by hand.
};

struct Figure {
  const char* name;
  Bare bare;
  Wait wait;
  Make make;
  uint32_t slice;  // Some milliseconds of them.
};

constexpr std::array<Figure, 6> kFigures = {{
    {"acrn_poll", Bare::kPingPong, Wait::kPoll, MakeAcrnPage, 20000},
    {"xen_poll", Bare::kPingPong, Wait::kPoll, MakeXenPage, 20000},
    {"acrn_poll_page", Bare::kPage, Wait::kPoll, MakeAcrnPage, 20000},
    {"xen_poll_page", Bare::kPage, Wait::kPoll, MakeXenPage, 20000},
    {"acrn_block", Bare::kPingPong, Wait::kBlock, MakeAcrnPage, 500},
    {"xen_block", Bare::kPingPong, Wait::kBlock, MakeXenPage, 500},
}};

std::unique_ptr<Contender> MakeBare(const Figure& figure) {
  if (figure.bare == Bare::kPage) {
    return figure.make(figure.wait, Answerer::kByHand);
  }
  return std::make_unique<PingPong>(figure.wait);
}

constexpr std::array<std::array<int, 3>, 6> kOrders = {{
    {0, 1, 2},
    {1, 2, 0},
    {2, 0, 1},
    {0, 2, 1},
    {2, 1, 0},
    {1, 0, 2},
}};

class Series {
 public:
  Series(const Figure& figure, const Cpus& cpus)
      : figure_(figure), cpus_(cpus) {}

  absl::Status MeasureRound(benchmark::State& state) {
    if (ratio_.rounds() % kRoundsOfAContest == 0) {
      contenders_[0] = MakeBare(figure_);
      contenders_[1] = figure_.make(figure_.wait, Answerer::kLibrary);
      contenders_[2] = MakeBare(figure_);
    }
    std::array<double, 3> took = {};
    for (const int which : kOrders[ratio_.rounds() % kOrders.size()]) {
      const absl::StatusOr<absl::Duration> time =
          contenders_[which]->Run(cpus_, figure_.slice);
      if (!time.ok()) return time.status();
      took[which] = absl::ToDoubleNanoseconds(*time) / figure_.slice;
    }
    ratio_.Add({.bare = took[0], .device = took[1], .bare_again = took[2]});
    state.SetIterationTime(took[1] * 1e-9);
    state.counters["ratio"] = took[1] / took[0];
    state.counters["requests/s"] = 1e9 / took[1];
    return absl::OkStatus();
  }

  std::string name() const { return figure_.name; }
  bool empty() const { return ratio_.rounds() == 0; }
  std::string Summary() const {
    return ratio_.Summary(absl::StrCat("ioreq ", figure_.name), kTarget);
  }

  absl::Status failure;

 private:
  const Figure& figure_;
  const Cpus cpus_;
  // Bare, page, bare again.
  std::array<std::unique_ptr<Contender>, 3> contenders_;
  Ratio ratio_;
};

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);  // Takes its own flags.
  CLI::App app(
      "Measures requests through ACRN's and Xen's pages. Flags of Google "
      "Benchmark (--benchmark_...) are understood too.",
      "ioreq");
  int rounds = 240;
  app.add_option("--rounds", rounds, "Times that each is measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const Cpus cpus = ChooseCpus();
  std::deque<Series> all;
  for (const Figure& figure : kFigures) {
    Series& series = all.emplace_back(figure, cpus);
    benchmark::RegisterBenchmark(
        absl::StrCat("ioreq/", figure.name).c_str(),
        [&series](benchmark::State& state) {
          for (auto _ : state) {
            series.failure = series.MeasureRound(state);
            if (series.failure.ok()) continue;
            state.SkipWithError(series.failure.ToString().c_str());
            return;
          }
        })
        ->Iterations(1)
        ->Repetitions(rounds)
        ->DisplayAggregatesOnly()
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RunSpecifiedBenchmarks();

  bool good = true;
  for (const Series& series : all) {
    good = good && series.failure.ok();
    if (!series.failure.ok()) {
      std::cout << "ioreq " << series.name() << ": FAILED: " << series.failure
                << '\n';
    } else if (!series.empty()) {  // A filter may have left it out.
      std::cout << series.Summary() << '\n';
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace ivshmem::bench

// What the libraries below may throw is the end of it, and rightly so.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
