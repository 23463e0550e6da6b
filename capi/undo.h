// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_UNDO_H_
#define IVSHMEM_CAPI_UNDO_H_

#include <memory>
#include <utility>

#include "backends/registration.h"
#include "capi/inside.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// What a callback did for a device, which another one undoes.
template <typename Call>
class Undo : public Registration {
 public:
  Undo(const ivshmem_device* device, Call call)
      : device_(device), call_(std::move(call)) {}
  ~Undo() override {
    const Inside inside(device_);
    call_();
  }

 private:
  const ivshmem_device* const device_;
  Call call_;
};

template <typename Call>
RegistrationPtr MakeUndo(const ivshmem_device* device, Call call) {
  return std::make_unique<Undo<Call>>(device, std::move(call));
}

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_UNDO_H_
