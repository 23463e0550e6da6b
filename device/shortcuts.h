// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_SHORTCUTS_H_
#define IVSHMEM_DEVICE_SHORTCUTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "backends/executor.h"
#include "core/revocable.h"
#include "core/settle.h"
#include "device/doorbell_bindings.h"
#include "device/irq_routes.h"

namespace ivshmem {

// Keeps a device's short cuts through the hypervisor (bound doorbells, routed
// interrupts) as its state wants them.
//
// What no longer holds is taken down on the thread that changed it, before that
// thread goes on, unless another thread is at work here already, which then
// does it next. What is new is set up by the executor, while the trapped path
// serves the guest; without an executor at once.
//
// Threading: Update() from any thread at once, also from inside itself.
class Shortcuts {
 public:
  struct Config {
    // Where the guest sees the doorbell register now. Any thread.
    absl::AnyInvocable<std::optional<uint64_t>() const> doorbell_address;
    // Each may be null.
    DoorbellAccelerator* doorbells = nullptr;
    IrqRouter* router = nullptr;
    const pci::Msix* msix = nullptr;  // `router` counts only with this.
    Executor* executor = nullptr;
    DeviceEvents* events = nullptr;
  };

  // `device` and what `config` names outlive the object.
  Shortcuts(Device& device, Config config);

  // Takes everything down. Work that the executor still has does nothing.
  ~Shortcuts();

  // Something changed on which short cuts depend: peers, the device's id, where
  // the doorbell is, what MSI-X lets through.
  void Update() noexcept;

 private:
  void TakeDown();
  void Add();
  void AddLater();

  const Config config_;
  std::optional<DoorbellBindings> doorbells_;
  std::optional<IrqRoutes> routes_;
  Settler settler_;
  std::atomic<bool> queued_{false};
  const std::shared_ptr<Revocable<Shortcuts>> self_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_SHORTCUTS_H_
