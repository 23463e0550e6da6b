// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// From the processor's reset to C in flat protected mode, and the interrupts'
// way there.

// The last 128 bytes below 4 GiB, which a processor that comes out of reset
// sees in real mode from ff80 on, its first instruction at fff0.
  .section .reset, "ax"
  .code16
last_bytes:
  .globl Begin16
Begin16:
  cli
  lgdtl %cs:gdtr - last_bytes + 0xff80
  movl $0x11, %eax  // Protection, and no longer the reset's disabled caches.
  movl %eax, %cr0
  ljmpl $0x10, $Begin32

  .p2align 3
gdt:
  .quad 0, 0
  .quad 0x00cf9b000000ffff  // 0x10: code, flat.
  .quad 0x00cf93000000ffff  // 0x18: data, flat.
gdtr:
  .word . - gdt - 1
  .long gdt

  .org 0x70
  jmp Begin16

  .text
  .code32
Begin32:
  movl $0x18, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  movl %eax, %ss
  cld
  movl $stack_top, %esp
  call FirmwareMain

// A handler does not return to what it interrupted, which is always this loop:
// KVM need not know `iret`.
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

// One stub of 16 bytes for each vector of the device, and one for the timer.
  .globl stubs
  .p2align 4
stubs:
  .set vector, 0
  .rept 3
  .p2align 4
  pushl $vector
  jmp Handle
  .set vector, vector + 1
  .endr

  .section .note.GNU-stack, "", @progbits
