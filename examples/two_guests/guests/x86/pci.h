// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The x86 guest's PCI driver: finds a function, places its BARs, sets up MSI-X.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_PCI_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_PCI_H_

#include <stdint.h>

enum { kPciBars = 6 };

struct PciBar {
  uint32_t address;  // 0: there is none.
  uint32_t size;
};

struct PciFunction {
  uint32_t address;  // Bus << 8 | device << 3 | function.
  struct PciBar bars[kPciBars];
  volatile uint32_t* msix_table;
  uint32_t msix_capability;  // Its offset.
  uint32_t msix_vectors;     // 0: no MSI-X.
};

uint32_t PciRead(const struct PciFunction* function, uint32_t offset);
void PciWrite(const struct PciFunction* function, uint32_t offset,
              uint32_t value);

// Looks through all buses. Returns 0 when nothing has this dword of ids.
int PciFind(struct PciFunction* function, uint32_t id);

// Sizes the BARs, places them in [*next, end), and lets the function decode
// memory. Returns 0 when they do not fit; `*next` is moved on.
int PciPlaceBars(struct PciFunction* function, uint32_t* next, uint32_t end);

// Looks for MSI-X in the capability list. Returns 0 when it is not there.
int PciFindMsix(struct PciFunction* function);

// Lets vector i interrupt as CPU vector first_interrupt + i, for the first
// `vectors` of them, and the function master the bus.
void PciEnableMsix(const struct PciFunction* function, uint32_t vectors,
                   uint32_t first_interrupt);

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_X86_PCI_H_
