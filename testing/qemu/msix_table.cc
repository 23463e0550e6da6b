// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/msix_table.h"

#include <vector>

#include "bus/pci/registers.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

// From the capability and from an entry (PCI Local Bus 3.0, 6.8.2).
constexpr int kControl = 2;
constexpr int kTable = 4;
constexpr int kPendingBits = 8;
constexpr uint32_t kBarBits = 7;
constexpr uint64_t kEntryBytes = 16;
constexpr uint64_t kEntryControl = 12;

// The address that such a register means: the BAR's number is in its low bits.
uint64_t Place(const PciFunction& function, uint32_t bits) {
  return function.bar(static_cast<int>(bits & kBarBits)) + (bits & ~kBarBits);
}

}  // namespace

MsixTable::MsixTable(PciFunction& function)
    : function_(function),
      capability_(function.FindCapability(pci::kMsixCapabilityId).value_or(0)) {
  if (capability_ == 0) return;
  vectors_ =
      static_cast<int>(function.Config(2, capability_ + kControl) & 0x7ff) + 1;
  const uint32_t table = function.Config(4, capability_ + kTable);
  const uint32_t pending = function.Config(4, capability_ + kPendingBits);
  table_ = Place(function, table);
  pending_bits_ = Place(function, pending);
}

void MsixTable::SetControl(bool enable, bool function_mask) {
  function_.SetConfig(2, capability_ + kControl,
                      (enable ? pci::kMsixControlEnable : 0) |
                          (function_mask ? pci::kMsixControlFunctionMask : 0));
}

MsixTable::Entry MsixTable::Get(int vector) {
  const uint64_t entry = table_ + kEntryBytes * vector;
  const std::vector<uint64_t> dwords = function_.qtest().Run(
      {command::Read(4, entry), command::Read(4, entry + 4),
       command::Read(4, entry + 8), command::Read(4, entry + kEntryControl)});
  return {.address = dwords[1] << 32 | dwords[0],
          .data = static_cast<uint32_t>(dwords[2]),
          .control = static_cast<uint32_t>(dwords[3])};
}

void MsixTable::Set(int vector, const Entry& entry) {
  const uint64_t place = table_ + kEntryBytes * vector;
  function_.qtest().Run(
      {command::Write(4, place, entry.address & 0xffffffff),
       command::Write(4, place + 4, entry.address >> 32),
       command::Write(4, place + 8, entry.data),
       command::Write(4, place + kEntryControl, entry.control)});
}

void MsixTable::Mask(int vector, bool masked) {
  function_.qtest().Run(MaskCommand(vector, masked));
}

bool MsixTable::Pending(int vector) {
  const uint64_t bits = function_.qtest().Run(PendingCommand(vector));
  return (bits >> (vector % 32) & 1) != 0;
}

std::string MsixTable::MaskCommand(int vector, bool masked) const {
  return command::Write(4, table_ + kEntryBytes * vector + kEntryControl,
                        masked ? 1 : 0);
}

std::string MsixTable::PendingCommand(int vector) const {
  return command::Read(4, pending_bits_ + vector / 32 * 4);
}

}  // namespace ivshmem::qemu
