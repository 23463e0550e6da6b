// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A VMM that uses the C interface with any arguments, in any order, and again
// from inside of callbacks: structs of all sizes, null for everything, numbers
// past all ends, states that were cut and changed, descriptors of all kinds,
// and a server that says anything. Only handles that are gone are not used. An
// error has an errno and a text, and leaves what should receive a handle alone;
// the host gets all back; no descriptor is lost.

#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>

#include "fuzz/c_server.h"
#include "fuzz/c_world.h"
#include "fuzz/open_count.h"
#include "fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool listens = [] {
    ivshmem::CServer::Listen();
    return true;
  }();
  static_cast<void>(listens);
  const int open = ivshmem::OpenCount();
  {
    FuzzedDataProvider input(data, size);
    ivshmem::CWorld(input).Play();
  }
  ivshmem::Require(ivshmem::OpenCount() == open, "no descriptor is lost");
  return 0;
}
