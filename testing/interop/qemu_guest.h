// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_INTEROP_QEMU_GUEST_H_
#define IVSHMEM_TESTING_INTEROP_QEMU_GUEST_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/doorbell.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/qemu.h"

namespace ivshmem {

// A guest on a real QEMU with an ivshmem-doorbell device on a server. Failures
// are GoogleTest's.
class QemuGuest {
 public:
  // Joins the server at `socket_path`; null when that fails.
  static std::unique_ptr<QemuGuest> Join(const std::string& socket_path,
                                         int vectors, bool ioeventfd = true);

  PeerId id() const { return id_; }
  qemu::IvshmemDevice& device() { return *device_; }
  qemu::Qemu& qemu() { return *qemu_; }

  void Ring(PeerId peer, Vector vector) { device_->Ring(peer, vector); }

  // Rings until `heard`: a doorbell of which QEMU has not been told yet does
  // nothing. As servers tell of vectors in their order, all below this one can
  // be rung afterwards, once each.
  bool RingUntil(PeerId peer, Vector vector,
                 const std::function<bool()>& heard);

  // Whether `vector`'s interrupt comes within kPatience, alone. It is taken.
  bool Hears(Vector vector);

  // Whether no interrupt is there, after all that was rung has arrived.
  bool HearsNothing();

 private:
  QemuGuest(std::unique_ptr<qemu::Qemu> qemu,
            std::unique_ptr<qemu::IvshmemDevice> device);

  const std::unique_ptr<qemu::Qemu> qemu_;
  const std::unique_ptr<qemu::IvshmemDevice> device_;
  const PeerId id_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_INTEROP_QEMU_GUEST_H_
