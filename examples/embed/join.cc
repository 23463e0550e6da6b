// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The least that a VMM does to join a server with its device;
// docs/embedding.md shows it.

#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/mock/host.h"
#include "device/pci_device.h"

absl::Status Join(const std::string& socket, ivshmem::mock::Host& vmm) {
  auto thread = ivshmem::LoopThread::Start();  // Or an EventLoop in yours.
  if (!thread.ok()) return thread.status();
  auto link = ivshmem::ServerLink::Start((*thread)->loop(),
                                         {.socket_path = socket}, nullptr);
  if (!link.ok()) return link.status();
  absl::Status joined = (*link)->WaitJoined(absl::Seconds(5));
  if (!joined.ok()) return joined;

  auto device = ivshmem::PciDevice::Create(
      {.vectors = 2}, (*link)->memory(),
      {.mmio = &vmm.space(), .mapper = &vmm.space(), .msi = &vmm.msi()});
  if (!device.ok()) return device.status();
  auto attached = (*link)->Attach((*device)->device());  // Until it goes.
  return attached.status();
}

int main(int argc, char** argv) {
  ivshmem::mock::Host vmm;
  const absl::Status status = Join(argc > 1 ? argv[1] : "/run/ivshmem", vmm);
  if (!status.ok()) std::cerr << "join: " << status.message() << '\n';
  return status.ok() ? 0 : 1;
}
