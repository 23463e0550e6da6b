// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_PC_MACHINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_PC_MACHINE_H_

#include "backends/doorbell_accelerator.h"
#include "backends/irq_router.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "bus/pci/msi.h"
#include "examples/two_guests/machine.h"

namespace ivshmem::two_guests {

// A 32-bit PC of one processor: RAM, I/O ports, a hole for PCI devices and a
// local APIC, laid out as guests/x86/board.h says. It fills the seams that a
// PCI device of this library asks of a hypervisor.
//
// Threading: as Machine.
class PcMachine : public Machine {
 public:
  absl::string_view name() const override { return "x86"; }

  // Guest-physical addresses: the PCI hole can be claimed and mapped in.
  virtual MmioSpace& mmio() = 0;
  virtual MemoryMapper& memory() = 0;
  // I/O ports, by their number.
  virtual MmioSpace& ports() = 0;
  // Message interrupts for the processor.
  virtual pci::MsiSink& msi() = 0;

  // What rings and interrupts without this program; null where nothing does.
  virtual DoorbellAccelerator* doorbells() { return nullptr; }
  virtual IrqRouter* router() { return nullptr; }
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_PC_MACHINE_H_
