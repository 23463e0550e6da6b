// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

#include "examples/kvm_vmm/test_firmware/report.h"

enum {
  kDeviceId = 0x11101af4,
  kCodeSelector = 0x10,
  kTimerInterrupt = 0x20,
  kFirstInterrupt = 0x40,
  kTimer = kFirmwareVectors,  // Its stub.
  kEnable = (int)0x80000000,
  kRamSize = 0x200000,
  kRomWord = (int)0xffffe000,
  kRomWordCopy = 0xfe000,
  // Above RAM, in no order, each on a boundary of more than its size.
  kBar0 = (int)0xe0000000,
  kBar1 = 0x40000000,
  kBar2 = (int)0xc0000000,
  kApicId = (int)0xfee00020,
  kApicEndOfInterrupt = (int)0xfee000b0,
  kApicSpurious = (int)0xfee000f0,
};

static struct FirmwareReport* const report = (struct FirmwareReport*)kBar2;

extern const uint8_t stubs[];  // reset.S
void FirmwareMain(void);       // Called from there.
void OnInterrupt(uint32_t vector);

static uint32_t Get32(uint32_t address) { return *(volatile uint32_t*)address; }

static void Set32(uint32_t address, uint32_t value) {
  *(volatile uint32_t*)address = value;
}

static uint8_t In8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void Out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t In32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void Out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t Config(uint32_t function, uint32_t offset) {
  Out32(0xcf8, (uint32_t)kEnable | function << 8 | offset);
  return In32(0xcfc);
}

static void SetConfig(uint32_t function, uint32_t offset, uint32_t value) {
  Out32(0xcf8, (uint32_t)kEnable | function << 8 | offset);
  Out32(0xcfc, value);
}

static void TakeInterrupts(void) {
  static struct { uint32_t low, high; } idt[kFirstInterrupt + kFirmwareVectors];
  for (uint32_t i = 0; i <= kTimer; ++i) {
    const uint32_t handler = (uint32_t)&stubs[16 * i];
    const uint32_t gate = i == kTimer ? kTimerInterrupt : kFirstInterrupt + i;
    idt[gate].low = (uint32_t)kCodeSelector << 16 | (handler & 0xffff);
    idt[gate].high = (handler & 0xffff0000u) | 0x8e00;  // An interrupt gate.
  }
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } idtr = {sizeof(idt) - 1, (uint32_t)idt};
  __asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
  Set32(kApicSpurious, 0x1ff);  // Enabled.
}

// Places the BARs of `function` and turns on decode.
static void PlaceBars(uint32_t function) {
  SetConfig(function, 0x10, kBar0);
  SetConfig(function, 0x14, kBar1);
  SetConfig(function, 0x18, kBar2);
  SetConfig(function, 0x1c, 0);
  SetConfig(function, 0x04, 0x6);  // Memory space, bus master.
}

static void EnableMsix(uint32_t function) {
  uint32_t capability = Config(function, 0x34) & 0xff;
  while ((Config(function, capability) & 0xff) != 0x11) {
    capability = Config(function, capability) >> 8 & 0xff;
  }
  const uint32_t table =
      kBar1 + (Config(function, capability + 4) & ~(uint32_t)7);
  for (uint32_t i = 0; i < kFirmwareVectors; ++i) {
    Set32(table + 16 * i, 0xfee00000);
    Set32(table + 16 * i + 4, 0);
    Set32(table + 16 * i + 8, kFirstInterrupt + i);
    Set32(table + 16 * i + 12, 0);
  }
  SetConfig(function, capability, Config(function, capability) | 0x80000000);
}

static void LookAtPorts(void) {
  Out32(0xcf8, 0);
  Out32(0xcfc, 0);
  report->disabled_config = In32(0xcfc);
  Out32(0x600, 0);
  report->unclaimed_port = In32(0x600);
  Out8(0x80, 0);
  report->unclaimed_port_byte = In8(0x80);

  // All lines of the first PIC masked but that of the second. The mask can be
  // read back.
  Out8(0xa1, 0xff);
  Out8(0x21, 0xfb);
  report->pic_mask = In8(0x21);

  Out8(0x43, 0x34);  // Counter 0, both bytes, mode 2.
  Out8(0x40, 0xff);
  Out8(0x40, 0xff);
  const uint8_t before = In8(0x40);
  In8(0x40);
  for (uint32_t i = 0; i < 100000 && report->timer_runs == 0; ++i) {
    report->timer_runs = In8(0x40) != before;
    In8(0x40);
  }
}

static void LookAtMemory(void) {
  Set32(0xd0000000, 0);
  report->unclaimed_memory = Get32(0xd0000000);
  report->rom = Get32(kRomWord);
  Set32(kRomWord, ~report->rom);
  report->rom_written = Get32(kRomWord);
  report->rom_copy = Get32(kRomWordCopy);
  Set32(kRamSize - 4, 0x12345678);
  report->last_ram_works = Get32(kRamSize - 4) == 0x12345678;
}

static void LookAtProcessor(void) {
  uint32_t eax = 1;
  uint32_t ebx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx) : : "ecx", "edx");
  report->cpuid_apic_id = ebx >> 24;
  report->local_apic_id = Get32(kApicId) >> 24;
}

void FirmwareMain(void) {
  uint32_t first = 0;
  uint32_t functions = 0;
  for (uint32_t function = 0x100; function-- > 0;) {
    if (Config(function, 0) == 0xffffffff) continue;
    first = function;
    ++functions;
  }
  const uint32_t first_id = Config(first, 0);
  if (functions == 0 || first_id != kDeviceId) return;  // The test tells.
  TakeInterrupts();
  PlaceBars(first);
  EnableMsix(first);

  report->functions = functions;
  report->first_function = first;
  report->first_id = first_id;
  report->position = Get32(kBar0 + 8);
  SetConfig(first + 1, 0, 0);
  report->absent_function = Config(first + 1, 0);
  LookAtPorts();
  LookAtMemory();
  LookAtProcessor();
  __asm__ volatile("" : : : "memory");
  *(volatile uint32_t*)&report->ready = kFirmwareReady;
}

static void TripleFault(void) {
  const struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } none = {0, 0};
  __asm__ volatile("lidt %0\n\tud2" : : "m"(none));
}

static void StartTimer(void) {
  Out8(0x20, 0x11);  // Edges, two PICs, four words.
  Out8(0x21, kTimerInterrupt);
  Out8(0x21, 0x04);
  Out8(0x21, 0x01);
  Out8(0x21, 0xfe);  // Only the timer.
  Out8(0x43, 0x34);  // Counter 0, both bytes, mode 2.
  Out8(0x40, 0x00);
  Out8(0x40, 0x40);
}

void OnInterrupt(uint32_t vector) {
  volatile struct FirmwareReport* shared = report;
  if (vector == kTimer) {
    ++shared->ticks;
    Out8(0x20, 0x20);  // End of interrupt.
    return;
  }
  if (shared->order == kFirmwareTimer) StartTimer();
  if (shared->order == kFirmwareTripleFault) TripleFault();
  ++shared->interrupts[vector];
  Set32(kApicEndOfInterrupt, 0);
  Set32(kBar0 + 12, shared->ringer << 16 | vector);
}
