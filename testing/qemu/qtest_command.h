// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_QTEST_COMMAND_H_
#define IVSHMEM_TESTING_QEMU_QTEST_COMMAND_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"

// Lines of QEMU's qtest protocol, to be given to Qtest::Run(). `size` is in
// bytes; a number has the machine's byte order (little-endian on a PC).
namespace ivshmem::qemu::command {

// Ports; `size` is 1, 2 or 4.
std::string In(int size, uint16_t port);
std::string Out(int size, uint16_t port, uint32_t value);

// One access to guest-physical memory; `size` is 1, 2, 4 or 8.
std::string Read(int size, uint64_t address);
std::string Write(int size, uint64_t address, uint64_t value);

// A block of 1 byte or more of memory or RAM-like device memory. What Read
// answers is for Qtest::ReadBlock().
std::string ReadBlock(uint64_t address, uint64_t size);
std::string WriteBlock(uint64_t address, absl::Span<const uint8_t> bytes);
std::string Fill(uint64_t address, uint64_t size, uint8_t value);

}  // namespace ivshmem::qemu::command

#endif  // IVSHMEM_TESTING_QEMU_QTEST_COMMAND_H_
