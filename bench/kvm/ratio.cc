// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/ratio.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace ivshmem::bench {

double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::sort(values.begin(), values.end());
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

template <typename Value>
double Ratio::MedianOf(Value value) const {
  std::vector<double> values;
  for (const Round& round : rounds_) values.push_back(value(round));
  return Median(std::move(values));
}

double Ratio::ratio() const {
  return MedianOf([](const Round& round) { return round.device / round.bare; });
}

double Ratio::control() const {
  return MedianOf(
      [](const Round& round) { return round.bare_again / round.bare; });
}

double Ratio::allowance() const { return std::abs(control() - 1); }

std::string Ratio::Summary(absl::string_view name, double target) const {
  const double bare = MedianOf([](const Round& round) { return round.bare; });
  const double device =
      MedianOf([](const Round& round) { return round.device; });
  return absl::StrFormat(
      "%s: ratio %.3f, noise %.3f, target %.2f: %s (median of %d; %.2f us, "
      "baseline %.2f us)",
      name, ratio(), allowance(), target, Meets(target) ? "met" : "MISSED",
      rounds(), device / 1000, bare / 1000);
}

}  // namespace ivshmem::bench
