// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_IRQ_ROUTES_H_
#define IVSHMEM_DEVICE_IRQ_ROUTES_H_

#include <memory>
#include <vector>

#include "backends/irq_router.h"
#include "backends/registration.h"
#include "bus/pci/msix.h"
#include "core/device.h"

namespace ivshmem {

// The vectors of one device whose events the hypervisor turns into interrupts
// by itself: those that are connected to an event and that MSI-X lets through
// now. The event of a vector that is masked or has no room stays with whoever
// reads events in this process, who makes it pending through
// Device::OnPeerInterrupt().
//
// Threading: none of its own; one call at a time.
class IrqRoutes {
 public:
  // All outlive the object; `events` may be null.
  IrqRoutes(Device& device, const pci::Msix& msix, IrqRouter& router,
            DeviceEvents* events)
      : device_(device),
        msix_(msix),
        router_(router),
        events_(events),
        routes_(msix.vectors()) {}
  ~IrqRoutes();
  IrqRoutes(const IrqRoutes&) = delete;
  IrqRoutes& operator=(const IrqRoutes&) = delete;

  // Takes down the routes that should not be, or lead elsewhere.
  void TakeDown();

  // Sets up what should be and is not, all at once. What the router has no room
  // for is left to the trapped path.
  void Add();

 private:
  struct Route {
    std::shared_ptr<Notifier> notifier;  // Null: no route.
    pci::MsiMessage message;
    RegistrationPtr registration;
  };

  void Remove(Route& route);

  // The notifier of the device's own vector; null when nobody gave it one.
  std::shared_ptr<Notifier> Own(int vector) const;

  // The route that `vector` should have; its notifier is null if none.
  Route Wanted(int vector) const;

  Device& device_;
  const pci::Msix& msix_;
  IrqRouter& router_;
  DeviceEvents* const events_;
  std::vector<Route> routes_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_IRQ_ROUTES_H_
