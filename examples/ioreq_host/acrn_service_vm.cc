// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device in an ACRN service VM, by /dev/acrn_hsm: docs/embedding-ioreq.md
// shows the code. The guest's RAM, its registers and its firmware are missing:
// they are the VMM's.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
// Before <linux/acrn.h>, which leaves it to others.
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <cerrno>
#include <cstdint>
#include <iostream>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/memory_segments.h"
#include "backends/ioreq/acrn/msi.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "device/pci_device.h"

namespace ivshmem {
namespace {

absl::Status Run(const SharedMemory& memory) {
  const UniqueFd fd(open("/dev/acrn_hsm", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "/dev/acrn_hsm");
  void* const page =
      mmap(nullptr, sizeof(acrn_io_request_buffer), PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (page == MAP_FAILED) return absl::ErrnoToStatus(errno, "the page");
  const absl::Cleanup unmap = [page] {
    munmap(page, sizeof(acrn_io_request_buffer));
  };
  acrn::HsmFd hsm(fd.get());
  acrn_vm_creation creation = {};
  creation.ioreq_buf = reinterpret_cast<uintptr_t>(page);
  creation.cpu_affinity = 1;
  const int created = hsm.Ioctl(ACRN_IOCTL_CREATE_VM, &creation);
  if (created < 0) return acrn::IoctlError(created, "creating the VM");
  const absl::Cleanup destroy = [&hsm] {
    hsm.Ioctl(ACRN_IOCTL_DESTROY_VM, uintptr_t{0});
  };

  const absl::StatusOr<std::unique_ptr<acrn::Transport>> transport =
      acrn::Transport::Create(
          hsm, {.vmid = creation.vmid,
                .vcpus = creation.vcpu_num,
                .page = static_cast<acrn_io_request_buffer*>(page)});
  if (!transport.ok()) return transport.status();
  ioreq::Dispatcher dispatcher(nullptr, nullptr);
  acrn::MsiInjector msi(hsm);
  acrn::MemorySegments segments(hsm);

  const absl::StatusOr<std::unique_ptr<PciDevice>> device =
      PciDevice::Create({.dialect = kAcrn}, memory,
                        {.mmio = &dispatcher.space(ioreq::Space::kMemory),
                         .mapper = &segments,
                         .msi = &msi});
  if (!device.ok()) return device.status();
  const absl::StatusOr<RegistrationPtr> config =
      dispatcher.space(ioreq::Space::kPciConfig)
          .Claim(pci::EcamOffset(0, 3, 0), pci::kEcamFunctionSize,
                 (*device)->config());
  if (!config.ok()) return config.status();
  const absl::StatusOr<std::unique_ptr<ioreq::Engine>> engine =
      ioreq::Engine::Start(**transport, dispatcher, {});
  if (!engine.ok()) return engine.status();

  // Here the VMM loads the guest and sets its first vCPU's registers.
  const int started = hsm.Ioctl(ACRN_IOCTL_START_VM, uintptr_t{0});
  if (started < 0) return acrn::IoctlError(started, "starting the VM");
  std::cin.get();  // Until Enter is pressed.
  hsm.Ioctl(ACRN_IOCTL_PAUSE_VM, uintptr_t{0});
  return (*engine)->status();
}

}  // namespace
}  // namespace ivshmem

int main() {
  const auto object = ivshmem::MemoryObject::Memfd(1 << 20);
  const auto mapped = object.ok() ? object->Map() : object.status();
  const absl::Status status =
      mapped.ok() ? ivshmem::Run(mapped->view()) : mapped.status();
  if (!status.ok()) {
    std::cerr << "acrn_service_vm: " << status.message() << '\n';
  }
  return status.ok() ? 0 : 1;
}
