// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the guests of the machines' tests can do: the test puts one of these
// numbers into the first register (eax, r0) before it runs the machine. A guest
// tells how far it came by writing marks to its report device.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_SCENARIOS_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_SCENARIOS_H_

// Both machines:
#define SCENARIO_TAKE_AND_RETURN 0 /* Wait, handle, return, mark, again. */
#define SCENARIO_MASKED 1          /* Interrupts off; on after a mark. */
#define SCENARIO_WAIT_MASKED 2     /* Interrupts off for ever, wait. */
#define SCENARIO_CRASH 3           /* An access to nowhere. */
#define SCENARIO_SPIN 4            /* Endless. */
#define SCENARIO_MEMORY 5          /* Marks, stores and loads in the window. */
// x86:
#define SCENARIO_NO_EOI 6  /* Marks between interrupt and its end. */
#define SCENARIO_NO_GATE 7 /* Waits with an empty IDT. */
// Cortex-M:
#define SCENARIO_ODD_STACK 6 /* As 0, with a stack of 4 mod 8. */
#define SCENARIO_UNDEFINED 7 /* An undefined instruction. */

#define SCENARIOS 8

// Marks.
#define MARK_HANDLER 0x100 /* In the handler. */
#define MARK_MAIN 0x200    /* Back in the main program. */

// x86: the interrupt it has gates for. Cortex-M: the line it enables.
#define TEST_INTERRUPT 0x40
#define TEST_IRQ 3

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_SCENARIOS_H_
