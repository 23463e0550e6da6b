// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/message.h"

enum { kHeaderWords = 4, kMaxPayloadWords = (kMaxPayloadBytes + 3) / 4 };

// Marsaglia's xorshift32. `x` is not 0.
static uint32_t NextRandom(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

// One step of FNV-1a, over a word instead of a byte.
static uint32_t Mix(uint32_t checksum, uint32_t word) {
  return (checksum ^ word) * 16777619u;
}

static uint32_t HeaderChecksum(const struct MessageHeader* header) {
  return Mix(Mix(Mix(2166136261u, header->sequence), header->length),
             header->echo);
}

static volatile uint32_t* Word(struct Ring* ring, uint32_t position) {
  return &ring->data[position % kRingBytes / 4];
}

static uint32_t PayloadWords(uint32_t bytes) { return (bytes + 3) / 4; }

uint32_t MessageEcho(uint32_t checksum) {
  return ((checksum << 7) | (checksum >> 25)) ^ 0xEC40EC40u;
}

enum MessageResult MessageSend(struct Ring* ring, enum Side side,
                               uint32_t sequence, uint32_t echo, int goodbye,
                               struct MessageHeader* sent) {
  uint32_t random = NextRandom(sequence * kSides + side + 1);
  random = NextRandom(random);
  sent->sequence = sequence;
  sent->length = goodbye ? 0 : 1 + random % kMaxPayloadBytes;
  sent->echo = echo;

  const uint32_t words = PayloadWords(sent->length);
  const uint32_t start = ring->written;
  const uint32_t used = start - __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE);
  const uint32_t bytes = (kHeaderWords + words) * 4;
  if (used > kRingBytes || kRingBytes - used < bytes) return kMessageRingFull;

  const uint32_t unused = words * 4 - sent->length;  // Bytes, of the last word.
  uint32_t checksum = HeaderChecksum(sent);
  uint32_t position = start + kHeaderWords * 4;
  for (uint32_t i = 0; i < words; ++i, position += 4) {
    random = NextRandom(random);
    uint32_t word = random;
    if (i + 1 == words) word &= 0xFFFFFFFFu >> (8 * unused);
    *Word(ring, position) = word;
    checksum = Mix(checksum, word);
  }
  sent->checksum = checksum;

  *Word(ring, start) = sent->sequence;
  *Word(ring, start + 4) = sent->length;
  *Word(ring, start + 8) = sent->checksum;
  *Word(ring, start + 12) = sent->echo;
  __atomic_store_n(&ring->written, start + bytes, __ATOMIC_RELEASE);
  return kMessageOk;
}

enum MessageResult MessageReceive(struct Ring* ring,
                                  struct MessageHeader* received) {
  const uint32_t start = ring->read;
  const uint32_t available =
      __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE) - start;
  if (available == 0) return kMessageNone;
  if (available > kRingBytes || available < kHeaderWords * 4) {
    return kMessageTorn;
  }
  received->sequence = *Word(ring, start);
  received->length = *Word(ring, start + 4);
  received->checksum = *Word(ring, start + 8);
  received->echo = *Word(ring, start + 12);
  if (received->length > kMaxPayloadBytes) return kMessageBadLength;
  const uint32_t words = PayloadWords(received->length);
  const uint32_t bytes = (kHeaderWords + words) * 4;
  if (available < bytes) return kMessageTorn;

  uint32_t checksum = HeaderChecksum(received);
  for (uint32_t i = 0; i < words; ++i) {
    checksum = Mix(checksum, *Word(ring, start + (kHeaderWords + i) * 4));
  }
  __atomic_store_n(&ring->read, start + bytes, __ATOMIC_RELEASE);
  return checksum == received->checksum ? kMessageOk : kMessageBadChecksum;
}
