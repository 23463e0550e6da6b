// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// For a program that is linked with program.c and the static library: it has
// names that the library has inside, too. They are other things here, and calls
// of neither reach the other.

#include <cstdlib>

namespace ivshmem {

class PciDevice {
 public:
  static void Create();
  virtual ~PciDevice();
};

void PciDevice::Create() { std::abort(); }
PciDevice::~PciDevice() { std::abort(); }

// Of the library's these are constants, unique in a process.
extern const char kRevision1[4096] = "not a dialect";
extern const int kMaxVectors = -1;

}  // namespace ivshmem
