// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_SERIES_H_
#define IVSHMEM_BENCH_DEVICE_SERIES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/device/lanes.h"
#include "bench/device/operation.h"

namespace ivshmem::bench {

// What is measured beside what.
struct Figure {
  std::string name;
  std::string text;
  std::function<std::unique_ptr<Operation>()> measured;
  std::function<std::unique_ptr<Operation>()> unit;
  // How many are a slice of about a millisecond.
  uint32_t measured_slice = 0;
  uint32_t unit_slice = 0;
  // What a slice of `measured` may take, an operation, of one of `unit`.
  std::optional<double> most;
  // How many times as much two threads at once are to get done as one.
  std::optional<double> least_scale;
};

// All rounds of a figure. A round has a slice of the unit, one of what is
// measured and one of another copy of the unit, in all six orders in turn, and
// then one of what is measured by two threads.
class Series {
 public:
  explicit Series(const Figure& figure) : figure_(figure) {}

  struct Round {
    double unit = 0;  // Nanoseconds for an operation.
    double measured = 0;
    double unit_again = 0;
    double by_two = 0;  // Of each of two threads; 0 when not wanted.
  };

  const Round& MeasureRound(Lanes& lanes);

  const Figure& figure() const { return figure_; }
  bool empty() const { return rounds_.empty(); }
  // The median over the rounds of measured / unit.
  double ratio() const;
  // How far the two copies of the unit are apart.
  double noise() const;
  // How many times as much two threads get done as one.
  double scale() const;
  // Whether targets are met; a ratio may miss by its noise.
  bool MeetsRatio() const;
  bool MeetsScale() const;

  // A line of the table, of Markdown.
  std::string Row() const;

 private:
  template <typename Value>
  double MedianOf(Value value) const;
  void MakeAnew();

  const Figure figure_;
  std::unique_ptr<Operation> unit_;
  std::unique_ptr<Operation> measured_;
  std::unique_ptr<Operation> unit_again_;
  std::vector<Round> rounds_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_SERIES_H_
