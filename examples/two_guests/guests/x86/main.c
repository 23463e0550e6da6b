// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The x86 guest: finds the ivshmem PCI function as any operating system would,
// and sends requests to the guest on its other side.

#include <stdint.h>

#include "examples/two_guests/guests/exchange.h"
#include "examples/two_guests/guests/report.h"
#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/guests/x86/io.h"
#include "examples/two_guests/guests/x86/pci.h"

enum {
  kIvshmemId = 0x11101AF4,  // Device 1110, vendor 1af4.
  kRegistersBar = 0,
  kMemoryBar = 2,
  kIvPosition = 2,  // Registers, by the word.
  kDoorbell = 3,

  kFirstInterrupt = 0x40,  // Of the CPU's 256.

  kApicEndOfInterrupt = 0xB0,
  kApicSpurious = 0xF0,
};

static struct Exchange exchange;

void MessageHandler(void);  // start.S
void HelloHandler(void);
void GuestMain(void);  // Called from there.
void OnMessage(void);
void OnHello(void);

void Report(uint32_t event, uint32_t argument) {
  Out32(X86_REPORT_PORT + kReportArgument, argument);
  Out32(X86_REPORT_PORT + kReportEvent, event);
}

static _Noreturn void Fail(enum ReportFailure failure) {
  Report(kReportFailed, (uint32_t)failure << 24);
  for (;;) __asm__ volatile("cli; hlt");
}

static volatile uint32_t* Apic(uint32_t offset) {
  return (volatile uint32_t*)(X86_LOCAL_APIC_ADDRESS + offset);
}

// A 32-bit interrupt gate for each interrupt that the guest uses.
static void SetUpInterrupts(void) {
  static struct { uint32_t low, high; } idt[kFirstInterrupt + kVectorsUsed];
  void (*const handlers[kVectorsUsed])(void) = {
      [kVectorMessage] = MessageHandler,
      [kVectorHello] = HelloHandler,
  };
  for (uint32_t i = 0; i < kVectorsUsed; ++i) {
    const uint32_t handler = (uint32_t)handlers[i];
    idt[kFirstInterrupt + i].low =
        (uint32_t)X86_CODE_SELECTOR << 16 | (handler & 0xFFFF);
    idt[kFirstInterrupt + i].high = (handler & 0xFFFF0000u) | 0x8E00;
  }
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } idtr = {sizeof(idt) - 1, (uint32_t)idt};
  __asm__ volatile("lidt %0" : : "m"(idtr) : "memory");

  *Apic(kApicSpurious) = 0x1FF;  // Enabled.
}

static void ReportFunction(const struct PciFunction* function) {
  Report(kReportPciAddress, function->address);
  Report(kReportDeviceId, PciRead(function, 0));
  Report(kReportClass, PciRead(function, 0x08));
  Report(kReportSubsystem, PciRead(function, 0x2C));
  for (uint32_t bar = 0; bar < kPciBars; ++bar) {
    if (function->bars[bar].address == 0) continue;
    Report(kReportBarSize + bar, function->bars[bar].size);
    Report(kReportBarAddress + bar, function->bars[bar].address);
  }
}

void GuestMain(void) {
  static struct PciFunction function;
  SetUpInterrupts();
  if (!PciFind(&function, kIvshmemId)) Fail(kFailureNoDevice);
  uint32_t next = X86_PCI_HOLE_ADDRESS;
  if (!PciPlaceBars(&function, &next,
                    X86_PCI_HOLE_ADDRESS + X86_PCI_HOLE_SIZE)) {
    Fail(kFailureNoRoom);
  }
  ReportFunction(&function);
  if (function.bars[kMemoryBar].size < sizeof(struct SharedLayout)) {
    Fail(kFailureNoRoom);
  }
  if (!PciFindMsix(&function) || function.msix_vectors < kVectorsUsed) {
    Fail(kFailureNoMsix);
  }
  Report(kReportVectors, function.msix_vectors);
  PciEnableMsix(&function, kVectorsUsed, kFirstInterrupt);
  for (uint32_t i = 0; i < kVectorsUsed; ++i) {
    Report(kReportInterrupt + i, kFirstInterrupt + i);
  }

  volatile uint32_t* registers =
      (volatile uint32_t*)function.bars[kRegistersBar].address;
  exchange.shared = (struct SharedLayout*)function.bars[kMemoryBar].address;
  exchange.side = kSideX86;
  exchange.doorbell = &registers[kDoorbell];
  exchange.own_id = registers[kIvPosition];
  exchange.messages = In32(X86_REPORT_PORT + kReportArgument);
  Report(kReportOwnId, exchange.own_id);
  ExchangeStart(&exchange);
}

void OnMessage(void) {
  ExchangeInterrupt(&exchange);
  *Apic(kApicEndOfInterrupt) = 0;
}

void OnHello(void) {
  ++exchange.interrupts;
  ExchangeStart(&exchange);
  *Apic(kApicEndOfInterrupt) = 0;
}
