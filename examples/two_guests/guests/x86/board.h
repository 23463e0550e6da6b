// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The x86 machine, as far as its firmware would have to know it: a PC's
// processor, RAM, PCI configuration ports and hole, and the report device. The
// guest and the VMM both read this file; where the ivshmem device is, it does
// not say.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_BOARD_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_BOARD_H_

// The image is loaded here and entered at its first byte, in 32-bit protected
// mode without paging, interrupts off, with flat segments loaded from a GDT in
// low memory: code 0x10, data 0x18 (as by Linux's 32-bit boot protocol).
#define X86_RAM_SIZE 0x200000
#define X86_IMAGE_ADDRESS 0x100000
#define X86_CODE_SELECTOR 0x10
#define X86_DATA_SELECTOR 0x18

#define X86_PCI_ADDRESS_PORT 0xCF8
#define X86_PCI_DATA_PORT 0xCFC

// Where memory BARs may be placed.
#define X86_PCI_HOLE_ADDRESS 0xE0000000
#define X86_PCI_HOLE_SIZE 0x10000000

#define X86_LOCAL_APIC_ADDRESS 0xFEE00000

#define X86_REPORT_PORT 0x600

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_BOARD_H_
