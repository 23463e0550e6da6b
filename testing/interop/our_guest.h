// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_INTEROP_OUR_GUEST_H_
#define IVSHMEM_TESTING_INTEROP_OUR_GUEST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/linux/server_link.h"
#include "backends/mock/host.h"
#include "bus/pci/msi.h"
#include "core/doorbell.h"
#include "device/pci_guest.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"

namespace ivshmem {

// A guest on a mock host with this project's PCI device, joined to a server.
class OurGuest {
 public:
  static std::unique_ptr<OurGuest> Join(const ServerLink::Options& options,
                                        int vectors) {
    absl::StatusOr<std::unique_ptr<JoinedLink>> link =
        JoinedLink::Join(options);
    EXPECT_TRUE(link.ok()) << link.status();
    if (!link.ok()) return nullptr;
    return std::unique_ptr<OurGuest>(new OurGuest(*std::move(link), vectors));
  }

  PeerId id() { return *guest_.device().id(); }
  JoinedLink& link() { return *link_; }
  PciGuest& guest() { return guest_; }
  mock::Host& host() { return host_; }

  void Ring(PeerId peer, Vector vector) { guest_.Ring(peer, vector); }

  // Waits until that doorbell can be rung.
  bool Knows(PeerId peer, Vector vector) {
    return Becomes([&] {
      return guest_.device().peers().Find({peer, vector}) != nullptr;
    });
  }

  // Whether `vector`'s interrupt comes within kPatience, alone. It is taken.
  bool Hears(Vector vector) {
    if (!Becomes([&] { return !host_.msi().all().empty(); })) return false;
    link_->Settle();
    const std::vector<pci::MsiMessage> messages = host_.msi().Take();
    for (const pci::MsiMessage& message : messages) {
      EXPECT_EQ(message.data, PciGuest::Message(vector).data);
      if (message.data != PciGuest::Message(vector).data) return false;
    }
    return !messages.empty();
  }

  // Whether no interrupt is there, after all that was rung has arrived.
  bool HearsNothing() {
    link_->Settle();
    return host_.msi().all().empty();
  }

  // Forgets the interrupts that have come.
  void TakeAll() {
    link_->Settle();
    host_.msi().Take();
  }

 private:
  OurGuest(std::unique_ptr<JoinedLink> link, int vectors)
      : link_(std::move(link)),
        guest_(host_, {.vectors = vectors},
               {.mmio = &host_.space(),
                .mapper = &host_.space(),
                .msi = &host_.msi()},
               link_->link().memory()) {
    guest_.Enumerate();
    guest_.EnableMsix();
    link_->Attach(guest_.device());
  }

  mock::Host host_;
  // Has the memory that the device uses, and is detached before it goes.
  const std::unique_ptr<JoinedLink> link_;
  PciGuest guest_;
  struct Detacher {
    JoinedLink& link;
    ~Detacher() { link.Detach(); }
  } detacher_{*link_};
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_INTEROP_OUR_GUEST_H_
