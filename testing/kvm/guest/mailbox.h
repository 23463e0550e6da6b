// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest program that does what a test tells it to, with a vCPU's real
// instructions, and counts the interrupts that it gets. Guest and host both
// read this file.
//
// The host fills in a command and sends the interrupt kCommandInterrupt; the
// guest carries it out with interrupts off and says that it is done. Interrupts
// from kFirstInterrupt on are counted.

#ifndef IVSHMEM_TESTING_KVM_GUEST_MAILBOX_H_
#define IVSHMEM_TESTING_KVM_GUEST_MAILBOX_H_

#include <stdint.h>

enum {
  kGuestRamSize = 0x200000,
  kGuestImageAddress = 0x100000,  // Where it is loaded and entered.
  kGuestMailboxAddress = 0x10000,

  kCommandInterrupt = 0x30,
  kFirstInterrupt = 0x40,
  kGuestInterrupts = 128,
};

enum GuestOperation {
  // `result` gets `size` bytes (1, 2 or 4) at `address`.
  kGuestRead,
  // Writes `size` bytes of `value` at `address`, `count` times.
  kGuestWrite,
  // The same for I/O ports.
  kGuestIn,
  kGuestOut,
  // Writes `value` at `address` `count` times, 4 bytes each, and waits each
  // time until the word at `watch` has changed.
  kGuestWritePaced,
  // From now on each counted interrupt adds 1 to the word at `address`; not if
  // it is 0.
  kGuestCountAt,
  // From now on the handler of a counted interrupt reads the word at `address`,
  // as the driver of a device with a line reads its status. When it is 0, the
  // interrupt is a stray and counts as nothing else.
  kGuestAcknowledgeAt,
};

struct GuestMailbox {
  uint32_t ready;  // The guest can take its first command.
  uint32_t sent;   // The number of the last command.
  uint32_t done;   // The number of the last that is done.
  uint32_t operation;
  uint32_t size;
  uint32_t address;
  uint32_t count;
  uint32_t watch;
  uint32_t value;
  uint32_t result;
  uint32_t interrupts[kGuestInterrupts];
  uint32_t strays;
};

#endif  // IVSHMEM_TESTING_KVM_GUEST_MAILBOX_H_
