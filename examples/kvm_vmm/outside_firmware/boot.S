// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reset, the real-mode part with its timer interrupt, and the way to main() in
// protected mode.

#define POST(code) movb $code, %al; outb %al, $0x80
#define OUT(port, value) movb $value, %al; outb %al, $port

  .code16
  .text
  .globl text_start
text_start:

// Here with CS = f000: the copy of this ROM that ends at 1 MiB.
  .globl entry16
entry16:
  cli
  cld
  POST(0x01)
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp

  // What a board may have and this one has not: A20 gates, CMOS.
  inb $0x92, %al
  orb $2, %al
  andb $0xfe, %al
  outb %al, $0x92
  OUT(0x70, 0x8f)
  inb $0x71, %al

  // Both PICs: base 8 and 0x70, as a BIOS; only the timer is let through.
  OUT(0x20, 0x11)
  OUT(0xa0, 0x11)
  OUT(0x21, 0x08)
  OUT(0xa1, 0x70)
  OUT(0x21, 0x04)
  OUT(0xa1, 0x02)
  OUT(0x21, 0x01)
  OUT(0xa1, 0x01)
  OUT(0x21, 0xfe)
  OUT(0xa1, 0xff)

  // Interrupt 8, and the timer at 1 kHz.
  movw $tick - text_start, 0x20
  movw $0xf000, 0x22
  movw $0, 0x500
  OUT(0x43, 0x34)
  OUT(0x40, 0xa9)
  OUT(0x40, 0x04)
  sti
1:
  hlt
  cmpw $5, 0x500
  jb 1b
  cli
  POST(0x02)

  // From the copy to the ROM itself, in protected mode.
  lgdtl %cs:gdtr - text_start
  movl %cr0, %eax
  orl $1, %eax
  andl $0x9fffffff, %eax  // Caches on.
  movl %eax, %cr0
  ljmpl $8, $entry32

tick:
  pushw %ax
  pushw %ds
  xorw %ax, %ax
  movw %ax, %ds
  incw 0x500
  OUT(0x20, 0x20)
  popw %ds
  popw %ax
  iretw

  .p2align 3
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff  // 8: code. Marked as accessed: this is ROM.
  .quad 0x00cf93000000ffff  // 0x10: data.
gdtr:
  .word . - gdt - 1
  .long gdt

  .code32
entry32:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  movl %eax, %ss
  movl $0x80000, %esp
  call main
1:
  cli
  hlt
  jmp 1b

// An interrupt's way in and back. What `iret` does is done by other
// instructions, which every emulator has.
  .macro handler number
  .globl vector\number
vector\number:
  pushl $\number
  jmp into_c
  .endm
  handler 0
  handler 1
  handler 2
  handler 3

into_c:
  xchgl %eax, (%esp)  // The number; the stack has EAX.
  pushl %ecx
  pushl %edx
  cld
  pushl %eax
  call on_vector
  addl $4, %esp
  popl %edx
  popl %ecx
  popl %eax
  // EIP, CS, EFLAGS: to EFLAGS, EIP.
  pushl %eax
  movl 4(%esp), %eax  // EIP.
  xchgl %eax, 12(%esp)
  movl %eax, 8(%esp)  // EFLAGS, where CS was.
  popl %eax
  addl $4, %esp
  popfl
  ret

// 16 bytes below the end, where the processor begins.
  .section .reset, "ax"
  .code16
  ljmp $0xf000, $0  // entry16
  .ascii "06/06/26"

  .section .note.GNU-stack, "", @progbits
