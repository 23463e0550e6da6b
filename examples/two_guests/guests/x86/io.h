// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_IO_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_IO_H_

#include <stdint.h>

static inline void Out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t In32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_IO_H_
