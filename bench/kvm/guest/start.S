// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Entry, and the answer to interrupts. Its handler does not return to what it
// interrupted, which is always the `hlt`: KVM need not know `iret`.

  .set work_port, 0x510  // As in mailbox.h, which main.c checks.
  .set mailbox, 0x10000

  .code32
  .section .text.start, "ax"
  .globl _start
_start:
  cli
  cld
  movl $stack_top, %esp
  call SetUp

Next:
  movl $stack_top, %esp
  movw $work_port, %dx
  inl %dx, %eax
  pushl %eax
  call CarryOut
  jmp Next

  .globl Answer
Answer:
  movl (mailbox + 0), %edi  // address
  movl (mailbox + 4), %eax  // value
  movl (mailbox + 8), %ecx  // count
Wait:
  sti  // Takes effect after the hlt has begun: no interrupt slips in between.
  hlt
  jmp Wait

  .globl OnRing
OnRing:
  movl $stack_top, %esp
  movl $0, 0xfee000b0  // End of interrupt.
  movl %eax, (%edi)
  decl %ecx
  jnz Wait
  jmp Next

  .section .note.GNU-stack, "", @progbits
