// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_RATIO_H_
#define IVSHMEM_BENCH_KVM_RATIO_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ivshmem::bench {

// Of not no values; of an even number of them the mean of the two in the
// middle.
double Median(std::vector<double> values);

// What an operation took in one round, in any unit.
struct Round {
  double bare = 0;        // The hand-written program, ...
  double device = 0;      // ... this project's, ...
  double bare_again = 0;  // ... and another copy of the hand-written one.
};

// Rounds of one figure, and what they come to.
class Ratio {
 public:
  void Add(const Round& round) { rounds_.push_back(round); }
  int rounds() const { return static_cast<int>(rounds_.size()); }

  // The median over the rounds of device / bare.
  double ratio() const;
  // The same of bare_again / bare: what two copies of one program differ by.
  double control() const;
  // What a ratio may be above its target: how far control() is from 1.
  double allowance() const;

  bool Meets(double target) const { return ratio() <= target + allowance(); }

  // One line, rounds taken in nanoseconds.
  std::string Summary(absl::string_view name, double target) const;

 private:
  template <typename Value>
  double MedianOf(Value value) const;

  std::vector<Round> rounds_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_RATIO_H_
