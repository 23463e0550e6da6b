// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_SHORTCUTS_WORLD_H_
#define IVSHMEM_DEVICE_SHORTCUTS_WORLD_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/mock/host.h"
#include "backends/registration.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/peer_table.h"
#include "device/pci_guest.h"
#include "gtest/gtest.h"

namespace ivshmem {

// For tests of short cuts: a guest, id 2, with two vectors, on a mock host.
// Peers' vectors are events of the same host.
class World {
 public:
  static constexpr PeerId kOwn = 2;

  explicit World(const mock::Host::Options& options = {},
                 bool with_executor = true)
      : World(options, [with_executor](PciDevice::Host& offer) {
          if (!with_executor) offer.executor = nullptr;
        }) {}

  // `change` takes away from what the host offers.
  template <typename Change>
  World(const mock::Host::Options& options, Change change)
      : host(options),
        guest(host, {.vectors = 2, .id = kOwn}, Offer(std::move(change))) {}

  EventHandle Connect(PeerId peer, Vector vector,
                      mock::EventNotifier::Exposure exposure =
                          mock::EventNotifier::Exposure::kShown) {
    const EventHandle event = host.events().Create();
    EXPECT_TRUE(guest.device()
                    .peers()
                    .Connect(peer, vector,
                             std::make_shared<mock::EventNotifier>(
                                 host.events(), event, exposure))
                    .ok());
    return event;
  }

  // The device's own vector: its event, which a reader in this process turns
  // into interrupts unless a route takes it first.
  EventHandle ConnectOwn(Vector vector) {
    const EventHandle event = Connect(kOwn, vector);
    auto reader = host.events().Watch(
        event, mock::Events::Watcher::kReader,
        [this, vector] { guest.device().OnPeerInterrupt(vector); });
    EXPECT_TRUE(reader.ok());
    readers.push_back(*std::move(reader));
    return event;
  }

  // Rings that the device has delivered by itself.
  uint64_t rung() { return guest.device().count(RingResult::kDelivered); }

  EventRecorder events;
  mock::Host host;
  std::vector<RegistrationPtr> readers;
  PciGuest guest;

 private:
  template <typename Change>
  PciDevice::Host Offer(Change change) {
    PciDevice::Host offer = PciGuest::Everything(host, &events);
    change(offer);
    return offer;
  }
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_SHORTCUTS_WORLD_H_
