// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/pci_function.h"

#include "bus/pci/registers.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

// The host bridge's two ports (PCI Local Bus 3.0, 3.2.2.3.2).
constexpr uint16_t kConfigAddress = 0xcf8;
constexpr uint16_t kConfigData = 0xcfc;

constexpr int kSlots = 32;
constexpr int kBars = 6;
constexpr uint64_t kPage = 0x1000;

}  // namespace

std::vector<PciFunction> PciFunction::FindAll(Qtest& qtest, uint16_t vendor_id,
                                              uint16_t device_id) {
  std::vector<PciFunction> found;
  for (int slot = 0; slot < kSlots; ++slot) {
    PciFunction function(qtest, slot);
    const uint32_t ids = function.Config(4, pci::kVendorId);
    if (ids == (static_cast<uint32_t>(device_id) << 16 | vendor_id)) {
      found.push_back(function);
    }
  }
  return found;
}

uint32_t PciFunction::Selector(int offset) const {
  return 0x80000000 | slot_ << 11 | (offset & ~3);
}

uint32_t PciFunction::Config(int size, int offset) {
  return qtest_
      ->Run({command::Out(4, kConfigAddress, Selector(offset)),
             command::In(size, kConfigData + (offset & 3))})
      .back();
}

void PciFunction::SetConfig(int size, int offset, uint32_t value) {
  qtest_->Run({command::Out(4, kConfigAddress, Selector(offset)),
               command::Out(size, kConfigData + (offset & 3), value)});
}

std::optional<int> PciFunction::FindCapability(uint8_t id) {
  if ((Config(2, pci::kStatus) & pci::kStatusCapabilities) == 0) return {};
  int offset = pci::kCapabilities;
  // There is room for 48 of them; a list that goes in circles ends too.
  for (int seen = 0; seen < 48; ++seen) {
    offset = static_cast<int>(Config(1, offset));
    if (offset == 0) return {};
    if (Config(1, offset) == id) return offset;
    ++offset;  // To where the next one is.
  }
  return {};
}

PciFunction::Bar PciFunction::ProbeBar(int index) {
  const int offset = pci::kBar0 + 4 * index;
  const auto writable = [this](int dword) {
    const uint32_t before = Config(4, dword);
    SetConfig(4, dword, 0xffffffff);
    const uint32_t after = Config(4, dword);
    SetConfig(4, dword, before);
    return after;
  };
  const uint32_t low = writable(offset);
  const uint32_t type = low & pci::kBarTypeBits;
  uint64_t bits = low & ~pci::kBarTypeBits;
  if (bits == 0) return {};
  bits |= (type & pci::kBar64Bit) != 0
              ? static_cast<uint64_t>(writable(offset + 4)) << 32
              : 0xffffffff00000000;
  return {.type = type, .size = ~bits + 1};
}

uint64_t PciFunction::PlaceBars(uint64_t address) {
  for (int index = 0; index < kBars; ++index) {
    const Bar bar = ProbeBar(index);
    if (bar.size == 0) continue;
    address = (address + bar.size - 1) & ~(bar.size - 1);
    bars_[index] = address;
    SetConfig(4, pci::kBar0 + 4 * index, static_cast<uint32_t>(address));
    address = (address + bar.size + kPage - 1) & ~(kPage - 1);
    if ((bar.type & pci::kBar64Bit) != 0) {
      ++index;
      SetConfig(4, pci::kBar0 + 4 * index, 0);
    }
  }
  SetConfig(2, pci::kCommand,
            pci::kCommandMemorySpace | pci::kCommandBusMaster);
  return address;
}

}  // namespace ivshmem::qemu
