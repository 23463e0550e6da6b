// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_OPEN_FDS_H_
#define IVSHMEM_BACKENDS_LINUX_OPEN_FDS_H_

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

#include "absl/base/config.h"
#include "gtest/gtest.h"

#ifdef ABSL_HAVE_THREAD_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace ivshmem {

#ifdef ABSL_HAVE_THREAD_SANITIZER
// TSan opens pipes to a program that reads symbols, whenever it first needs it:
// it is asked to do so now.
inline void OpenSanitizersFds() {
  char symbol[64];
  __sanitizer_symbolize_pc(reinterpret_cast<void*>(&OpenSanitizersFds), "%f",
                           symbol, sizeof(symbol));
}
#else
inline void OpenSanitizersFds() {}
#endif

// This process's open descriptors and what /proc calls the file behind each, as
// "anon_inode:[eventfd]" or "socket:[1234]". For tests: compare before and
// after to see that nothing leaks.
inline std::map<int, std::string> OpenFds() {
  OpenSanitizersFds();
  std::map<int, std::string> fds;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) {
    ADD_FAILURE() << "cannot read /proc/self/fd";
    return fds;
  }
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = std::atoi(entry->d_name);
    if (fd == dirfd(directory)) continue;
    char target[4096];
    const ssize_t length =
        readlinkat(dirfd(directory), entry->d_name, target, sizeof(target));
    fds[fd] = std::string(target, length < 0 ? 0 : length);
  }
  closedir(directory);
  return fds;
}

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_OPEN_FDS_H_
