// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the device costs where nothing is around it: no guest, no hypervisor.
// The unit of most figures is a bare write() to an eventfd. docs/performance.md
// says how to read the table.

#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/device/bare_write.h"
#include "bench/device/device_under_test.h"
#include "bench/device/footprint.h"
#include "bench/device/hooks.h"
#include "bench/device/lanes.h"
#include "bench/device/lifecycle.h"
#include "bench/device/lookup.h"
#include "bench/device/operation.h"
#include "bench/device/series.h"

namespace ivshmem::bench {
namespace {

constexpr uint32_t kWrites = 4000;  // Some milliseconds, as the next ones.
constexpr uint32_t kShort = 50000;  // Of what takes some 10 ns.
constexpr double kScale = 1.9;

// An operation of a device, which lives as long.
class OfDevice : public Operation {
 public:
  using Pick = std::unique_ptr<Operation> (DeviceUnderTest::*)();
  OfDevice(std::unique_ptr<DeviceUnderTest> device, Pick pick)
      : device_(std::move(device)), operation_((*device_.*pick)()) {}
  void Run(int lane, uint32_t count) override { operation_->Run(lane, count); }

 private:
  const std::unique_ptr<DeviceUnderTest> device_;
  const std::unique_ptr<Operation> operation_;
};

// The four ways in and out, through one of the library's interfaces.
void AddPaths(const std::string& prefix, const std::string& interface,
              std::unique_ptr<DeviceUnderTest> (*make)(),
              std::vector<Figure>& figures) {
  struct Path {
    const char* name;
    const char* text;
    OfDevice::Pick pick;
    uint32_t slice;
    double most;
  };
  for (const Path& path : {
           Path{"doorbell", "BAR0 write to eventfd signalled",
                &DeviceUnderTest::Doorbell, kWrites, 1.05},
           Path{"refused", "doorbell of an absent peer",
                &DeviceUnderTest::RefusedDoorbell, kShort, 0.05},
           Path{"register", "read of IVPosition",
                &DeviceUnderTest::RegisterRead, kShort, 0.03},
           Path{"interrupt", "a peer's, up to the MSI sink",
                &DeviceUnderTest::Interrupt, kShort, 0.06},
       }) {
    figures.push_back({.name = absl::StrCat(prefix, path.name),
                       .text = absl::StrCat(path.text, interface),
                       .measured =
                           [make, pick = path.pick] {
                             return std::make_unique<OfDevice>(make(), pick);
                           },
                       .unit = MakeBareWrite,
                       .measured_slice = path.slice,
                       .unit_slice = kWrites,
                       .most = path.most,
                       .least_scale = kScale});
  }
}

std::vector<Figure> Figures() {
  std::vector<Figure> figures;
  figures.push_back({.name = "machine",
                     .text = "arithmetic in registers",
                     .measured = MakeArithmetic,
                     .unit = MakeBareWrite,
                     .measured_slice = kShort / 2,
                     .unit_slice = kWrites,
                     .least_scale = 0});
  figures.push_back({.name = "bare",
                     .text = "a bare write(), once more",
                     .measured = MakeBareWrite,
                     .unit = MakeBareWrite,
                     .measured_slice = kWrites,
                     .unit_slice = kWrites,
                     .least_scale = 0});
  AddPaths("", "", MakeCppDevice, figures);
  AddPaths("c/", ", by the C interface", MakeCDevice, figures);
  for (const int peers : kPeerCounts) {
    figures.push_back(
        {.name = absl::StrCat("lookup/", peers),
         .text = absl::StrCat("the last of ", peers, " peers; unit: of 1"),
         .measured = [peers] { return MakeLookup(peers); },
         .unit = [] { return MakeLookup(1); },
         .measured_slice = kShort,
         .unit_slice = kShort,
         .most = 1.1});
  }
  for (const int peers : kPeerCounts) {
    figures.push_back(
        {.name = absl::StrCat("scattered/", peers),
         .text = absl::StrCat("each of ", peers,
                              " peers, out of order; unit: of 1"),
         .measured = [peers] { return MakeScatteredLookup(peers); },
         .unit = [] { return MakeScatteredLookup(1); },
         .measured_slice = kShort,
         .unit_slice = kShort});
  }
  figures.push_back({.name = "hooks/doorbell",
                     .text = "counters, hooks for events and limits; unit: "
                             "without",
                     .measured = MakeRingWithHooks,
                     .unit = MakeRingWithoutHooks,
                     .measured_slice = kWrites,
                     .unit_slice = kWrites,
                     .most = 1.0});
  figures.push_back({.name = "hooks/interrupt",
                     .text = "the same of an interrupt",
                     .measured = MakeInterruptWithHooks,
                     .unit = MakeInterruptWithoutHooks,
                     .measured_slice = kShort,
                     .unit_slice = kShort,
                     .most = 1.0});
  const auto add_rare = [&figures](const std::string& name,
                                   const std::string& text, uint32_t slice,
                                   auto make) {
    figures.push_back({.name = name,
                       .text = text,
                       .measured = make,
                       .unit = MakeBareWrite,
                       .measured_slice = slice,
                       .unit_slice = kWrites});
  };
  add_rare("create/1", "created, ready to interrupt, and gone; 1 vector", 100,
           [] { return MakeCreateToReady(1); });
  add_rare("create/2048", "the same of 2,048", 2,
           [] { return MakeCreateToReady(2048); });
  add_rare("save/1", "saved, gone, restored; 1 vector", 50,
           [] { return MakeSaveAndRestore(1); });
  add_rare("save/2048", "the same of 2,048", 2,
           [] { return MakeSaveAndRestore(2048); });
  add_rare("c/save/2048", "the same as bytes, by the C interface", 2,
           MakeCSaveAndRestore);
  add_rare("bar_move", "config write that moves BAR0", 500, MakeBarMove);
  return figures;
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);  // Takes its own flags.
  CLI::App app(
      "Measures the device alone. Flags of Google Benchmark (--benchmark_...) "
      "are understood too.",
      "device");
  int rounds = 60;
  app.add_option("--rounds", rounds, "Times that each is measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  // Before anything else has used the heap.
  const std::vector<Footprint> footprints = MeasureFootprints();

  Lanes lanes;
  std::deque<Series> all;
  for (const Figure& figure : Figures()) {
    Series& series = all.emplace_back(figure);
    benchmark::RegisterBenchmark(
        absl::StrCat("device/", figure.name).c_str(),
        [&series, &lanes](benchmark::State& state) {
          for (auto _ : state) {
            const Series::Round& round = series.MeasureRound(lanes);
            state.SetIterationTime(round.measured * 1e-9);
            state.counters["ratio"] = round.measured / round.unit;
          }
        })
        ->Iterations(1)
        ->Repetitions(rounds)
        ->DisplayAggregatesOnly()
        ->UseManualTime()
        ->Unit(benchmark::kNanosecond);
  }
  benchmark::RunSpecifiedBenchmarks();

  std::cout << "\n| Figure | | ns | Unit, ns | Ratio | Noise | At most | Two "
               "threads |\n|---|---|---|---|---|---|---|---|\n";
  for (const Series& series : all) {
    if (!series.empty()) std::cout << series.Row() << '\n';
  }
  std::cout << "\n| Memory | Bytes |\n|---|---|\n";
  for (const Footprint& footprint : footprints) {
    std::cout << absl::StrFormat("| %s | %.0f |\n", footprint.what,
                                 footprint.bytes);
  }
  return 0;
}

}  // namespace
}  // namespace ivshmem::bench

// What the libraries below may throw is the end of it, and rightly so.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return ivshmem::bench::Main(argc, argv); }
