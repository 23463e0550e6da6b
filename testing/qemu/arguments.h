// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_ARGUMENTS_H_
#define IVSHMEM_TESTING_QEMU_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

// QEMU's devices of our kind, as arguments of its command line. Several may be
// put one after the other, each with an id and a slot of its own.
namespace ivshmem::qemu {

// ivshmem-plain: shared memory and no interrupts.
struct PlainDevice {
  std::string id = "ivshmem";
  int slot = 4;
  int memory_fd = -1;  // Inherited (Qemu::Options).
  uint64_t memory_size = 0;
};

// ivshmem-doorbell: a client of a server.
struct DoorbellDevice {
  std::string id = "ivshmem";
  int slot = 4;
  // One of these: where the server listens, or an inherited socket that is
  // connected to it.
  std::string socket_path;
  int socket_fd = -1;
  int vectors = 1;
  // Whether QEMU's memory core turns a doorbell write into an event by itself,
  // before the device sees it.
  bool ioeventfd = true;
};

std::vector<std::string> Arguments(const PlainDevice& device);
std::vector<std::string> Arguments(const DoorbellDevice& device);

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_ARGUMENTS_H_
