// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_REGISTRATION_H_
#define IVSHMEM_BACKENDS_REGISTRATION_H_

#include <memory>

namespace ivshmem {

// Something that is in force as long as the object lives: a claimed range, a
// memory slot, an ioeventfd, an interrupt route. The destructor undoes it and
// cannot fail.
class Registration {
 public:
  virtual ~Registration() = default;
};

using RegistrationPtr = std::unique_ptr<Registration>;

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_REGISTRATION_H_
