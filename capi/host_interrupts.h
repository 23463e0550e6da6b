// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_HOST_INTERRUPTS_H_
#define IVSHMEM_CAPI_HOST_INTERRUPTS_H_

#include <string>

#include "bus/interrupt_lines.h"
#include "bus/pci/msi.h"
#include "capi/inside.h"
#include "core/events.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// The callbacks of an ivshmem_host by which a device interrupts and tells, as
// what it calls. Each outlives the device, and touches nothing after a callback
// that may have destroyed it.

class HostMsi : public pci::MsiSink {
 public:
  explicit HostMsi(const ivshmem_host& host) : host_(host) {}
  void Send(const pci::MsiMessage& message) noexcept override {
    host_.send_msi(host_.opaque, message.address, message.data);
  }

 private:
  const ivshmem_host& host_;
};

class HostPulse : public PulseSink {
 public:
  explicit HostPulse(const ivshmem_host& host) : host_(host) {}
  void Pulse() noexcept override { host_.pulse(host_.opaque); }

 private:
  const ivshmem_host& host_;
};

class HostLine : public LineSink {
 public:
  HostLine(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  void SetLevel(bool asserted) noexcept override {
    const Inside inside(device_);
    host_.set_line(host_.opaque, asserted ? 1 : 0);
  }

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

class HostEvents : public DeviceEvents {
 public:
  HostEvents(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  void OnEvent(const DeviceEvent& event) noexcept override;

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_HOST_INTERRUPTS_H_
