// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Entry and interrupt handlers. A handler does not return to what it
// interrupted, which is always the idle loop: KVM need not know `iret`.

  .code32
  .section .text.start, "ax"
  .globl _start
_start:
  cli
  cld
  movl $stack_top, %esp
  call GuestMain

Idle:
  movl $stack_top, %esp
1:
  sti  // Takes effect after the hlt has begun: no interrupt slips in between.
  hlt
  jmp 1b

Handle:
  popl %eax  // What the stub pushed.
  movl $stack_top, %esp
  cld
  pushl %eax
  call OnInterrupt
  jmp Idle

// One stub of 16 bytes for each of the CPU's interrupts.
  .globl stubs
  .p2align 4
stubs:
  .set interrupt, 0
  .rept 256
  .p2align 4
  pushl $interrupt
  jmp Handle
  .set interrupt, interrupt + 1
  .endr

  .section .note.GNU-stack, "", @progbits
