// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <stddef.h>
#include <stdint.h>

#include "bench/kvm/guest/mailbox.h"

_Static_assert(kWorkPort == 0x510 && kBenchMailboxAddress == 0x10000 &&
                   offsetof(struct BenchMailbox, address) == 0 &&
                   offsetof(struct BenchMailbox, value) == 4 &&
                   offsetof(struct BenchMailbox, count) == 8,
               "start.S knows these as well");

enum {
  kCodeSelector = 0x10,
  kApicSpurious = 0xFEE000F0,
};

static volatile struct BenchMailbox* const mailbox =
    (volatile struct BenchMailbox*)kBenchMailboxAddress;

void Answer(void);  // start.S; does not return.
void OnRing(void);  // There, too.
void SetUp(void);   // Called from there.
void CarryOut(uint32_t operation);

// Any other interrupt than kRingInterrupt ends the guest: there is none.
void SetUp(void) {
  static struct { uint32_t low, high; } idt[kRingInterrupt + 1];
  const uint32_t handler = (uint32_t)&OnRing;
  idt[kRingInterrupt].low = (uint32_t)kCodeSelector << 16 | (handler & 0xFFFF);
  idt[kRingInterrupt].high = (handler & 0xFFFF0000u) | 0x8E00;
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } idtr = {sizeof(idt) - 1, (uint32_t)idt};
  __asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
  *(volatile uint32_t*)kApicSpurious = 0x1FF;  // Enabled.
}

static uint64_t TimeStamp(void) {
  uint64_t now;
  __asm__ volatile("rdtsc" : "=A"(now));
  return now;
}

static void Watch(const volatile uint32_t* address) {
  uint64_t longest = 0;
  uint32_t count = 0;
  uint64_t last = TimeStamp();
  while (mailbox->stop == 0) {
    (void)*address;
    const uint64_t now = TimeStamp();
    if (now - last > longest) longest = now - last;
    last = now;
    mailbox->result = ++count;
  }
  mailbox->longest = longest;
}

void CarryOut(uint32_t operation) {
  const uint32_t address = mailbox->address;
  uint32_t value = mailbox->value;
  uint32_t count = mailbox->count;
  switch ((enum BenchOperation)operation) {
    case kBenchHalt:
      for (;;) __asm__ volatile("cli\n\thlt");
    case kBenchWrite:
      __asm__ volatile(
          "1:\n\t"
          "movl %1, (%2)\n\t"
          "decl %0\n\t"
          "jnz 1b"
          : "+r"(count)
          : "r"(value), "r"(address)
          : "memory", "cc");
      break;
    case kBenchRead:
      __asm__ volatile(
          "1:\n\t"
          "movl (%2), %1\n\t"
          "decl %0\n\t"
          "jnz 1b"
          : "+r"(count), "=&r"(value)
          : "r"(address)
          : "memory", "cc");
      mailbox->result = value;
      break;
    case kBenchAnswer:
      Answer();
      break;
    case kBenchWatch:
      Watch((const volatile uint32_t*)address);
      break;
  }
}
