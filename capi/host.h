// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_HOST_H_
#define IVSHMEM_CAPI_HOST_H_

#include "backends/executor.h"
#include "backends/linux/event_loop.h"
#include "capi/host_addresses.h"
#include "capi/host_interrupts.h"
#include "capi/host_shortcuts.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// Takes a caller's host, or none for null, and checks that what does has what
// undoes. Returns 0 or a negative errno.
int CopyHost(const ivshmem_host* from, ivshmem_host& to);

// An ivshmem_host as the devices want it. Outlives the device.
class Host {
 public:
  Host(const ivshmem_host& host, ivshmem_device* device)
      : host_(host),
        msi_(host_),
        line_(host_, device),
        pulse_(host_),
        events_(host_, device),
        mapper_(host_, device),
        space_(host_, device),
        doorbells_(host_, device),
        router_(host_, device),
        executor_(host_, device) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // `loop`, which may be null, runs the work for a host that does not, and has
  // the timers.
  PciDevice::Host ForPci(EventLoop* loop);
  FlatDevice::Host ForFlat(EventLoop* loop);

 private:
  Executor* Runs(EventLoop* loop);

  const ivshmem_host host_;
  HostMsi msi_;
  HostLine line_;
  HostPulse pulse_;
  HostEvents events_;
  HostMapper mapper_;
  HostSpace space_;
  HostDoorbells doorbells_;
  HostRouter router_;
  HostExecutor executor_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_HOST_H_
