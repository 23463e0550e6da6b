// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How fast `ivshmem server` tells clients that join at once about each other,
// beside what the kernel allows to who sends one descriptor at a time. Both are
// measured in turn, round after round. docs/performance.md says how to read
// the figures.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "bench/measured.h"
#include "bench/socketpair.h"
#include "bench/storm.h"

namespace ivshmem::bench {
namespace {

// What the rounds of one shape gave.
struct Series {
  Shape shape;
  std::vector<double> storm;     // Messages a second, ...
  std::vector<double> baseline;  // ... of each round,
  std::vector<double> ratio;     // and theirs.
  absl::Status failure;
};

std::optional<Shape> ParseShape(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, 'x');
  Shape shape;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shape.clients) ||
      !absl::SimpleAtoi(parts[1], &shape.vectors) || shape.clients < 1 ||
      shape.vectors < 1) {
    return std::nullopt;
  }
  return shape;
}

std::string Name(const Shape& shape) {
  return absl::StrCat(shape.clients, "x", shape.vectors);
}

double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::sort(values.begin(), values.end());
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// One round. Which of the two is first changes with each, so that neither has
// the better half of a machine that gets busier.
absl::Status MeasureRound(Series& series, benchmark::State& state) {
  const bool storm_first = series.ratio.size() % 2 == 0;
  absl::StatusOr<Measured> storm = Measured{};
  if (storm_first) storm = MeasureStorm(series.shape);
  const absl::StatusOr<Measured> baseline = MeasureSocketpair(series.shape);
  if (!storm_first) storm = MeasureStorm(series.shape);
  if (!storm.ok()) return storm.status();
  if (!baseline.ok()) return baseline.status();
  series.storm.push_back(storm->rate());
  series.baseline.push_back(baseline->rate());
  series.ratio.push_back(storm->rate() / baseline->rate());
  state.SetIterationTime(absl::ToDoubleSeconds(storm->time));
  state.counters["storm_msg/s"] = storm->rate();
  state.counters["baseline_msg/s"] = baseline->rate();
  state.counters["ratio"] = series.ratio.back();
  state.counters["server_ns"] = storm->PerMessage(storm->sender_cpu);
  state.counters["clients_ns"] = storm->PerMessage(storm->reader_cpu);
  state.counters["sender_ns"] = baseline->PerMessage(baseline->sender_cpu);
  state.counters["reader_ns"] = baseline->PerMessage(baseline->reader_cpu);
  return absl::OkStatus();
}

void Run(benchmark::State& state, Series& series) {
  for (auto _ : state) {
    const absl::Status status = MeasureRound(series, state);
    if (!status.ok()) {
      series.failure = status;
      state.SkipWithError(status.ToString().c_str());
      return;
    }
  }
}

// The closing line.
std::string Summary(const Series& series) {
  if (!series.failure.ok()) {
    return absl::StrFormat("connect_storm %s: FAILED: %s", Name(series.shape),
                           series.failure.ToString());
  }
  return absl::StrFormat(
      "connect_storm %s: ratio %.2f (median of %d; storm %.0fk msg/s, baseline "
      "%.0fk msg/s)",
      Name(series.shape), Median(series.ratio), series.ratio.size(),
      Median(series.storm) / 1000, Median(series.baseline) / 1000);
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);  // Takes its own flags.
  CLI::App app(
      "Measures `ivshmem server` while clients join it all at once. Flags of "
      "Google Benchmark (--benchmark_...) are understood too.",
      "connect_storm");
  int rounds = 15;
  std::vector<std::string> shapes = {"1000x1", "100x64"};
  app.add_option("--rounds", rounds, "Times that each is measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--shape", shapes, "Clients and vectors; may be repeated")
      ->type_name("CLIENTSxVECTORS")
      ->check([](const std::string& text) -> std::string {
        if (ParseShape(text).has_value()) return "";
        return absl::StrCat("expected CLIENTSxVECTORS, got '", text, "'");
      })
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  RaiseDescriptorLimit();
  std::deque<Series> all;
  for (const std::string& text : shapes) {
    Series& series = all.emplace_back();
    series.shape = *ParseShape(text);
    benchmark::RegisterBenchmark(
        absl::StrCat("connect_storm/", text).c_str(),
        [&series](benchmark::State& state) { Run(state, series); })
        ->Iterations(1)
        ->Repetitions(rounds)
        ->DisplayAggregatesOnly()
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RunSpecifiedBenchmarks();

  bool failed = false;
  for (const Series& series : all) {
    failed = failed || !series.failure.ok();
    // A filter may have left it out.
    if (series.failure.ok() && series.ratio.empty()) continue;
    std::cout << Summary(series) << '\n';
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace ivshmem::bench

// What the libraries below may throw is the end of it, and rightly so.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
