// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of binds, unbinds and rings, some unbinds made from inside a
// ring: at every moment exactly those can ring each other who are bound to the
// same region.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/switchboard.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "rapidcheck/state.h"

namespace ivshmem {
namespace {

constexpr int kGuests = 6;
constexpr int kRegions = 2;

// Device g has so many vectors; the last has only memory.
constexpr int Vectors(int g) { return g == kGuests - 1 ? 0 : g % 3 + 1; }

struct Place {
  int region;
  PeerId id;
};

struct Model {
  std::array<std::optional<Place>, kGuests> bound;

  // Who has the id in the region, or -1.
  int Who(int region, int id) const {
    for (int g = 0; g < kGuests; ++g) {
      if (bound[g] && bound[g]->region == region && bound[g]->id == id) {
        return g;
      }
    }
    return -1;
  }
  // What guest g can ring.
  std::vector<Doorbell> Peers(int g) const {
    std::map<PeerId, int> peers;
    for (int other = 0; other < kGuests; ++other) {
      if (bound[g] && bound[other] &&
          bound[other]->region == bound[g]->region) {
        peers[bound[other]->id] = Vectors(other);
      }
    }
    std::vector<Doorbell> all;
    for (const auto& [id, vectors] : peers) {
      for (int v = 0; v < vectors; ++v) {
        all.push_back({id, static_cast<Vector>(v)});
      }
    }
    return all;
  }
};

class Guest : public InterruptSink {
 public:
  explicit Guest(int vectors)
      : device(
            *Device::Create({.interrupts = vectors == 0 ? InterruptMode::kNone
                                                        : InterruptMode::kMsix,
                             .vectors = vectors,
                             .id = {}},
                            {.interrupts = this})) {}
  InterruptResult Deliver(Vector vector) noexcept override {
    ++interrupts[vector];
    if (const auto run = std::exchange(on_interrupt, nullptr)) run();
    return InterruptResult::kDelivered;
  }

  const std::unique_ptr<Device> device;
  std::array<int, 3> interrupts = {};
  std::function<void()> on_interrupt;
};

struct Sut {
  Sut() {
    for (int r = 0; r < kRegions; ++r) {
      board.AddRegion(std::to_string(r), {&bytes[r], 1}).IgnoreError();
    }
    for (int g = 0; g < kGuests; ++g) {
      guests[g] = std::make_unique<Guest>(Vectors(g));
    }
  }

  std::array<uint8_t, kRegions> bytes = {};
  Switchboard board;
  std::array<std::unique_ptr<Guest>, kGuests> guests;
  std::array<std::unique_ptr<Switchboard::Port>, kGuests> ports;
};

void CheckAll(const Model& model, const Sut& sut) {
  for (int g = 0; g < kGuests; ++g) {
    Device& device = *sut.guests[g]->device;
    RC_ASSERT(device.id().has_value() == model.bound[g].has_value());
    if (model.bound[g]) RC_ASSERT(*device.id() == model.bound[g]->id);
    std::vector<Doorbell> peers;
    for (const auto& connection : device.peers().Connections()) {
      peers.push_back(connection.doorbell);
    }
    RC_ASSERT(peers == model.Peers(g));
  }
}

int AnyGuest() { return *rc::gen::inRange(0, kGuests); }

using Command = rc::state::Command<Model, Sut>;

struct Bind : Command {
  PeerId Id(const Model& before) const {
    if (requested) return *requested;
    int lowest = 0;
    while (before.Who(region, lowest) >= 0) ++lowest;
    return static_cast<PeerId>(lowest);
  }
  bool Free(const Model& before) const {
    return before.Who(region, Id(before)) < 0;
  }
  void checkPreconditions(const Model& model) const override {
    RC_PRE(!model.bound[guest]);
  }
  void apply(Model& model) const override {
    if (Free(model)) model.bound[guest] = Place{region, Id(model)};
  }
  void run(const Model& before, Sut& sut) const override {
    auto port = sut.board.Bind(std::to_string(region), 1,
                               *sut.guests[guest]->device, requested);
    RC_ASSERT(port.ok() == Free(before));
    if (port.ok()) {
      RC_ASSERT((*port)->id() == Id(before));
      sut.ports[guest] = *std::move(port);
    }
    CheckAll(nextState(before), sut);
  }
  void show(std::ostream& out) const override {
    out << "Bind(" << guest << ", region " << region << ", "
        << (requested ? std::to_string(*requested) : "lowest") << ")";
  }

  const int guest = AnyGuest();
  const int region = *rc::gen::inRange(0, kRegions);
  const std::optional<PeerId> requested =
      *rc::gen::element<std::optional<PeerId>>(std::nullopt, std::nullopt, 0, 2,
                                               65535);
};

struct Unbind : Command {
  void apply(Model& model) const override { model.bound[guest].reset(); }
  void run(const Model& before, Sut& sut) const override {
    sut.ports[guest].reset();
    CheckAll(nextState(before), sut);
  }
  void show(std::ostream& out) const override {
    out << "Unbind(" << guest << ")";
  }

  const int guest = AnyGuest();
};

// Rings; and who is rung unbinds `unbound`, if given.
struct Ring : Command {
  int Reached(const Model& before) const {
    if (!before.bound[guest] || Vectors(guest) == 0) return -1;
    const int who = before.Who(before.bound[guest]->region, peer);
    return who >= 0 && vector < Vectors(who) ? who : -1;
  }
  void apply(Model& model) const override {
    if (unbound && Reached(model) >= 0) model.bound[*unbound].reset();
  }
  void run(const Model& before, Sut& sut) const override {
    const int reached = Reached(before);
    std::vector<std::array<int, 3>> expected;
    for (int g = 0; g < kGuests; ++g) {
      expected.push_back(sut.guests[g]->interrupts);
      if (g == reached) ++expected[g][vector];
    }
    if (unbound && reached >= 0) {
      sut.guests[reached]->on_interrupt = [this, &sut] {
        sut.ports[*unbound].reset();
      };
    }
    sut.guests[guest]->device->Write(kDoorbellOffset, 4,
                                     Doorbell{peer, vector}.Encode());
    for (int g = 0; g < kGuests; ++g) {
      RC_ASSERT(sut.guests[g]->interrupts == expected[g]);
    }
    CheckAll(nextState(before), sut);
  }
  void show(std::ostream& out) const override {
    out << "Ring(" << guest << " -> " << peer << ", " << vector << ")";
    if (unbound) out << " which unbinds " << *unbound;
  }

  const int guest = AnyGuest();
  const PeerId peer = *rc::gen::element<PeerId>(0, 1, 2, 3, 4, 65535);
  const Vector vector = *rc::gen::element<Vector>(0, 1, 2, 256);
  const std::optional<int> unbound = *rc::gen::element<std::optional<int>>(
      std::nullopt, std::nullopt, 0, 1, 2, 3, 4, 5);
};

RC_GTEST_PROP(SwitchboardModel, RingsReachWhoIsThere, ()) {
  Sut sut;
  rc::state::check(
      Model(), sut,
      rc::state::gen::execOneOfWithArgs<Bind, Bind, Unbind, Ring, Ring>());
}

}  // namespace
}  // namespace ivshmem
