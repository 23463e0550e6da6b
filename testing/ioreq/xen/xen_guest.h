// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_XEN_GUEST_H_
#define IVSHMEM_TESTING_IOREQ_XEN_XEN_GUEST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/guest_memory.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/msi.h"
#include "backends/ioreq/xen/transport.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "device/pci_device.h"
#include "testing/ioreq/xen/simulated_domain.h"

namespace ivshmem {

// The whole of a device model for a simulated domain: a server of its own.
//
// Threading: any thread.
class XenServer {
 public:
  XenServer(SimulatedDomain& domain, const ioreq::Engine::Options& options);
  ~XenServer();

  // Ends the engine; the server stays, and answers nothing.
  void Stop() { engine_ = nullptr; }

  ioreq::Dispatcher& dispatcher() { return *dispatcher_; }
  MmioSpace& space(ioreq::Space space) { return dispatcher_->space(space); }
  pci::MsiSink& msi() { return msi_; }

  // The config space of `device` is that of function 0 of device `number`.
  void Plug(PciDevice& device, int number);

 private:
  const std::unique_ptr<xen::Hypervisor> hypervisor_;
  xen::GuestMemory memory_;
  xen::Msi msi_;
  std::unique_ptr<xen::Transport> transport_;
  std::unique_ptr<ioreq::Dispatcher> dispatcher_;
  std::vector<RegistrationPtr> claims_;
  std::unique_ptr<ioreq::Engine> engine_;
};

// Reads EchoByte() of the offset everywhere, and counts what is written: its
// complement, or something else.
class EchoDevice : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

  std::atomic<int> reads{0};
  std::atomic<int> writes{0};
  std::atomic<int> wrong{0};
};

// A domain and one server. What its vCPUs do.
class XenGuest {
 public:
  explicit XenGuest(int vcpus = 4, const ioreq::Engine::Options& options = {});
  ~XenGuest();

  SimulatedDomain& domain() { return *domain_; }
  XenServer& server() { return *server_; }
  void StopServing() { server_ = nullptr; }

  // Claims the echo devices of shared_area.h for `handler`.
  std::vector<RegistrationPtr> ClaimEcho(MmioHandler& handler);

  // A request that goes to the server that claims it, or to `late`.
  xen_simulation::Reply Do(const ioreq_t& request, int vcpu = 0, int late = -1);

  // All ones where no server has claimed it, as in Xen.
  uint64_t Read(uint64_t address, uint32_t size = 4, int vcpu = 0);
  void Write(uint64_t address, uint64_t value, uint32_t size = 4, int vcpu = 0);
  uint64_t In(uint16_t port, uint32_t size);
  void Out(uint16_t port, uint64_t value, uint32_t size);
  // Config space of device `number`.
  uint32_t Config(int number, uint32_t offset, uint32_t size = 4);
  void SetConfig(int number, uint32_t offset, uint32_t value,
                 uint32_t size = 4);

 private:
  uint64_t Value(const ioreq_t& request, int vcpu);

  std::unique_ptr<SimulatedDomain> domain_;
  std::unique_ptr<XenServer> server_;
};

// Of type `type`, without strings.
ioreq_t XenRequest(uint8_t type, uint8_t direction, uint64_t address,
                   uint32_t size, uint64_t data = 0);

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_IOREQ_XEN_XEN_GUEST_H_
