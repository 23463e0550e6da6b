// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/aim.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "bus/pci/registers.h"
#include "core/registers.h"

namespace ivshmem::script {
namespace {

// Accesses end up to so far behind what they are of.
constexpr uint64_t kBehind = 16;
constexpr uint64_t kConfigBytes = 256;
constexpr uint64_t kBlockBytes = 256;
constexpr uint64_t kRegisterBytes = 16;
constexpr uint64_t kEntryBytes = 16;
constexpr uint64_t kPageBytes = 0x1000;

constexpr uint32_t kSizes[16] = {4, 1, 2, 8, 4, 4,  1,  2,
                                 8, 3, 5, 6, 7, 12, 33, 64};

constexpr uint64_t kValues[] = {
    ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 32,   0x0123456789abcdef,
    0x800000000,  0x40'00000001,     0xffffff00'ffffffff, 0x2'0000'00020001};

constexpr uint32_t kCommands[] = {
    pci::kCommandMemorySpace | pci::kCommandBusMaster,
    pci::kCommandMemorySpace,
    pci::kCommandBusMaster,
    0,
    pci::kCommandMemorySpace | pci::kCommandBusMaster |
        pci::kCommandInterruptDisable,
    0xffff,
    pci::kCommandMemorySpace | pci::kCommandBusMaster | pci::kCommandIoSpace,
    pci::kCommandMemorySpace | pci::kCommandBusMaster};

constexpr uint32_t kMsixControls[] = {
    pci::kMsixControlEnable, 0,
    pci::kMsixControlEnable | pci::kMsixControlFunctionMask,
    pci::kMsixControlFunctionMask};

constexpr uint16_t kVectors[] = {0, 1, 2, 3, 0x100, 0x101, 0xff, 0xffff};

template <typename T, size_t size>
T Pick(const T (&list)[size], uint64_t i) {
  return list[i % size];
}

void SetSize(uint32_t size, Access& access) {
  if (size != 4) access.set_size(size);
}

// Where accesses by address go: pages with something in them, and others.
uint64_t Page(uint64_t i, const Aims& aims) {
  switch (i % 16) {
    case 0:
    case 1:
      return aims.homes[0];
    case 2:
      return aims.homes[1];
    case 3:
      return aims.homes[2];
    case 4:
      return aims.homes[2] + aims.memory - kPageBytes / 2;
    case 5:
      return aims.others[0];
    case 6:
      return aims.others[1];
    case 7:
      return aims.others[2];
    case 8:
      return aims.others[2] + aims.memory - kPageBytes / 2;
    case 9:
      return aims.homes[0] - kPageBytes / 2;
    case 10:
      return 0;
    case 11:
      return 0xc0000000;
    case 12:
      return 0x100000000;
    case 13:
      return uint64_t{1} << 40;
    case 14:
      return 0xfffff000;
    default:
      return ~uint64_t{0} - (kPageBytes - 1);
  }
}

// What a guest writes to the half `dword` of BARs 0 to 2.
uint32_t BarValue(int dword, const Raw& raw, const Aims& aims) {
  const int bar = std::min(dword, 2);
  const int shift = dword > 2 ? 32 : 0;
  switch (raw.value % 8) {
    case 0:
      return 0;
    case 1:
      return 0xffffffff;
    case 2:
    case 3:
      return static_cast<uint32_t>(aims.others[bar] >> shift);
    case 4:
      return static_cast<uint32_t>(raw.value & ~0xfffffu);
    default:
      return static_cast<uint32_t>(aims.homes[bar] >> shift);
  }
}

uint32_t EntryValue(int vector, int dword, const Raw& raw, int index) {
  switch (dword) {
    case 0:
      return static_cast<uint32_t>(MessageAddress(index, vector)) +
             raw.value % 4 * 4;
    case 1:
      return 0;
    case 2:
      return raw.value & 0xff;
    default:
      return raw.value & 1;
  }
}

// An access whose value, where it is a write, the form says.
Access Aimed(uint32_t value, uint32_t size, bool write) {
  Access access;
  SetSize(size, access);
  if (write) access.set_value(Cut(value, size));
  return access;
}

Access DoorbellOf(const Raw& raw) {
  const uint16_t peer = kFavouriteIds[(raw.value >> 16) % kFavouriteIds.size()];
  Access access = Aimed(
      static_cast<uint32_t>(peer) << 16 | Pick(kVectors, raw.value & 0xffff), 4,
      raw.write);
  access.set_registers(kDoorbellOffset);
  return access;
}

Access MsixEntry(const Raw& raw, const Aims& aims, int index) {
  const int vector = raw.where % (aims.vectors + 1);
  const int dword = raw.where / 256 % 4;
  Access access = Aimed(EntryValue(vector, dword, raw, index), 4, raw.write);
  access.set_msix(kEntryBytes * vector + 4 * dword);
  return access;
}

Access BarRegister(const Raw& raw, const Aims& aims) {
  const int dword = raw.where % 8 % 6;
  Access access =
      Aimed(dword < 4 ? BarValue(dword, raw, aims) : raw.value, 4, raw.write);
  access.set_config(pci::kBar0 + 4 * dword);
  return access;
}

Access MsixCapability(const Raw& raw) {
  if (raw.where % 4 == 0) {
    Access access = Aimed(raw.value, 4, raw.write);
    access.set_config(pci::kMsixCapability + raw.where / 4 % 4 * 4);
    return access;
  }
  Access access = Aimed(Pick(kMsixControls, raw.value), 2, raw.write);
  access.set_config(pci::kMsixControl);
  return access;
}

// A place that the form leaves to the bytes.
void SetPlace(const Raw& raw, const Aims& aims, Access& access) {
  switch (raw.form) {
    case Form::kConfig:
      access.set_config(raw.where % (kConfigBytes + kBehind));
      return;
    case Form::kRegisters:
      access.set_registers(raw.where % (kBlockBytes + kBehind));
      return;
    case Form::kRegister:
      access.set_registers(raw.where % kRegisterBytes);
      return;
    case Form::kMsix:
      access.set_msix(raw.where);
      return;
    case Form::kPendingBits:
      access.set_msix(aims.pending + raw.where % 32 / 4 * 4);
      return;
    case Form::kMemory:
      access.set_memory(raw.where % (aims.memory + kBehind));
      return;
    case Form::kEndOfMemory:
      access.set_memory(aims.memory - kBehind + raw.where % (2 * kBehind));
      return;
    default:
      access.set_address(Page(raw.where / kPageBytes, aims) +
                         raw.where % kPageBytes);
  }
}

// The forms that a flat device has no place for become others.
Form FormFor(Form form, bool flat) {
  if (!flat) return form;
  switch (form) {
    case Form::kConfig:
    case Form::kMsixCapability:
      return Form::kRegisters;
    case Form::kCommand:
    case Form::kBar:
      return Form::kRegister;
    case Form::kMsix:
    case Form::kPendingBits:
      return Form::kMemory;
    case Form::kMsixEntry:
      return Form::kDoorbell;
    default:
      return form;
  }
}

}  // namespace

uint64_t ValueOf(Meaning meaning, uint32_t value) {
  const auto wide = static_cast<uint64_t>(value);
  switch (meaning) {
    case Meaning::kLiteral:
      return wide;
    case Meaning::kTwice:
      return wide << 32 | wide;
    case Meaning::kOnesAbove:
      return 0xffffffff'00000000 | wide;
    case Meaning::kListed:
      break;
  }
  return Pick(kValues, value);
}

void SetValue(uint64_t value, uint32_t size, Raw& raw) {
  raw.meaning = Meaning::kLiteral;
  raw.value = static_cast<uint32_t>(value);
  if (value >> 32 == 0) return;
  for (const Meaning meaning : {Meaning::kTwice, Meaning::kOnesAbove}) {
    if (Cut(ValueOf(meaning, raw.value), size) != value) continue;
    raw.meaning = meaning;
    return;
  }
  for (uint32_t i = 0; i < std::size(kValues); ++i) {
    if (Cut(kValues[i], size) != value) continue;
    raw.meaning = Meaning::kListed;
    raw.value = i;
    return;
  }
}

uint64_t Cut(uint64_t value, uint32_t size) {
  return size >= 8 ? value : value & ((uint64_t{1} << 8 * size) - 1);
}

Access AccessOf(const Raw& raw, const Aims& aims, int index) {
  Raw fitting = raw;
  fitting.form = FormFor(raw.form, aims.flat);
  switch (fitting.form) {
    case Form::kCommand: {
      Access access = Aimed(Pick(kCommands, raw.value), 2, raw.write);
      access.set_config(pci::kCommand);
      return access;
    }
    case Form::kBar:
      return BarRegister(raw, aims);
    case Form::kMsixCapability:
      return MsixCapability(raw);
    case Form::kDoorbell:
      return DoorbellOf(raw);
    case Form::kMsixEntry:
      return MsixEntry(raw, aims, index);
    default:
      break;
  }
  const uint32_t size = Pick(kSizes, raw.size);
  Access access;
  SetPlace(fitting, aims, access);
  SetSize(size, access);
  if (raw.write) access.set_value(Cut(ValueOf(raw.meaning, raw.value), size));
  return access;
}

bool SetAccess(const Access& access, const Aims& aims, Raw& raw) {
  const uint32_t size = access.has_size() ? access.size() : 4;
  const auto* const found =
      std::find(std::begin(kSizes), std::end(kSizes), size);
  raw.size = found == std::end(kSizes)
                 ? 0
                 : static_cast<uint8_t>(found - std::begin(kSizes));
  SetValue(access.value(), size, raw);
  const auto place = [&raw](Form form, uint64_t where) {
    raw.form = form;
    raw.where = static_cast<uint16_t>(where);
    return true;
  };
  switch (access.place_case()) {
    case Access::kConfig:
      return place(Form::kConfig, access.config());
    case Access::kRegisters:
      return place(Form::kRegisters, access.registers());
    case Access::kMsix:
      return place(Form::kMsix, access.msix());
    case Access::kMemory:
      return place(Form::kMemory, access.memory());
    case Access::kAddress:
      for (uint64_t i = 0; i < 16; ++i) {
        const uint64_t offset = access.address() - Page(i, aims);
        if (offset >= kPageBytes) continue;
        return place(Form::kAddress, i * kPageBytes + offset);
      }
      return place(Form::kAddress, access.address());
    case Access::PLACE_NOT_SET:
      break;
  }
  return false;
}

}  // namespace ivshmem::script
