// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_REQUEST_H_
#define IVSHMEM_BACKENDS_IOREQ_REQUEST_H_

#include <cstdint>

namespace ivshmem::ioreq {

// Which of a machine's address spaces an access is for.
enum class Space : uint8_t {
  kMemory,
  kPorts,
  // The config spaces of all functions, laid out as in an ECAM window:
  // pci::EcamOffset(bus, device, function) + register.
  kPciConfig,
};

// A guest's access that its hypervisor did not answer, copied out of the shared
// page once: what the page holds after that changes nothing any more. Nothing
// in it has been checked; whoever wrote the page may be broken or hostile.
struct Request {
  enum class Kind : uint8_t { kMemory, kPorts, kPciConfig, kUnknown };
  enum class Direction : uint8_t { kRead, kWrite, kUnknown };

  Kind kind = Kind::kUnknown;
  Direction direction = Direction::kUnknown;
  uint64_t address = 0;
  // In bytes: 1, 2, 4 or 8, unless something is wrong.
  uint64_t size = 0;
  // What a write writes, in its low bytes.
  uint64_t value = 0;

  // String instructions, which only Xen hands on whole. `count` items; memory
  // addresses step from one to the next, by `size`, downwards if `backwards`; a
  // port stays the same.
  uint32_t count = 1;
  bool backwards = false;
  // `value` is the guest-physical address of the items, which steps as well.
  bool value_is_address = false;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_REQUEST_H_
