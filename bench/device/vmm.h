// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_VMM_H_
#define IVSHMEM_BENCH_DEVICE_VMM_H_

#include <cstdint>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "core/notifier.h"
#include "device/pci_device.h"

namespace ivshmem::bench {

// The least that a VMM and a guest's driver do to have a device that works.

// A VMM that hands a message on: to nobody.
class NullMsiSink final : public pci::MsiSink {
 public:
  void Send(const pci::MsiMessage& /*message*/) noexcept override {}
};

// A peer that costs nothing to signal.
class NullNotifier final : public Notifier {
 public:
  Outcome Signal() noexcept override { return Outcome::kSignalled; }
};

// Nothing here fails unless the benchmark is wrong.
inline void Require(const absl::Status& status) {
  if (!status.ok()) std::abort();
}
template <typename T>
T Require(absl::StatusOr<T> result) {
  Require(result.status());
  return *std::move(result);
}

inline void WriteConfig(PciDevice& device, uint64_t offset, uint32_t value) {
  uint8_t bytes[4];
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  device.ConfigWrite(offset, bytes);
}

inline void Write32(MmioHandler& handler, uint64_t offset, uint32_t value) {
  uint8_t bytes[4];
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  handler.Write(offset, bytes);
}

inline uint32_t Read32(MmioHandler& handler, uint64_t offset) {
  uint8_t bytes[4];
  handler.Read(offset, absl::MakeSpan(bytes));
  return static_cast<uint32_t>(LoadLittleEndian(bytes));
}

// Firmware and driver: BARs, decode, a message for each vector, MSI-X.
inline void Start(PciDevice& device) {
  WriteConfig(device, pci::kBar0, 0xfe000000);
  WriteConfig(device, pci::kBar0 + 4, 0xfe100000);
  WriteConfig(device, pci::kBar0 + 8, 0);
  WriteConfig(device, pci::kBar0 + 12, 8);
  WriteConfig(device, pci::kCommand,
              pci::kCommandMemorySpace | pci::kCommandBusMaster);
  for (int v = 0; v < device.device().config().vectors; ++v) {
    MmioHandler& table = device.bar(PciDevice::kMsixBar);
    Write32(table, 16 * v, 0xfee00000);
    Write32(table, 16 * v + 8, 0x40 + v);
    Write32(table, 16 * v + 12, 0);
  }
  uint8_t enable[2];
  StoreLittleEndian(pci::kMsixControlEnable, absl::MakeSpan(enable));
  device.ConfigWrite(pci::kMsixControl, enable);
}

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_VMM_H_
