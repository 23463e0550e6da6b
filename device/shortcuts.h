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
#include "core/events.h"
#include "core/limits.h"
#include "core/revocable.h"
#include "core/settle.h"
#include "device/doorbell_bindings.h"
#include "device/irq_routes.h"
#include "device/trapped_rings.h"

namespace ivshmem {

// Of what a hypervisor offers to do past a device, what limits leave: nothing
// that it would do uncounted.
struct AllowedShortcuts {
  DoorbellAccelerator* doorbells = nullptr;
  IrqRouter* router = nullptr;
};

// Each but `limits` may be null. `events` is warned of what is left out.
AllowedShortcuts Allowed(const Limits& limits, DoorbellAccelerator* doorbells,
                         IrqRouter* router, DeviceEvents* events) noexcept;

// Keeps a device's short cuts through the hypervisor (bound doorbells, routed
// interrupts) as its state wants them.
//
// What no longer holds is taken down on the thread that changed it, before that
// thread goes on, unless another thread is at work here already, which then
// does it next. What is new is set up by the executor, while the trapped path
// serves the guest; without an executor at once. Of many bound doorbells the
// thread takes down only kAtOnce, as each may take a hypervisor a millisecond,
// and the executor the rest (docs/adr/0008).
//
// Threading: everything from any thread at once, also from inside itself.
class Shortcuts {
 public:
  struct Config {
    // Where the guest sees the doorbell register now. Any thread.
    absl::AnyInvocable<std::optional<uint64_t>() const> doorbell_address;
    // Each may be null.
    DoorbellAccelerator* doorbells = nullptr;
    IrqRouter* router = nullptr;
    const pci::Msix* msix = nullptr;  // `router` counts only with this.
    // Of the device's events. Absent: nobody's turn comes.
    TrappedRings* trapped_rings = nullptr;
    Executor* executor = nullptr;
    DeviceEvents* events = nullptr;
  };

  // How many bound doorbells a vCPU that moves the register takes down itself.
  static constexpr int kAtOnce = 32;

  // `device` and what `config` names outlive the object.
  Shortcuts(Device& device, Config config);

  // Takes everything down. Work that the executor still has does nothing.
  ~Shortcuts();

  // Something changed on which bound doorbells depend: where the doorbell is.
  void UpdateDoorbells() noexcept { Update(kDoorbells); }
  // The doorbell can be seen where it is now. Whoever took it away from where
  // it was has said so already, so nothing has to go before the thread goes on.
  void AddDoorbells() noexcept { Update(kPlace); }
  // Something changed on which routes depend: what MSI-X lets through.
  void UpdateRoutes() noexcept { Update(kRoutes); }
  // Peers or the device's id, which both depend on.
  void UpdateAll() noexcept { Update(kDoorbells | kRoutes); }

 private:
  // What is to be done, as bits.
  using Work = uint8_t;
  static constexpr Work kDoorbells = 1;
  static constexpr Work kRoutes = 2;
  static constexpr Work kTurn = 4;
  static constexpr Work kPlace = 8;
  // For which nothing has to go before the executor comes to it.
  static constexpr Work kLater = kTurn | kPlace;

  void Update(Work work) noexcept;
  // At most so many doorbells.
  void TakeDown(int most);
  void Add();
  void AddLater();

  const Config config_;
  std::optional<DoorbellBindings> doorbells_;
  std::optional<IrqRoutes> routes_;
  Work offered_ = 0;  // What there is to be done with these two.
  Settler settler_;
  std::atomic<Work> changed_{0};
  // Of the thread that settles: what was taken down, or only in part.
  Work to_add_ = 0;
  std::atomic<bool> queued_{false};
  const std::shared_ptr<Revocable<Shortcuts>> self_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_SHORTCUTS_H_
