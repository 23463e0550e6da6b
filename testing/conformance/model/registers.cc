// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/registers.h"

namespace ivshmem::conformance {
namespace {

// A part of an access: `size` bytes, `at` bytes from the access's first.
struct Part {
  uint64_t at;
  uint64_t size;
};

// What the device makes of an access. Defined are 4 bytes at a multiple of 4;
// for the rest the dialect says:
//  - revisions 0 and 1: two registers side by side may be accessed as 8 aligned
//    bytes, the lower first; all else does nothing (docs/adr/0002);
//  - ACRN, the flat device: nothing else does anything;
//  - QEMU: any access is cut into pieces of 4, 2 or 1 bytes, each the largest
//    that is aligned and not longer than what is left.
// No CPU makes other lengths than 1, 2, 4 and 8; they do nothing.
std::vector<Part> Parts(Kind kind, uint64_t offset, uint64_t size) {
  if (size != 1 && size != 2 && size != 4 && size != 8) return {};
  if (kind == Kind::kQemu) {
    std::vector<Part> parts;
    for (uint64_t at = 0; at < size;) {
      uint64_t piece = 4;
      while ((offset + at) % piece != 0 || piece > size - at) piece /= 2;
      parts.push_back({at, piece});
      at += piece;
    }
    return parts;
  }
  if (offset % size != 0) return {};
  if (size == 4) return {{0, 4}};
  const bool pairs = kind == Kind::kRevision0 || kind == Kind::kRevision1;
  if (size == 8 && pairs) return {{0, 4}, {4, 4}};
  return {};
}

uint64_t LowBytes(uint64_t value, uint64_t bytes) {
  return bytes == 8 ? value : value % (uint64_t{1} << (8 * bytes));
}

}  // namespace

// Interrupt Mask: read/write. The flat device has none: it reads 0.
uint32_t Registers::ReadMask() const { return kind == Kind::kFlat ? 0 : mask; }

// Interrupt Status: read/write; reading clears it. ACRN's is plain storage, the
// flat device has none.
uint32_t Registers::ReadStatus() {
  if (kind == Kind::kFlat) return 0;
  const uint32_t value = status;
  if (kind != Kind::kAcrn) status = 0;
  return value;
}

// IVPosition: the device's id, or 0 when it is not configured for interrupts.
// Revision 0 may read -1 until it has its id. ACRN's and the flat device show
// their id in any case.
uint32_t Registers::Position() const {
  const bool always = kind == Kind::kAcrn || kind == Kind::kFlat;
  if (interrupts == Interrupts::kNone && !always) return 0;
  if (id.has_value()) return *id;
  return kind == Kind::kRevision0 ? 0xffffffff : 0;
}

// Doorbell is write-only: nothing can be read there, as from what is reserved.
uint32_t Registers::ReadRegister(uint64_t offset) {
  if (offset == 0) return ReadMask();
  if (offset == 4) return ReadStatus();
  if (offset == 8) return Position();
  return 0;
}

// IVPosition is read-only, and what is reserved is not for writing.
void Registers::WriteRegister(uint64_t offset, uint32_t value,
                              std::vector<uint32_t>& doorbells) {
  const bool storage = kind != Kind::kFlat;
  if (offset == 0 && storage) mask = value;
  if (offset == 4 && storage) status = value;
  if (offset == 12) doorbells.push_back(value);
}

// QEMU: a piece that begins where a register does reads its low bytes; what
// lies inside of a register reads 0.
uint64_t Registers::Read(uint64_t offset, uint64_t size) {
  uint64_t value = 0;
  for (const Part& part : Parts(kind, offset, size)) {
    value |= LowBytes(ReadRegister(offset + part.at), part.size)
             << (8 * part.at);
  }
  return value;
}

// QEMU: a piece that hits a register anywhere replaces all of it.
std::vector<uint32_t> Registers::Write(uint64_t offset, uint64_t size,
                                       uint64_t value) {
  std::vector<uint32_t> doorbells;
  for (const Part& part : Parts(kind, offset, size)) {
    const uint64_t bytes = LowBytes(value >> (8 * part.at), part.size);
    WriteRegister((offset + part.at) / 4 * 4, static_cast<uint32_t>(bytes),
                  doorbells);
  }
  return doorbells;
}

// Mask and Status are 0 on reset; the id is not the guest's to lose.
void Registers::Reset() {
  mask = 0;
  status = 0;
}

// A device of revision 0 without MSI-X says in bit 0 of Status that a peer has
// interrupted. (Elsewhere the specification has the register "set to 1", which
// is the same while the guest leaves the reserved bits alone.)
void Registers::Interrupt() {
  if (interrupts == Interrupts::kIntx) status |= 1;
}

// Revision 0 without MSI-X: INTx is asserted when Status AND Mask is not zero.
bool Registers::Level() const {
  return interrupts == Interrupts::kIntx && (status & mask) != 0;
}

}  // namespace ivshmem::conformance
