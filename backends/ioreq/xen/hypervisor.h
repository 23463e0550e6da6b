// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ivshmem::xen {

// What this backend asks of Xen for one domain: the calls of three of its
// libraries that it uses, one method each. They return what the library
// returns, 0 or more, but -errno when it fails. A test puts a simulation in;
// libraries.h has the real ones.
//
// Threading: any thread, several at once, except EventChannels::Pending().

// libxendevicemodel: the domain's I/O request servers, and its interrupts.
class DeviceModel {
 public:
  virtual ~DeviceModel() = default;

  // How many vCPUs the domain may have.
  virtual int VcpuCount() noexcept = 0;

  // A new server that takes no buffered requests. Returns its number. -ENOSPC
  // when the domain has all of the 8 that it can.
  virtual int CreateServer() noexcept = 0;
  // Its ranges go with it.
  virtual int DestroyServer(int server) noexcept = 0;
  // Requests come to enabled servers only.
  virtual int EnableServer(int server, bool enabled) noexcept = 0;

  // `type` is XEN_DMOP_IO_RANGE_PORT, _MEMORY or _PCI of <xen/hvm/dm_op.h>.
  // `last` is inclusive. Of _PCI one function at a time is mapped: both are its
  // XEN_DMOP_PCI_SBDF(). -EEXIST: the server has some of it already. -ENOSPC or
  // -ENOMEM: it has as many ranges as it can, 256 of a type.
  virtual int MapRange(int server, uint32_t type, uint64_t first,
                       uint64_t last) noexcept = 0;
  virtual int UnmapRange(int server, uint32_t type, uint64_t first,
                         uint64_t last) noexcept = 0;

  virtual int InjectMsi(uint64_t address, uint32_t data) noexcept = 0;
};

// libxenforeignmemory: the server's page, and the domain's memory.
class ForeignMemory {
 public:
  virtual ~ForeignMemory() = default;

  // The page of synchronous requests of a server.
  struct ServerPage {
    void* data = nullptr;
    void* resource = nullptr;  // By which the library knows it.
  };
  virtual int MapServerPage(int server, ServerPage* page) noexcept = 0;
  virtual int UnmapServerPage(const ServerPage& page) noexcept = 0;

  // 4 KiB of the domain's RAM; `protection` as mmap(2)'s.
  virtual int MapFrame(uint64_t frame, int protection,
                       void** data) noexcept = 0;
  virtual int UnmapFrame(void* data) noexcept = 0;
};

// libxenevtchn: one handle of event channels, which is the caller's alone.
class EventChannels {
 public:
  virtual ~EventChannels() = default;

  // Readable, for poll(2), while Pending() has a port to return.
  virtual int EventDescriptor() noexcept = 0;

  // Joins the domain's port `remote`. Returns the port here.
  virtual int Bind(uint32_t remote) noexcept = 0;
  virtual int Unbind(uint32_t port) noexcept = 0;

  virtual int Notify(uint32_t port) noexcept = 0;

  // Returns a port that had an event, and masks it: until Unmask() it has no
  // others, but then those of the time between. One thread at a time, after
  // EventDescriptor() was seen to be readable: else it may block.
  virtual int Pending() noexcept = 0;
  virtual int Unmask(uint32_t port) noexcept = 0;
};

// All that a transport needs.
class Hypervisor : public DeviceModel,
                   public ForeignMemory,
                   public EventChannels {};

// The error that `result`, a negative one of the above, is for `what` was
// attempted. As Abseil has it, ENOSPC and ENOMEM are ResourceExhausted, EEXIST
// is AlreadyExists, EPERM PermissionDenied, ESRCH (no such domain) and ENOENT
// (no such server) NotFound.
absl::Status CallError(int result, absl::string_view what);

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_
