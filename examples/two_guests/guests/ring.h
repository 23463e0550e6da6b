// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How the two guests share the memory. Both guests (C) and the VMM's tests and
// fault injection (C++) read this file.
//
// The shared memory begins with a struct SharedLayout; the rest is unused:
//
//   mailbox[2]  who is there: each guest writes its own
//   ring[2]     ring[w] carries the bytes that guest w writes
//
// A ring is written by one guest and read by the other. Its indices count
// the bytes ever written and ever read, wrap at 2^32, and sit on cache lines of
// their own, so that neither side's writes disturb the other's. Data are whole
// 32-bit words, little endian.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_RING_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_RING_H_

#include <stdint.h>  // NOLINT(modernize-deprecated-headers): C as well.

enum {
  kRingBytes = 8192,  // A power of two.
  kCacheLineWords = 16,
};

// Which guest. Not its id on the device, which the device decides.
enum Side { kSideX86 = 0, kSideCortexM = 1, kSides = 2 };

#define MAILBOX_READY 0x1D1EB0A7u

struct Mailbox {
  uint32_t ready;  // MAILBOX_READY once the other field is valid.
  uint32_t id;     // The guest's IVPosition: whom to ring.
  uint32_t unused[kCacheLineWords - 2];
};

struct Ring {
  uint32_t written;  // Bytes ever written. The writer's.
  uint32_t unused_1[kCacheLineWords - 1];
  uint32_t read;  // Bytes ever read. The reader's.
  uint32_t unused_2[kCacheLineWords - 1];
  uint32_t data[kRingBytes / 4];
};

struct SharedLayout {
  struct Mailbox mailbox[kSides];
  struct Ring ring[kSides];
};

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_RING_H_
