// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/cortex_m/board.h"
#include "examples/two_guests/test_guests/scenarios.h"

  .syntax unified
  .thumb

  .macro mark value
  ldr r2, =CORTEX_M_REPORT_ADDRESS
  ldr r3, =\value
  str r3, [r2]
  .endm

  .section .vectors, "a"
  .long stack_top
  .long Reset
  .skip 4 * (14 + TEST_IRQ)
  .long Handler

  .text
  .globl Reset
  .thumb_func
Reset:
  ldr r2, =CORTEX_M_NVIC_ISER
  movs r3, #(1 << TEST_IRQ)
  str r3, [r2]
  ldr r2, =scenarios
  ldr r2, [r2, r0, lsl #2]
  bx r2

  .thumb_func
OddStack:
  sub sp, #4
  .thumb_func
TakeAndReturn:
  ldr r0, =0x12345678  // What the handler uses and the hardware restores.
  ldr r12, =0x9abcdef0
  mov r4, sp
1:
  cmp r0, r0           // Sets Z, which the handler clears.
  wfi
  bne Crash
  ldr r1, =0x12345678
  cmp r0, r1
  bne Crash
  ldr r1, =0x9abcdef0
  cmp r12, r1
  bne Crash
  cmp r4, sp
  bne Crash
  mark MARK_MAIN
  b 1b

  .thumb_func
Masked:
  cpsid i
  wfi                  // Ends for an interrupt that is pending.
  mark MARK_MAIN
  cpsie i
  b 1f
1:
  mark MARK_MAIN + 1
  b TakeAndReturn

  .thumb_func
WaitMasked:
  ldr r2, =(CORTEX_M_NVIC_ISER + 0x80)
  mov r3, #0xffffffff
  str r3, [r2]         // No line is enabled any more.
1:
  wfi
  mark MARK_MAIN
  b 1b

  .thumb_func
Crash:
  ldr r0, =0x90000000
  ldr r0, [r0]

  .thumb_func
Spin:
  b Spin

  .thumb_func
Memory:
  ldr r0, =CORTEX_M_IVSHMEM_MEMORY
  mark 1               // The test maps here.
  ldr r1, =0x11111111
  str r1, [r0]
  b 1f
1:
  ldr r1, =0x22222222
  str r1, [r0, #4]
  ldr r1, [r0]
  str r1, [r0, #8]
  b 1f
1:
  mark 2               // The test unmaps here.
  b 1f
1:
  ldr r1, =0x33333333
  str r1, [r0, #12]
  mark 3
1:
  wfi
  b 1b

  .thumb_func
Undefined:
  udf #0

  .thumb_func
Handler:
  push {r4, lr}
  movs r4, #7
  mov r0, sp
  ands r4, r0        // The stack is aligned to 8 bytes in a handler.
  bne Crash
  ldr r0, =0xdeadbeef  // r0 to r3 and r12 are the handler's to use.
  mov r12, r0
  mark MARK_HANDLER
  b 1f                 // A slice may end here, inside the handler.
1:
  movs r0, #1          // Clears Z.
  pop {r4, pc}

  .p2align 2
  .ltorg

  .section .rodata
  .p2align 2
scenarios:
  .long TakeAndReturn, Masked, WaitMasked, Crash, Spin, Memory, OddStack
  .long Undefined
