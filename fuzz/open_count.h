// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_OPEN_COUNT_H_
#define IVSHMEM_FUZZ_OPEN_COUNT_H_

#include <dirent.h>

namespace ivshmem {

// How many descriptors this process has, and some that are always the same: to
// compare with a later call.
inline int OpenCount() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_OPEN_COUNT_H_
