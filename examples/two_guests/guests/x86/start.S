// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Entry and interrupt handlers of the x86 guest. A handler does not return to
// what it interrupted, which is always the idle loop: it resets the stack and
// jumps there. So the guest needs no `iret`, which an engine that emulates
// instructions in the kernel may not know in protected mode.

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

  .globl MessageHandler
MessageHandler:
  movl $stack_top, %esp
  cld
  call OnMessage
  jmp Idle

  .globl HelloHandler
HelloHandler:
  movl $stack_top, %esp
  cld
  call OnHello
  jmp Idle

  .section .note.GNU-stack, "", @progbits
