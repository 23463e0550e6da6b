// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Cortex-M machine: its memory map, which on such a board is fixed. The
// guest and the VMM both read this file.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_CORTEX_M_BOARD_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_CORTEX_M_BOARD_H_

// The image, which begins with the vector table.
#define CORTEX_M_FLASH_ADDRESS 0x00000000
#define CORTEX_M_FLASH_SIZE 0x10000
#define CORTEX_M_RAM_ADDRESS 0x20000000
#define CORTEX_M_RAM_SIZE 0x10000

// The flat ivshmem device: its registers, its memory (up to the size), its IRQ.
#define CORTEX_M_IVSHMEM_REGISTERS 0x40000000
#define CORTEX_M_IVSHMEM_MEMORY 0x60000000
#define CORTEX_M_IVSHMEM_MEMORY_MAX 0x4000000
#define CORTEX_M_IVSHMEM_IRQ 5

#define CORTEX_M_REPORT_ADDRESS 0x40010000

// The System Control Space, and in it the NVIC's first Set-Enable register.
#define CORTEX_M_SCS_ADDRESS 0xE000E000
#define CORTEX_M_NVIC_ISER 0xE000E100

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_CORTEX_M_BOARD_H_
