// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_DESCRIPTOR_LIMIT_H_
#define IVSHMEM_BACKENDS_LINUX_DESCRIPTOR_LIMIT_H_

#include <fcntl.h>
#include <sys/resource.h>

#include <vector>

#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gtest/gtest.h"

namespace ivshmem {

// While it lives, this process may open `room` more descriptors and no more:
// for tests of what happens then.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int room) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int highest = OpenFds().rbegin()->first;
    rlimit limit = before_;
    limit.rlim_cur = highest + 1 + room;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    do {
      fill_.emplace_back(fcntl(highest, F_DUPFD_CLOEXEC, 0));
    } while (fill_.back().valid());
    fill_.resize(fill_.size() - 1 - room);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_;
  std::vector<UniqueFd> fill_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_DESCRIPTOR_LIMIT_H_
