// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_KVM_REQUIRE_KVM_H_
#define IVSHMEM_TESTING_KVM_REQUIRE_KVM_H_

#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace ivshmem {

inline bool KvmAvailable() {
  const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

}  // namespace ivshmem

// At the head of each test that needs KVM, or of its fixture's SetUp(): skips
// it where there is no /dev/kvm. What became of the test stays with its result
// as a property, by which tools/test_summary.py counts.
#define IVSHMEM_SKIP_WITHOUT_KVM()                                             \
  do {                                                                         \
    const bool kvm_available = ::ivshmem::KvmAvailable();                      \
    ::testing::Test::RecordProperty("kvm", kvm_available ? "ran" : "skipped"); \
    if (!kvm_available) {                                                      \
      GTEST_SKIP() << "there is no /dev/kvm that may be opened";               \
    }                                                                          \
  } while (false)

#endif  // IVSHMEM_TESTING_KVM_REQUIRE_KVM_H_
