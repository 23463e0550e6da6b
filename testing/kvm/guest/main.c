// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

#include "testing/kvm/guest/mailbox.h"

enum {
  kCodeSelector = 0x10,
  kApicEndOfInterrupt = 0xFEE000B0,
  kApicSpurious = 0xFEE000F0,
  kInterrupts = 256,
  kStubSize = 16,
};

static struct GuestMailbox* const mailbox =
    (struct GuestMailbox*)kGuestMailboxAddress;
static uint32_t* count_at;
static const volatile uint32_t* acknowledge_at;

extern const uint8_t stubs[];  // start.S
void GuestMain(void);          // Called from there.
void OnInterrupt(uint32_t interrupt);

static void Set32(uint32_t address, uint32_t value) {
  *(volatile uint32_t*)address = value;
}

void GuestMain(void) {
  static struct { uint32_t low, high; } idt[kInterrupts];
  for (uint32_t i = 0; i < kInterrupts; ++i) {
    const uint32_t handler = (uint32_t)&stubs[kStubSize * i];
    idt[i].low = (uint32_t)kCodeSelector << 16 | (handler & 0xFFFF);
    idt[i].high = (handler & 0xFFFF0000u) | 0x8E00;  // An interrupt gate.
  }
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } idtr = {sizeof(idt) - 1, (uint32_t)idt};
  __asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
  Set32(kApicSpurious, 0x1FF);  // Enabled.
  *(volatile uint32_t*)&mailbox->ready = 1;
}

// Accesses of exactly the size that is asked for.
static uint32_t Read(uint32_t address, uint32_t size) {
  uint32_t value = 0;
  if (size == 1) {
    uint8_t byte;
    __asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(address) : "memory");
    value = byte;
  } else if (size == 2) {
    uint16_t word;
    __asm__ volatile("movw (%1), %0" : "=r"(word) : "r"(address) : "memory");
    value = word;
  } else if (size == 4) {
    uint32_t dword;
    __asm__ volatile("movl (%1), %0" : "=r"(dword) : "r"(address) : "memory");
    value = dword;
  } else {
    __asm__ volatile("movq (%1), %%mm0\n\tmovq %%mm0, %0\n\temms"
                     : "=m"(value)
                     : "r"(address)
                     : "memory");
  }
  return value;
}

static void Write(uint32_t address, uint32_t size, uint32_t value) {
  if (size == 1) {
    __asm__ volatile("movb %b0, (%1)" : : "q"(value), "r"(address) : "memory");
  } else if (size == 2) {
    __asm__ volatile("movw %w0, (%1)" : : "r"(value), "r"(address) : "memory");
  } else {
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
  }
}

static uint32_t In(uint16_t port, uint32_t size) {
  uint32_t value = 0;
  if (size == 1) {
    __asm__ volatile("inb %1, %b0" : "+a"(value) : "d"(port));
  } else if (size == 2) {
    __asm__ volatile("inw %1, %w0" : "+a"(value) : "d"(port));
  } else {
    __asm__ volatile("inl %1, %0" : "+a"(value) : "d"(port));
  }
  return value;
}

static void Out(uint16_t port, uint32_t size, uint32_t value) {
  if (size == 1) {
    __asm__ volatile("outb %b0, %1" : : "a"(value), "d"(port));
  } else if (size == 2) {
    __asm__ volatile("outw %w0, %1" : : "a"(value), "d"(port));
  } else {
    __asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
  }
}

static void CarryOut(void) {
  const uint32_t size = mailbox->size;
  const uint32_t address = mailbox->address;
  const uint32_t value = mailbox->value;
  const uint32_t count = mailbox->count;
  const uint16_t port = (uint16_t)address;
  switch ((enum GuestOperation)mailbox->operation) {
    case kGuestRead:
      mailbox->result = Read(address, size);
      break;
    case kGuestWrite:
      for (uint32_t i = 0; i < count; ++i) Write(address, size, value);
      break;
    case kGuestIn:
      mailbox->result = In(port, size);
      break;
    case kGuestOut:
      for (uint32_t i = 0; i < count; ++i) Out(port, size, value);
      break;
    case kGuestWritePaced:
      for (uint32_t i = 0; i < count; ++i) {
        const volatile uint32_t* watch =
            (const volatile uint32_t*)mailbox->watch;
        const uint32_t before = *watch;
        Set32(address, value);
        while (*watch == before) __asm__ volatile("pause");
      }
      break;
    case kGuestCountAt:
      count_at = (uint32_t*)address;
      break;
    case kGuestAcknowledgeAt:
      acknowledge_at = (const volatile uint32_t*)address;
      break;
  }
  __asm__ volatile("" : : : "memory");
  *(volatile uint32_t*)&mailbox->done = mailbox->sent;
}

void OnInterrupt(uint32_t interrupt) {
  if (interrupt == kCommandInterrupt) {
    CarryOut();
  } else if (interrupt - kFirstInterrupt < kGuestInterrupts) {
    volatile uint32_t* count =
        &mailbox->interrupts[interrupt - kFirstInterrupt];
    if (acknowledge_at != 0 && *acknowledge_at == 0) {
      count = &mailbox->strays;
    } else if (count_at != 0) {
      ++*(volatile uint32_t*)count_at;
    }
    ++*count;
  }
  Set32(kApicEndOfInterrupt, 0);
}
