// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_CONFIG_PORTS_H_
#define IVSHMEM_BUS_PCI_CONFIG_PORTS_H_

#include <atomic>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::pci {

// Where the 4 KiB of a function's config space are in an ECAM window (PCI
// Express Base 3.0, 7.2.2): `bus` 0..255, `device` 0..31, `function` 0..7.
constexpr uint64_t EcamOffset(int bus, int device, int function) {
  return static_cast<uint64_t>(bus) << 20 | device << 15 | function << 12;
}
constexpr uint64_t kEcamFunctionSize = 0x1000;

// The two ports by which a PC reaches PCI configuration space (PCI Local Bus
// 3.0, 3.2.2.3.2): an address at 0xcf8, the data at 0xcfc.
//
// The address port is there for accesses of 4 bytes; others of it read ones and
// write nothing. Data accesses of any width reach config space while the
// address has its enable bit.
//
// Threading: any thread. As on hardware, two processors that use the ports at
// once get in each other's way; nothing worse comes of it.
class ConfigPorts : public MmioHandler {
 public:
  static constexpr uint64_t kPort = 0xcf8;
  static constexpr uint64_t kPorts = 8;

  // `ecam` holds the config spaces as an ECAM window does, an AddressMap of
  // functions, say; it answers where no function is. It outlives the object.
  explicit ConfigPorts(MmioHandler& ecam) : ecam_(ecam) {}

  // The ports, from kPort.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  MmioHandler& ecam_;
  std::atomic<uint32_t> address_{0};
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_CONFIG_PORTS_H_
