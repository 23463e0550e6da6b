// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "absl/status/status.h"
#include "backends/mock/host.h"
#include "core/switchboard.h"
#include "device/pci_device.h"

// The README shows this function.
absl::Status Embed(ivshmem::mock::Host& vmm) {  // Yours: what a VMM offers.
  static uint8_t bytes[1 << 20];                // Yours: what peers share.
  const ivshmem::SharedMemory memory = {bytes, sizeof(bytes)};

  ivshmem::Switchboard switchboard;  // Joins the devices of this process.
  absl::Status added = switchboard.AddRegion("shared", memory);
  if (!added.ok()) return added;

  auto device = ivshmem::PciDevice::Create(
      {.vectors = 2}, memory,
      {.mmio = &vmm.space(), .mapper = &vmm.space(), .msi = &vmm.msi()});
  if (!device.ok()) return device.status();
  auto port = switchboard.Bind("shared", memory.size, (*device)->device());
  if (!port.ok()) return port.status();

  uint8_t id[4];  // A guest's config read; its BARs then call back by `mmio`.
  (*device)->ConfigRead(0, absl::MakeSpan(id));
  return id[0] == 0xf4 ? absl::OkStatus() : absl::InternalError("not 1af4");
}

int main() {
  ivshmem::mock::Host vmm;
  return Embed(vmm).ok() ? 0 : 1;
}
