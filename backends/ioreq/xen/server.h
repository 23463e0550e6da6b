// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_SERVER_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/ioreq_abi.h"

namespace ivshmem::xen {

// An I/O request server of the domain, enabled, and its page.
//
// Threading: one thread; the page as Slot says.
class Server {
 public:
  // Creates it, maps its page, enables it. What fails is undone; the error
  // names the step. Both outlive the object.
  static absl::StatusOr<std::unique_ptr<Server>> Create(
      DeviceModel& device_model, ForeignMemory& memory);

  // Disables it if it is not yet, unmaps the page, destroys it.
  ~Server();

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int id() const { return id_; }

  // The first of kRequestsPerPage, from which Xen's port of each can be read.
  ioreq_t* requests() const { return static_cast<ioreq_t*>(page_.data); }

  // From now on no request comes any more; those that are there stay.
  void Disable() noexcept;

 private:
  Server(DeviceModel& device_model, ForeignMemory& memory, int id)
      : device_model_(device_model), memory_(memory), id_(id) {}

  DeviceModel& device_model_;
  ForeignMemory& memory_;
  const int id_;
  ForeignMemory::ServerPage page_;  // No data: not mapped.
  bool enabled_ = false;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_SERVER_H_
