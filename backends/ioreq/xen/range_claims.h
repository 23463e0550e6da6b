// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_RANGE_CLAIMS_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_RANGE_CLAIMS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/registration.h"

namespace ivshmem::xen {

// The ranges of an I/O request server: Xen asks it only about accesses that lie
// wholly in one of them.
//
// Threading: any thread. Registrations may outlive the object, and do nothing
// then: the ranges go with the server.
class RangeClaims : public ioreq::RangeClaims {
 public:
  // `device_model` outlives the object, and so does the server.
  RangeClaims(DeviceModel& device_model, int server);
  ~RangeClaims() override;

  // Of kPciConfig, which is segment 0, at most as many functions at once as a
  // bus has, 256.
  //
  // Errors: InvalidArgument for no bytes, a range past the space's end or
  // functions that are not whole; AlreadyExists for what overlaps a range of
  // this server; ResourceExhausted when Xen takes no more (256 of a space);
  // else what Xen says. Nothing is claimed then.
  absl::StatusOr<RegistrationPtr> Claim(ioreq::Space space, uint64_t base,
                                        uint64_t size) override;

 private:
  class Server;
  class Ranges;

  const std::shared_ptr<Server> server_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_RANGE_CLAIMS_H_
