// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device in a Xen domain 0, for a domain that runs or is paused:
// docs/embedding-ioreq.md shows the code.

#include <cstdint>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/ioreq/xen/guest_memory.h"
#include "backends/ioreq/xen/libraries.h"
#include "backends/ioreq/xen/msi.h"
#include "backends/ioreq/xen/transport.h"
#include "backends/linux/memory_object.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "device/pci_device.h"

namespace ivshmem {
namespace {

absl::Status Run(uint16_t domain, const SharedMemory& memory) {
  const absl::StatusOr<std::unique_ptr<xen::Libraries>> xen =
      xen::Libraries::Open(domain);
  if (!xen.ok()) return xen.status();
  xen::GuestMemory guest_memory(**xen);
  xen::Msi msi(**xen);
  const absl::StatusOr<std::unique_ptr<xen::Transport>> transport =
      xen::Transport::Open(**xen);
  if (!transport.ok()) return transport.status();
  ioreq::Dispatcher dispatcher((*transport)->claims(), &guest_memory);

  const absl::StatusOr<std::unique_ptr<PciDevice>> device = PciDevice::Create(
      {.vectors = 2}, memory,
      {.mmio = &dispatcher.space(ioreq::Space::kMemory), .msi = &msi});
  if (!device.ok()) return device.status();
  const absl::StatusOr<std::unique_ptr<ioreq::Engine>> engine =
      ioreq::Engine::Start(**transport, dispatcher, {});
  if (!engine.ok()) return engine.status();
  const absl::StatusOr<RegistrationPtr> config =
      dispatcher.space(ioreq::Space::kPciConfig)
          .Claim(pci::EcamOffset(0, 10, 0), pci::kEcamFunctionSize,
                 (*device)->config());
  if (!config.ok()) return config.status();
  std::cin.get();  // Until Enter is pressed.
  return (*engine)->status();
}

}  // namespace
}  // namespace ivshmem

int main(int argc, char** argv) {
  uint32_t domain = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &domain) || domain > 0x7fef) {
    std::cerr << "xen_domain0: expected the number of a domain\n";
    return 2;
  }
  const auto object = ivshmem::MemoryObject::Memfd(1 << 20);
  const auto mapped = object.ok() ? object->Map() : object.status();
  const absl::Status status =
      mapped.ok() ? ivshmem::Run(static_cast<uint16_t>(domain), mapped->view())
                  : mapped.status();
  if (!status.ok()) std::cerr << "xen_domain0: " << status.message() << '\n';
  return status.ok() ? 0 : 1;
}
