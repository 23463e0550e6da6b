// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_FAULTS_JOINED_PCI_GUEST_H_
#define IVSHMEM_TESTING_FAULTS_JOINED_PCI_GUEST_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "backends/linux/link_fixture.h"
#include "backends/mock/host.h"
#include "backends/registration.h"
#include "core/doorbell.h"
#include "device/pci_device.h"
#include "device/pci_guest.h"
#include "gtest/gtest.h"

namespace ivshmem {

// A link to a scripted server, and a PCI device on a mock host with all that
// one offers, as a VMM plugs it in and out.
class JoinedPciGuestTest : public LinkTest {
 protected:
  ~JoinedPciGuestTest() override { Unplug(); }

  void Plug(int vectors) {
    PciDevice::Config config;
    config.vectors = vectors;
    guest_ = std::make_unique<PciGuest>(
        host_, config, PciGuest::Everything(host_, nullptr), link_->memory());
    absl::StatusOr<RegistrationPtr> attachment =
        link_->Attach(guest_->device());
    ASSERT_TRUE(attachment.ok()) << attachment.status();
    attachment_ = *std::move(attachment);
  }
  void Unplug() {
    attachment_ = nullptr;
    guest_ = nullptr;
  }

  bool Knows(PeerId peer, Vector vector) {
    return guest_->device().peers().Find({peer, vector}) != nullptr;
  }

  mock::Host host_;
  std::unique_ptr<PciGuest> guest_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_FAULTS_JOINED_PCI_GUEST_H_
