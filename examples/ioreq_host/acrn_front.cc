// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device inside a hypervisor, on ACRN's I/O emulation interface, with no
// page: docs/embedding-ioreq.md shows the code.

#include <cstdint>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/address_map.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/front.h"
#include "backends/ioreq/acrn/front_space.h"
#include "backends/linux/memory_object.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "device/pci_device.h"

namespace ivshmem {
namespace {

absl::Status Run(const SharedMemory& memory) {
  acrn::EmulationRanges ranges;
  acrn::FrontSpace bars(ranges, acrn::FrontSpace::Kind::kMemory);
  acrn::FrontSpace ports(ranges, acrn::FrontSpace::Kind::kPorts);
  absl::Status status = bars.AddWindow(0xe0000000, 0x10000000);
  status.Update(
      ports.AddWindow(pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts));
  if (!status.ok()) return status;

  AddressMap bus;
  pci::ConfigPorts config_ports(bus);
  const absl::StatusOr<RegistrationPtr> at_ports = ports.Claim(
      pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts, config_ports);
  if (!at_ports.ok()) return at_ports.status();
  const absl::StatusOr<std::unique_ptr<PciDevice>> device =
      PciDevice::Create({.dialect = kAcrn}, memory, {.mmio = &bars});
  if (!device.ok()) return device.status();
  const absl::StatusOr<RegistrationPtr> function = bus.Claim(
      pci::EcamOffset(0, 3, 0), pci::kEcamFunctionSize, (*device)->config());
  if (!function.ok()) return function.status();
  ranges.Launch();
  acrn::Front front(ranges, nullptr);

  // A vCPU's exits: it reads the ids of 00:03.0.
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PORTIO;
  request.reqs.pio_request.direction = ACRN_IOREQ_DIR_WRITE;
  request.reqs.pio_request.address = 0xcf8;
  request.reqs.pio_request.size = 4;
  request.reqs.pio_request.value = 0x80001800;
  int result = front.Emulate(/*vcpu=*/0, request);
  if (result != 0) return absl::ErrnoToStatus(-result, "0xcf8");
  request.reqs.pio_request.direction = ACRN_IOREQ_DIR_READ;
  request.reqs.pio_request.address = 0xcfc;
  result = front.Emulate(/*vcpu=*/0, request);
  if (result != 0) return absl::ErrnoToStatus(-result, "0xcfc");
  std::cout << absl::StrFormat("%#x\n", request.reqs.pio_request.value);
  return absl::OkStatus();
}

}  // namespace
}  // namespace ivshmem

int main() {
  const auto object = ivshmem::MemoryObject::Memfd(1 << 20);
  const auto mapped = object.ok() ? object->Map() : object.status();
  const absl::Status status =
      mapped.ok() ? ivshmem::Run(mapped->view()) : mapped.status();
  if (!status.ok()) std::cerr << "acrn_front: " << status.message() << '\n';
  return status.ok() ? 0 : 1;
}
