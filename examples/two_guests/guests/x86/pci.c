// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/x86/pci.h"

#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/guests/x86/io.h"

enum {
  kCommandStatus = 0x04,
  kHeaderType = 0x0C,  // Bits 23:16 of this dword.
  kFirstBar = 0x10,
  kCapabilities = 0x34,

  kCommandMemory = 1 << 1,
  kCommandBusMaster = 1 << 2,
  kCommandIntxDisable = 1 << 10,
  kStatusCapabilities = 1 << 20,

  kBarIo = 1 << 0,
  kBar64Bit = 1 << 2,
  kBarFlags = 0xF,

  kCapabilityMsix = 0x11,
  kMsixControl = 0,  // Bits 31:16 of this dword.
  kMsixTable = 4,
  kMsixEntryWords = 4,
  kMsixEntryMasked = 1,
};
static const uint32_t kMsixEnable = 1u << 31;
static const uint32_t kMsixFunctionMask = 1u << 30;

uint32_t PciRead(const struct PciFunction* function, uint32_t offset) {
  Out32(X86_PCI_ADDRESS_PORT, 0x80000000u | function->address << 8 | offset);
  return In32(X86_PCI_DATA_PORT);
}

void PciWrite(const struct PciFunction* function, uint32_t offset,
              uint32_t value) {
  Out32(X86_PCI_ADDRESS_PORT, 0x80000000u | function->address << 8 | offset);
  Out32(X86_PCI_DATA_PORT, value);
}

int PciFind(struct PciFunction* function, uint32_t id) {
  for (uint32_t slot = 0; slot < 256 * 32; ++slot) {
    function->address = slot << 3;
    if ((PciRead(function, 0) & 0xFFFF) == 0xFFFF) continue;
    const int several = (PciRead(function, kHeaderType) >> 23) & 1;
    for (uint32_t i = 0; i < (several ? 8 : 1); ++i) {
      function->address = slot << 3 | i;
      if (PciRead(function, 0) == id) return 1;
    }
  }
  return 0;
}

// Sizes and places one BAR. Returns how many of the six it takes up, or 0 when
// it does not fit.
static int PlaceBar(struct PciFunction* function, int bar, uint32_t* next,
                    uint32_t end) {
  const uint32_t offset = kFirstBar + 4 * (uint32_t)bar;
  PciWrite(function, offset, 0xFFFFFFFFu);
  const uint32_t low = PciRead(function, offset);
  const int is_64bit = !(low & kBarIo) && (low & kBar64Bit);
  uint32_t high = 0xFFFFFFFFu;
  if (is_64bit) {
    PciWrite(function, offset + 4, 0xFFFFFFFFu);
    high = PciRead(function, offset + 4);
    PciWrite(function, offset + 4, 0);
  }
  PciWrite(function, offset, 0);
  if (low == 0 && (!is_64bit || high == 0)) return 1;  // There is none.
  if (low & kBarIo) return 1;                          // Not ours to use.
  const uint32_t size = ~(low & ~(uint32_t)kBarFlags) + 1;
  if (high != 0xFFFFFFFFu || size == 0) return 0;  // 4 GiB or more.

  // A page at least, so that each BAR can be mapped by itself.
  const uint32_t room = size < 4096 ? 4096 : size;
  const uint32_t address = (*next + room - 1) & ~(room - 1);
  if (address < *next || address > end || end - address < room) return 0;
  *next = address + room;
  PciWrite(function, offset, address);
  function->bars[bar].address = address;
  function->bars[bar].size = size;
  return is_64bit ? 2 : 1;
}

int PciPlaceBars(struct PciFunction* function, uint32_t* next, uint32_t end) {
  // Status, in the upper half, is cleared by writing ones: write zeros.
  const uint32_t command = PciRead(function, kCommandStatus) & 0xFFFF;
  PciWrite(function, kCommandStatus, command & ~(uint32_t)kCommandMemory);
  for (int bar = 0; bar < kPciBars;) {
    const int taken = PlaceBar(function, bar, next, end);
    if (taken == 0) return 0;
    bar += taken;
  }
  PciWrite(function, kCommandStatus, command | kCommandMemory);
  return 1;
}

int PciFindMsix(struct PciFunction* function) {
  if (!(PciRead(function, kCommandStatus) & kStatusCapabilities)) return 0;
  uint32_t offset = PciRead(function, kCapabilities) & 0xFC;
  // A list that goes in circles ends here too.
  for (int i = 0; offset != 0 && i < 48; ++i) {
    const uint32_t capability = PciRead(function, offset);
    if ((capability & 0xFF) == kCapabilityMsix) {
      const uint32_t table = PciRead(function, offset + kMsixTable);
      const uint32_t bar = table & 7;
      if (bar >= kPciBars || function->bars[bar].address == 0) return 0;
      function->msix_capability = offset;
      function->msix_vectors = ((capability >> 16) & 0x7FF) + 1;
      function->msix_table =
          (volatile uint32_t*)(function->bars[bar].address + (table & ~7u));
      return 1;
    }
    offset = (capability >> 8) & 0xFC;
  }
  return 0;
}

void PciEnableMsix(const struct PciFunction* function, uint32_t vectors,
                   uint32_t first_interrupt) {
  const uint32_t control = function->msix_capability + kMsixControl;
  PciWrite(function, control, kMsixEnable | kMsixFunctionMask);
  for (uint32_t i = 0; i < vectors; ++i) {
    volatile uint32_t* entry = function->msix_table + i * kMsixEntryWords;
    entry[3] = kMsixEntryMasked;
    entry[0] = X86_LOCAL_APIC_ADDRESS;
    entry[1] = 0;
    entry[2] = first_interrupt + i;
    entry[3] = 0;
  }
  PciWrite(function, kCommandStatus,
           (PciRead(function, kCommandStatus) & 0xFFFF) | kCommandBusMaster |
               kCommandIntxDisable);
  PciWrite(function, control, kMsixEnable);
}
