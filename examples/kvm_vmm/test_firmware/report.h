// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the test's firmware writes into the shared memory, from its first byte
// on, and reads there. Guest and test both read this file.
//
// The firmware finds the device, places its BARs, enables MSI-X, looks at the
// machine, says that it is ready, and from then on answers: when it is rung on
// a vector, it rings the peer `ringer` on the same vector.

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_TEST_FIRMWARE_REPORT_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_TEST_FIRMWARE_REPORT_H_

#include <stdint.h>

enum {
  kFirmwareVectors = 2,
  kFirmwareReady = 0x600d,
};

enum FirmwareOrder {
  kFirmwareAnswer,       // As above.
  kFirmwareTripleFault,  // When rung, ends the machine.
  kFirmwareTimer,        // When rung, lets the PIT interrupt by the PIC.
};

struct FirmwareReport {
  uint32_t ready;  // kFirmwareReady

  // Bus 0: how many functions there are, and which is the first, as
  // device << 3 | function, with its first register.
  uint32_t functions;
  uint32_t first_function;
  uint32_t first_id;
  uint32_t position;  // The device's IVPosition.

  // What is read, after a write to it, where nothing is.
  uint32_t absent_function;
  uint32_t disabled_config;  // 0xcfc while 0xcf8 has no enable bit.
  uint32_t unclaimed_port;
  uint32_t unclaimed_port_byte;
  uint32_t unclaimed_memory;

  // A word of the firmware just below 4 GiB, before and after a write to it,
  // and of the copy below 1 MiB.
  uint32_t rom;
  uint32_t rom_written;
  uint32_t rom_copy;

  uint32_t pic_mask;        // Is what the firmware wrote: 0xfb.
  uint32_t timer_runs;      // Whether the PIT's counter changes.
  uint32_t last_ram_works;  // Of the size that the test gives the machine.

  // As CPUID and the local APIC say.
  uint32_t cpuid_apic_id;
  uint32_t local_apic_id;

  // Of the answers. The first two are the test's.
  uint32_t order;
  uint32_t ringer;
  uint32_t interrupts[kFirmwareVectors];
  uint32_t ticks;  // Of the timer.
};

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_TEST_FIRMWARE_REPORT_H_
