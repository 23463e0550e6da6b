// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_REVOCABLE_H_
#define IVSHMEM_CORE_REVOCABLE_H_

#include <atomic>

#include "core/in_flight.h"

namespace ivshmem {

// A way to an object that may go before those who hold the way: a device that a
// peer's table or a queued task still knows. Held by shared_ptr.
//
// Threading: any thread. With() takes no lock.
template <typename T>
class Revocable {
 public:
  explicit Revocable(T& object) : object_(&object) {}

  // Runs `use` on the object, which cannot be revoked meanwhile by another
  // thread. Returns false, and does nothing, when it is revoked already.
  template <typename Use>
  bool With(Use use) {
    const InFlight::Call call(in_flight_);
    T* object = object_.load(std::memory_order_seq_cst);
    if (object == nullptr) return false;
    use(*object);
    return true;
  }

  // When this returns, no other thread is in With() with the object, and none
  // will be. May be called from inside With(). Once only.
  void Revoke() {
    object_.store(nullptr, std::memory_order_seq_cst);
    in_flight_.Close();
  }

 private:
  std::atomic<T*> object_;
  InFlight in_flight_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_REVOCABLE_H_
