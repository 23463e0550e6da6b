// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the guests say to each other: messages of varied sizes, each with a
// checksum of itself and an echo of the one before it, which went the other
// way. So each side checks both what it hears and whether it was heard.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_MESSAGE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_MESSAGE_H_

#include <stdint.h>  // NOLINT(modernize-deprecated-headers): C as well.

#include "examples/two_guests/guests/ring.h"

enum { kMaxPayloadBytes = 2000 };

// In the ring in this order, then the payload, filled up with zeros to a whole
// word.
struct MessageHeader {
  uint32_t sequence;  // From 1. An answer has its request's.
  uint32_t length;    // Of the payload, in bytes. 0: goodbye.
  uint32_t checksum;  // Of the other fields and the payload.
  uint32_t echo;      // MessageEcho() of the last message received, or 0.
};

enum MessageResult {
  kMessageOk = 0,
  kMessageNone,         // Receive: there is none.
  kMessageRingFull,     // Send: it does not fit.
  kMessageTorn,         // Receive: the ring holds less than a whole message.
  kMessageBadLength,    // Receive: longer than kMaxPayloadBytes.
  kMessageBadChecksum,  // Receive.
};

// Appends message `sequence`, with a payload of a size and content that follow
// from `sequence` and `side`; a goodbye when `goodbye` is not 0. Fills `sent`.
enum MessageResult MessageSend(struct Ring* ring, enum Side side,
                               uint32_t sequence, uint32_t echo, int goodbye,
                               struct MessageHeader* sent);

// Takes the next message off the ring and checks it against its checksum. The
// ring is the other guest's to write, so nothing in it is believed, or read
// twice. `received` is valid but for the results None and Torn.
enum MessageResult MessageReceive(struct Ring* ring,
                                  struct MessageHeader* received);

// What to send back for a message of checksum `checksum`.
uint32_t MessageEcho(uint32_t checksum);

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_MESSAGE_H_
