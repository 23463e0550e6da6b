// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/series.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_format.h"
#include "bench/kvm/ratio.h"

namespace ivshmem::bench {
namespace {

// New objects after so many rounds, so that no one's luck with memory decides.
// Each order of the three is as frequent then.
constexpr size_t kRoundsOfAMaking = 12;

}  // namespace

void Series::MakeAnew() {
  unit_ = figure_.unit();
  measured_ = figure_.measured();
  unit_again_ = figure_.unit();
}

const Series::Round& Series::MeasureRound(Lanes& lanes) {
  const size_t turn = rounds_.size();
  if (turn % kRoundsOfAMaking == 0) MakeAnew();
  Round round;
  struct Slice {
    Operation& operation;
    uint32_t count;
    double& result;
  };
  const std::array<Slice, 3> slices = {{
      {*unit_, figure_.unit_slice, round.unit},
      {*measured_, figure_.measured_slice, round.measured},
      {*unit_again_, figure_.unit_slice, round.unit_again},
  }};
  std::array<int, 3> order = {0, 1, 2};
  for (size_t i = 0; i < turn % 6; ++i) {
    std::next_permutation(order.begin(), order.end());
  }
  for (const int which : order) {
    const Slice& slice = slices[which];
    lanes.Run(slice.operation, slice.count / 20 + 1);  // Caches, branches.
    slice.result = lanes.Run(slice.operation, slice.count) / slice.count;
  }
  if (figure_.least_scale.has_value()) {
    lanes.Run(*measured_, figure_.measured_slice / 20 + 1, kLanes);
    round.by_two = lanes.Run(*measured_, figure_.measured_slice, kLanes) /
                   figure_.measured_slice;
  }
  rounds_.push_back(round);
  return rounds_.back();
}

template <typename Value>
double Series::MedianOf(Value value) const {
  std::vector<double> values;
  values.reserve(rounds_.size());
  for (const Round& round : rounds_) values.push_back(value(round));
  return Median(std::move(values));
}

double Series::ratio() const {
  return MedianOf(
      [](const Round& round) { return round.measured / round.unit; });
}

double Series::noise() const {
  return std::abs(MedianOf([](const Round& round) {
                    return round.unit_again / round.unit;
                  }) -
                  1);
}

double Series::scale() const {
  return MedianOf([](const Round& round) {
    return kLanes * round.measured / round.by_two;
  });
}

bool Series::MeetsRatio() const {
  return !figure_.most.has_value() || ratio() <= *figure_.most * (1 + noise());
}

bool Series::MeetsScale() const {
  return !figure_.least_scale.has_value() || scale() >= *figure_.least_scale;
}

std::string Series::Row() const {
  const double unit = MedianOf([](const Round& round) { return round.unit; });
  const double measured =
      MedianOf([](const Round& round) { return round.measured; });
  std::string target = "";
  if (figure_.most.has_value()) {
    target = absl::StrFormat("%.2f: %s", *figure_.most,
                             MeetsRatio() ? "met" : "**missed**");
  }
  std::string scale_text = "";
  if (figure_.least_scale.has_value()) {
    scale_text = absl::StrFormat("%.2f", scale());
    if (*figure_.least_scale > 0) {
      scale_text += absl::StrFormat(" (%.1f: %s)", *figure_.least_scale,
                                    MeetsScale() ? "met" : "**missed**");
    }
  }
  return absl::StrFormat("| `%s` | %s | %.1f | %.1f | %.3f | %.3f | %s | %s |",
                         figure_.name, figure_.text, measured, unit, ratio(),
                         noise(), target, scale_text);
}

}  // namespace ivshmem::bench
