// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a guest tells the VMM what it sees and does: a device of two 32-bit
// registers, on x86 two I/O ports, on the Cortex-M board two words of memory.
// Both guests (C) and the VMM (C++) read this file.
//
// A guest writes what an event is about to the argument register and then the
// event's number to the event register. Reading the argument register gives the
// number of messages that the guests are asked to exchange.

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_REPORT_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_REPORT_H_

#include <stdint.h>  // NOLINT(modernize-deprecated-headers): C as well.

enum {
  kReportArgument = 0,  // Offsets.
  kReportEvent = 4,
  kReportSize = 8,
};

// The comment says what the argument is.
enum ReportEvent {
  // How the device looks to the guest. PCI's:
  kReportPciAddress = 1,  // Bus << 8 | device << 3 | function.
  kReportDeviceId,        // Config space's dword 0.
  kReportClass,           // Config space's dword 8.
  kReportSubsystem,       // Config space's dword 0x2c.
  // Add the BAR's number. The flat device has no BARs; its register block is
  // reported as 0, its memory as 2.
  kReportBarAddress = 0x10,
  kReportBarSize = 0x20,
  // Which interrupt of the CPU a vector of the device became: MSI-X's by the
  // vector's number, the flat device's IRQ line as 0.
  kReportInterrupt = 0x30,
  // Both kinds':
  kReportVectors = 0x50,  // How many the device has.
  kReportOwnId,           // IVPosition.
  kReportPeerId,          // Whom the guest found in the shared memory.

  // Progress. The sequence number of the message:
  kReportRequestSent = 0x60,    // Before the doorbell is rung.
  kReportAnswerChecked = 0x61,  // The exchange of this number is complete.

  // What the guest counted, just before it is done:
  kReportMessagesSent = 0x70,
  kReportMessagesChecked,
  kReportBytesSent,  // Payload.
  kReportBytesChecked,
  kReportDoorbells,   // Rung.
  kReportInterrupts,  // Taken.

  // The guest has finished.
  kReportDone = 0x80,  // 0.
  kReportFailed,       // kFailure... << 24 | the last sequence number seen.
};

enum ReportFailure {
  kFailureNoDevice = 1,
  kFailureNoMsix,
  kFailureNoRoom,       // For the BARs, or in the memory for the rings.
  kFailureRingFull,     // Cannot be: nobody sends before he is answered.
  kFailureTorn,         // A message is incomplete.
  kFailureBadLength,    // A message's length cannot be.
  kFailureBadChecksum,  // A message is not what its checksum says.
  kFailureBadSequence,  // A message is missing or came twice.
  kFailureBadEcho,      // The other side read something else than was sent.
};

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_REPORT_H_
