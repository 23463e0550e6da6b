// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Cortex-M guest: knows where the flat ivshmem device is, as firmware of a
// board does, and answers requests from its interrupt handler.

#include <stdint.h>

#include "examples/two_guests/guests/cortex_m/board.h"
#include "examples/two_guests/guests/exchange.h"
#include "examples/two_guests/guests/report.h"

enum {
  kIvPosition = 2,  // Registers, by the word.
  kDoorbell = 3,
  kRegistersSize = 16,
};

static struct Exchange exchange;  // RAM is zero after power-on.

extern uint32_t stack_top[];  // image.ld
void Reset(void);

void Report(uint32_t event, uint32_t argument) {
  volatile uint32_t* report = (volatile uint32_t*)CORTEX_M_REPORT_ADDRESS;
  report[kReportArgument / 4] = argument;
  report[kReportEvent / 4] = event;
}

static void OnIvshmem(void) { ExchangeInterrupt(&exchange); }

static void OnFault(void) {
  for (;;) __asm__ volatile("udf #0");
}

// Stack, reset, the exceptions 2 to 15 of the architecture, and the IRQs.
__attribute__((
    section(".vectors"),
    used)) static const void* const vectors[16 + CORTEX_M_IVSHMEM_IRQ + 1] = {
    stack_top,      (void*)Reset,
    (void*)OnFault, (void*)OnFault,
    (void*)OnFault, (void*)OnFault,
    (void*)OnFault, [16 + CORTEX_M_IVSHMEM_IRQ] = (void*)OnIvshmem,
};

void Reset(void) {
  volatile uint32_t* registers = (volatile uint32_t*)CORTEX_M_IVSHMEM_REGISTERS;
  exchange.shared = (struct SharedLayout*)CORTEX_M_IVSHMEM_MEMORY;
  exchange.side = kSideCortexM;
  exchange.doorbell = &registers[kDoorbell];
  exchange.own_id = registers[kIvPosition];
  exchange.sequence = 1;

  Report(kReportBarSize + 0, kRegistersSize);
  Report(kReportBarAddress + 0, CORTEX_M_IVSHMEM_REGISTERS);
  Report(kReportBarAddress + 2, CORTEX_M_IVSHMEM_MEMORY);
  Report(kReportInterrupt, CORTEX_M_IVSHMEM_IRQ);
  Report(kReportOwnId, exchange.own_id);

  *(volatile uint32_t*)CORTEX_M_NVIC_ISER = 1u << CORTEX_M_IVSHMEM_IRQ;
  // An IRQ before this has found the peer would only look for it as well, but
  // both at once must not.
  __asm__ volatile("cpsid i" : : : "memory");
  if (ExchangeMeet(&exchange)) ExchangeHello(&exchange);
  __asm__ volatile("cpsie i" : : : "memory");
  for (;;) __asm__ volatile("wfi");
}
