// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LIVING_THREADS_H_
#define IVSHMEM_BACKENDS_LINUX_LIVING_THREADS_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace ivshmem {

// How many threads this process has, for tests: compare before and after. A
// thread that was joined may still be listed by /proc for a moment, as one that
// exits: it is not counted.
inline int LivingThreads() {
  constexpr unsigned long kExiting = 4;  // PF_EXITING of the kernel.
  int threads = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "stat");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    // Behind the name, which may have any characters, are six fields before
    // the flags.
    size_t at = text.rfind(')');
    if (at == std::string::npos) continue;  // It is gone.
    ++at;
    for (int field = 0; field < 6; ++field) at = text.find(' ', at + 1);
    if ((std::stoul(text.substr(at)) & kExiting) == 0) ++threads;
  }
  return threads;
}

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LIVING_THREADS_H_
