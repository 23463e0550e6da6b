// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/msix.h"

#include <algorithm>

namespace ivshmem::conformance {
namespace {

constexpr uint64_t kEntrySize = 16;

// Software makes aligned accesses of 4 and 8 bytes; what others do is
// undefined. Here they read 0 and write nothing.
bool Defined(uint64_t offset, uint64_t size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

}  // namespace

MsixPlaces MsixPlacesFor(uint64_t vectors) {
  MsixPlaces places;
  places.pending = std::max<uint64_t>(0x800, vectors * kEntrySize);
  const uint64_t needed = places.pending + (vectors + 63) / 64 * 8;
  places.bar_size = 0x1000;
  while (places.bar_size < needed) places.bar_size *= 2;
  return places;
}

// The entries are those of the table; each bit of the PBA is one entry's.
// Reserved bits read 0, and so does what is neither.
uint32_t Msix::ReadDword(uint64_t offset) const {
  const uint64_t pending = MsixPlacesFor(entries.size()).pending;
  if (offset < entries.size() * kEntrySize) {
    const Entry& entry = entries[offset / kEntrySize];
    const uint32_t dwords[] = {entry.address, entry.upper_address, entry.data,
                               entry.control};
    return dwords[offset % kEntrySize / 4];
  }
  uint32_t bits = 0;
  for (uint64_t bit = 0; offset >= pending && bit < 32; ++bit) {
    const uint64_t vector = (offset - pending) * 8 + bit;
    if (vector < entries.size() && entries[vector].pending) {
      bits |= uint32_t{1} << bit;
    }
  }
  return bits;
}

// The message is what software writes. The two low bits of its address may be
// hardwired or not, and where software does not leave them zero the result is
// undefined: here they are kept, and sent. Nor is it defined what becomes of
// other values of Vector Control's reserved bits than zero, those after reset;
// here they are kept. Pending bits are not software's to write.
void Msix::WriteDword(uint64_t offset, uint32_t value) {
  if (offset >= entries.size() * kEntrySize) return;
  Entry& entry = entries[offset / kEntrySize];
  switch (offset % kEntrySize) {
    case 0:
      entry.address = value;
      break;
    case 4:
      entry.upper_address = value;
      break;
    case 8:
      entry.data = value;
      break;
    default:
      entry.control = value;
  }
}

uint64_t Msix::Read(uint64_t offset, uint64_t size) const {
  if (!Defined(offset, size)) return 0;
  uint64_t value = ReadDword(offset);
  if (size == 8) value |= uint64_t{ReadDword(offset + 4)} << 32;
  return value;
}

// Eight bytes are one write: what they change together shows together.
void Msix::Write(uint64_t offset, uint64_t size, uint64_t value) {
  if (!Defined(offset, size)) return;
  WriteDword(offset, static_cast<uint32_t>(value));
  if (size == 8) WriteDword(offset + 4, static_cast<uint32_t>(value >> 32));
}

// Neither the function nor the vector is masked, and the function may write to
// memory at all, as a message is a write.
bool Msix::MaySend(const Entry& entry) const {
  return enabled && bus_master && !function_masked && entry.control % 2 == 0;
}

void Msix::Send(Entry& entry, std::vector<SentMessage>& sent) const {
  sent.push_back(
      {entry.address | uint64_t{entry.upper_address} << 32, entry.data});
  entry.pending = false;
}

// While MSI-X is off, the function has no way to interrupt and nobody waits:
// the interrupt is lost (docs/adr/0002; QEMU's is as well). While it is on and
// masked, the vector's pending bit is set. A peer's interrupt of a vector that
// the device lacks goes nowhere.
void Msix::Interrupt(uint64_t vector, std::vector<SentMessage>& sent) {
  if (!enabled || vector >= entries.size()) return;
  Entry& entry = entries[vector];
  if (MaySend(entry)) {
    Send(entry, sent);
  } else {
    entry.pending = true;
  }
}

// What is pending is sent, once, when it is no longer masked.
void Msix::SendPending(std::vector<SentMessage>& sent) {
  for (Entry& entry : entries) {
    if (entry.pending && MaySend(entry)) Send(entry, sent);
  }
}

// All vectors are masked after reset, and all else is 0.
void Msix::Reset() {
  for (Entry& entry : entries) entry = Entry();
}

}  // namespace ivshmem::conformance
