// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/test_guests/scenarios.h"

  .macro mark value
  movl $\value, %eax
  movw $X86_REPORT_PORT, %dx
  outl %eax, %dx
  .endm

  .code32
  .section .text.start, "ax"
  .globl _start
_start:
  movl $stack_top, %esp
  // The gate.
  movl $Handler, %ecx
  movw %cx, idt + TEST_INTERRUPT * 8
  movw $X86_CODE_SELECTOR, idt + TEST_INTERRUPT * 8 + 2
  movw $0x8E00, idt + TEST_INTERRUPT * 8 + 4
  shrl $16, %ecx
  movw %cx, idt + TEST_INTERRUPT * 8 + 6
  lidt idtr
  movl $0x1FF, X86_LOCAL_APIC_ADDRESS + 0xF0
  movl %eax, scenario
  jmp *scenarios(, %eax, 4)

TakeAndReturn:
  movl $0x12345678, %ebx  // What the handler must leave alone.
  sti
1:
  hlt
  cmpl $0x12345678, %ebx
  jne Crash
  mark MARK_MAIN
  jmp 1b

Masked:
  mark MARK_MAIN
  sti
  nop
  mark MARK_MAIN + 1
  jmp TakeAndReturn

WaitMasked:
  cli
  hlt
  mark MARK_MAIN
  jmp WaitMasked

Crash:
  movl 0x80000000, %eax

Spin:
  jmp Spin

Memory:
  movl $X86_PCI_HOLE_ADDRESS, %edi
  mark 1                     // The test maps here.
  movl $0x11111111, (%edi)   // In the same basic block as the mark.
  jmp 1f
1:
  movl $0x22222222, 4(%edi)
  movl (%edi), %ebx
  movl %ebx, 8(%edi)
  jmp 1f
1:
  mark 2                     // The test unmaps here.
  jmp 1f
1:
  movl $0x33333333, 12(%edi) // Trapped.
  movl $0x44444444, 0x8000(%edi)
  mark 3
  cli
  hlt

NoEoi:
  sti
1:
  hlt
  jmp 1b

NoGate:
  lidt empty_idtr
  sti
1:
  hlt
  jmp 1b

Handler:
  pushl %eax
  pushl %edx
  mark MARK_HANDLER
  cmpl $SCENARIO_NO_EOI, scenario
  je 1f
  movl $0, X86_LOCAL_APIC_ADDRESS + 0xB0
1:
  popl %edx
  popl %eax
  iret

  .data
  .p2align 2
scenario:
  .long 0
scenarios:
  .long TakeAndReturn, Masked, WaitMasked, Crash, Spin, Memory, NoEoi, NoGate
idtr:
  .word 256 * 8 - 1
  .long idt
empty_idtr:
  .word 0
  .long 0

  .bss
  .p2align 3
idt:
  .skip 256 * 8
