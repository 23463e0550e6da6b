// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Two devices on one guest of a hypervisor, served through its I/O request
// page. The hypervisor is simulated in a process of its own.

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/linux/memory_object.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "examples/ioreq_host/counting_transport.h"
#include "examples/ioreq_host/flags.h"
#include "examples/ioreq_host/guest.h"
#include "examples/ioreq_host/hypervisor.h"

namespace ivshmem::ioreq_host {
namespace {

constexpr uint64_t kSize = 1 << 20;
constexpr const char* kRegion = "example";

absl::Status Run(bool is_acrn, uint64_t requests) {
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(kSize);
  if (!object.ok()) return object.status();
  const absl::StatusOr<MappedMemory> mapped = object->Map();
  if (!mapped.ok()) return mapped.status();
  const SharedMemory memory = mapped->view();
  Switchboard switchboard;
  absl::Status status = switchboard.AddRegion(kRegion, memory);
  if (!status.ok()) return status;

  const absl::StatusOr<std::unique_ptr<Hypervisor>> hypervisor =
      is_acrn ? StartAcrn(memory, *object) : StartXen();
  if (!hypervisor.ok()) return hypervisor.status();
  CountingTransport transport((*hypervisor)->transport());
  ioreq::Dispatcher dispatcher(transport.claims(),
                               (*hypervisor)->guest_memory());

  struct Plugged {
    std::unique_ptr<PciDevice> device;
    std::unique_ptr<Switchboard::Port> port;
    RegistrationPtr config;
  };
  std::vector<Plugged> devices;
  for (const int number : {3, 4}) {
    absl::StatusOr<std::unique_ptr<PciDevice>> device =
        PciDevice::Create({.dialect = is_acrn ? kAcrn : kRevision1}, memory,
                          {.mmio = &dispatcher.space(ioreq::Space::kMemory),
                           .mapper = (*hypervisor)->mapper(),
                           .msi = &(*hypervisor)->msi()});
    if (!device.ok()) return device.status();
    absl::StatusOr<std::unique_ptr<Switchboard::Port>> port = switchboard.Bind(
        kRegion, kSize, (*device)->device(), static_cast<PeerId>(number - 2));
    if (!port.ok()) return port.status();
    absl::StatusOr<RegistrationPtr> config =
        dispatcher.space(ioreq::Space::kPciConfig)
            .Claim(pci::EcamOffset(0, number, 0), pci::kEcamFunctionSize,
                   (*device)->config());
    if (!config.ok()) return config.status();
    devices.push_back({.device = *std::move(device),
                       .port = *std::move(port),
                       .config = *std::move(config)});
  }

  absl::StatusOr<std::unique_ptr<ioreq::Engine>> engine =
      ioreq::Engine::Start(transport, dispatcher, {});
  if (!engine.ok()) return engine.status();
  status = Guest(**hypervisor, memory).Run([&transport, requests] {
    return transport.total() >= requests;
  });
  status.Update((*engine)->status());
  *engine = nullptr;  // Before the devices go.

  std::cout << transport.Text();
  const ioreq::Dispatcher::Counts counts = dispatcher.counts();
  std::cout << absl::StrFormat(
      "not answered by a device: %d unclaimed, %d spanning, %d malformed\n",
      counts.unclaimed, counts.spanning, counts.malformed);
  if (status.ok() && counts.spanning + counts.malformed > 0) {
    status = absl::InternalError("requests that no guest makes");
  }
  const std::string violations = (*hypervisor)->Violations();
  if (status.ok() && !violations.empty()) {
    status = absl::InternalError(violations);
  }
  return status;
}

int Main(int argc, const char* const* argv) {
  const absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    std::cerr << "ioreq_host: " << flags.status().message() << '\n';
    return 2;
  }
  if (!flags->help.empty()) {
    std::cout << flags->help;
    return 0;
  }
  const absl::Status status = Run(flags->hypervisor == "acrn", flags->requests);
  if (!status.ok()) {
    std::cerr << "ioreq_host: " << status.message() << '\n';
    return 1;
  }
  std::cout << "all as it should be\n";
  return 0;
}

}  // namespace
}  // namespace ivshmem::ioreq_host

int main(int argc, char** argv) {
  return ivshmem::ioreq_host::Main(argc, argv);
}
