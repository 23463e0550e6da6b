// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/interop/qemu_guest.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/qemu/arguments.h"

namespace ivshmem {

std::unique_ptr<QemuGuest> QemuGuest::Join(const std::string& socket_path,
                                           int vectors, bool ioeventfd) {
  absl::StatusOr<std::unique_ptr<qemu::Qemu>> qemu = qemu::Qemu::Start(
      {.arguments = Arguments(qemu::DoorbellDevice{.socket_path = socket_path,
                                                   .vectors = vectors,
                                                   .ioeventfd = ioeventfd})});
  EXPECT_TRUE(qemu.ok()) << qemu.status();
  if (!qemu.ok()) return nullptr;
  std::unique_ptr<qemu::IvshmemDevice> device =
      qemu::IvshmemDevice::SetUp((*qemu)->qtest());
  if (device == nullptr) return nullptr;
  return std::unique_ptr<QemuGuest>(
      new QemuGuest(*std::move(qemu), std::move(device)));
}

QemuGuest::QemuGuest(std::unique_ptr<qemu::Qemu> qemu,
                     std::unique_ptr<qemu::IvshmemDevice> device)
    : qemu_(std::move(qemu)),
      device_(std::move(device)),
      id_(static_cast<PeerId>(device_->Position())) {}

bool QemuGuest::RingUntil(PeerId peer, Vector vector,
                          const std::function<bool()>& heard) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline && qemu_->qtest().status().ok()) {
    Ring(peer, vector);
    if (heard()) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return false;
}

bool QemuGuest::Hears(Vector vector) {
  if (!device_->PendingWithin(vector, kPatience)) return false;
  const std::vector<Vector> pending = device_->Pending();
  EXPECT_EQ(pending, std::vector<Vector>{vector});
  return device_->Take(vector) && pending.size() == 1;
}

bool QemuGuest::HearsNothing() { return device_->Pending().empty(); }

}  // namespace ivshmem
