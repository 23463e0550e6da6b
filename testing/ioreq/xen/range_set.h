// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_RANGE_SET_H_
#define IVSHMEM_TESTING_IOREQ_XEN_RANGE_SET_H_

#include <cerrno>
#include <cstdint>
#include <iterator>
#include <map>

namespace ivshmem::xen_simulation {

// The ranges of one type that a server has claimed, inclusive at both ends. As
// in Xen, ranges that touch are one, and there are at most 256. Threading:
// none.
class RangeSet {
 public:
  static constexpr size_t kMost = 256;

  int Add(uint64_t first, uint64_t last) {
    if (first > last) return -EINVAL;
    if (Overlaps(first, last)) return -EEXIST;
    auto next = ranges_.upper_bound(last);
    if (next != ranges_.end() && next->first == last + 1) {
      last = next->second;
      next = ranges_.erase(next);
    }
    if (next != ranges_.begin() && std::prev(next)->second == first - 1) {
      std::prev(next)->second = last;
      return 0;
    }
    if (ranges_.size() == kMost) return -ENOMEM;
    ranges_.emplace(first, last);
    return 0;
  }

  int Remove(uint64_t first, uint64_t last) {
    if (first > last) return -EINVAL;
    if (!Contains(first, last)) return -ENOENT;
    const auto range = std::prev(ranges_.upper_bound(first));
    const auto [begin, end] = *range;
    if (begin < first && end > last && ranges_.size() == kMost) return -ENOMEM;
    ranges_.erase(range);
    if (begin < first) ranges_.emplace(begin, first - 1);
    if (end > last) ranges_.emplace(last + 1, end);
    return 0;
  }

  bool Contains(uint64_t first, uint64_t last) const {
    const auto next = ranges_.upper_bound(first);
    return next != ranges_.begin() && std::prev(next)->second >= last;
  }

 private:
  bool Overlaps(uint64_t first, uint64_t last) const {
    const auto next = ranges_.upper_bound(last);
    return next != ranges_.begin() && std::prev(next)->second >= first;
  }

  std::map<uint64_t, uint64_t> ranges_;
};

}  // namespace ivshmem::xen_simulation

#endif  // IVSHMEM_TESTING_IOREQ_XEN_RANGE_SET_H_
