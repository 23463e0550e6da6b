// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the two guests do with each other, apart from the machines they run on.
//
// x86 sends requests 1 to N, each after the answer to the one before, and a
// goodbye after the last. The Cortex-M answers. Every message is announced by a
// doorbell, and but for the first every one is sent from the interrupt handler
// of the one before: a doorbell that is lost is missed at once.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_EXCHANGE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_EXCHANGE_H_

#include <stdint.h>  // NOLINT(modernize-deprecated-headers): C as well.

#include "examples/two_guests/guests/message.h"
#include "examples/two_guests/guests/report.h"
#include "examples/two_guests/guests/ring.h"

// The vectors of the x86 guest's device. The Cortex-M's has one line for all.
enum { kVectorMessage = 0, kVectorHello = 1, kVectorsUsed = 2 };

struct Exchange {
  struct SharedLayout* shared;
  enum Side side;
  volatile uint32_t* doorbell;
  uint32_t messages;  // N, for x86.
  uint32_t own_id;
  uint32_t peer_id;

  int met;                 // `peer_id` is known.
  int started;             // x86: the first request was sent.
  uint32_t sequence;       // Of the next message to be received.
  uint32_t expected_echo;  // In it, unless 0: of the last message sent.

  uint32_t sent, checked, bytes_sent, bytes_checked, doorbells, interrupts;
};

// The machine's: writes an event to the report device.
void Report(uint32_t event, uint32_t argument);

// Tells the other guest that this one is there, and looks for it. Returns
// whether it is there.
int ExchangeMeet(struct Exchange* exchange);

// Cortex-M, when it has met: wakes an x86 guest that was there first.
void ExchangeHello(struct Exchange* exchange);

// x86: sends the first request, once, when the other guest is there.
void ExchangeStart(struct Exchange* exchange);

// In the interrupt handler: checks and answers what is in the ring.
void ExchangeInterrupt(struct Exchange* exchange);

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_EXCHANGE_H_
