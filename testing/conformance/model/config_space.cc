// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/config_space.h"

#include "testing/conformance/model/msix.h"

namespace ivshmem::conformance {

void ConfigSpace::Set(int offset, int size, uint64_t value) {
  for (int i = 0; i < size; ++i) {
    bytes_[offset + i] = static_cast<uint8_t>(value >> (8 * i));
  }
}

void ConfigSpace::LetWrite(int offset, int size, uint64_t bits) {
  for (int i = 0; i < size; ++i) {
    writable_[offset + i] = static_cast<uint8_t>(bits >> (8 * i));
  }
}

uint64_t ConfigSpace::Get(int offset, int size) const {
  uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    value |= uint64_t{bytes_[offset + i]} << (8 * i);
  }
  return value;
}

// Vendor 1af4, device 1110, revision 1, or 0 before QEMU 2.6; to the guest it
// is RAM (class 0500). PCI 6.2.1, 6.2.4: none of that can be written.
void ConfigSpace::Identify(const Facts& facts) {
  Set(0x00, 2, 0x1af4);
  Set(0x02, 2, 0x1110);
  Set(0x08, 1, facts.kind == Kind::kRevision0 ? 0 : 1);
  Set(0x09, 3, 0x050000);
  Set(0x0e, 1, facts.multi_function ? 0x80 : 0x00);
  Set(0x2c, 2, facts.subsystem_vendor_id);
  Set(0x2e, 2, facts.subsystem_id);
}

// PCI 6.2.5.1: the bits below the size of a memory BAR are hardwired, to zero
// but for the type, which is how software finds the size: it writes ones and
// looks.
void ConfigSpace::LayOutBar(int bar, uint64_t size, uint32_t type) {
  const int width = Is64Bit(bar) ? 8 : 4;
  bar_sizes_[bar] = size;
  Set(0x10 + 4 * bar, width, type);
  LetWrite(0x10 + 4 * bar, width, ~(size - 1));
}

// PCI 6.8.2: a capability 11h that names the table's size and where in which
// BAR table and pending bits are; software writes Enable and Function Mask.
// QEMU's and ACRN's is at 40h.
void ConfigSpace::AddMsix(const Facts& facts) {
  constexpr int kAt = 0x40;
  constexpr uint32_t kBar = 1;
  const MsixPlaces places = MsixPlacesFor(facts.vectors);
  Set(0x06, 2, 0x10);  // There is a list of capabilities.
  Set(0x34, 1, kAt);
  Set(kAt, 1, 0x11);
  Set(kAt + 2, 2, facts.vectors - 1);
  LetWrite(kAt + 2, 2, 0xc000);
  Set(kAt + 4, 4, kBar);
  Set(kAt + 8, 4, places.pending | kBar);
  LayOutBar(1, places.bar_size, 0);
  msix_ = true;
}

ConfigSpace::ConfigSpace(const Facts& facts) {
  Identify(facts);
  // PCI 6.2.2: a device has those command bits that it has a use for. Software
  // may in any case switch I/O, memory, the bus's use, SERR# and INTx as it
  // does in QEMU's device, of which the specification says no more.
  LetWrite(0x04, 2, 0x1 | 0x2 | 0x4 | 0x100 | 0x400);
  // PCI 6.2.4: for software's own use. Cache Line Size has no effect here.
  LetWrite(0x0c, 1, 0xff);
  LetWrite(0x3c, 1, 0xff);
  // Registers, 256 bytes; the memory, 64 bits wide and prefetchable as in QEMU.
  LayOutBar(0, 256, 0);
  LayOutBar(2, facts.memory_size, 0xc);
  if (facts.interrupts == Interrupts::kMsix) AddMsix(facts);
  // PCI 6.2.4: the pin that the function uses; 0 for none.
  if (facts.interrupts == Interrupts::kIntx) Set(0x3d, 1, 1);
}

void ConfigSpace::PlaceByFirmware(const Facts& facts) {
  for (int bar = 0; bar < 3; ++bar) {
    if (!facts.firmware_bars[bar].has_value()) continue;
    for (int i = 0; i < (Is64Bit(bar) ? 8 : 4); ++i) {
      Write(0x10 + 4 * bar + i,
            static_cast<uint8_t>(*facts.firmware_bars[bar] >> (8 * i)));
    }
  }
}

// PCI 6.2.3: Interrupt Status shows what the device wants, Interrupt Disable
// or not.
uint8_t ConfigSpace::Read(uint64_t offset, bool intx_wanted) const {
  if (offset >= bytes_.size()) return 0xff;
  const uint8_t wanted = offset == 0x06 && intx_wanted ? 0x08 : 0;
  return bytes_[offset] | wanted;
}

void ConfigSpace::Write(uint64_t offset, uint8_t value) {
  if (offset >= bytes_.size()) return;
  const uint8_t writable = writable_[offset];
  bytes_[offset] =
      static_cast<uint8_t>((bytes_[offset] & ~writable) | (value & writable));
}

// PCI 6.2.2: memory is decoded when Memory Space says so. Two addresses are
// none: 0, at which no BAR has been placed yet, and that which ends where the
// BAR's width does, as this is what a BAR holds while its size is asked for.
std::optional<uint64_t> ConfigSpace::BarAddress(int bar) const {
  const uint64_t size = bar_sizes_[bar];
  if (size == 0 || !Decodes()) return std::nullopt;
  const uint64_t address =
      Get(0x10 + 4 * bar, Is64Bit(bar) ? 8 : 4) & ~uint64_t{0xf};
  const uint64_t highest = Is64Bit(bar) ? ~uint64_t{0} : 0xffffffff;
  if (address == 0 || address + (size - 1) == highest) return std::nullopt;
  return address;
}

bool ConfigSpace::MsixEnabled() const {
  return msix_ && (Get(0x42, 2) & 0x8000) != 0;
}

bool ConfigSpace::MsixFunctionMasked() const {
  return msix_ && (Get(0x42, 2) & 0x4000) != 0;
}

}  // namespace ivshmem::conformance
