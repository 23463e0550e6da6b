// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of connects, disconnects and rings, some of them made from inside
// a ring, does what a map from doorbells to notifiers does.

#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "core/in_flight.h"
#include "core/peer_table.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "rapidcheck/state.h"

namespace ivshmem {
namespace {

// Each connect makes a notifier with the next number.
struct Model {
  std::map<Doorbell, int> connected;
  int made = 0;

  bool Knows(PeerId peer) const {
    const auto it = connected.lower_bound({peer, 0});
    return it != connected.end() && it->first.peer == peer;
  }
  bool Erase(PeerId peer) {
    return std::erase_if(connected, [peer](const auto& entry) {
             return entry.first.peer == peer;
           }) != 0;
  }
};

struct Sut;

class Bell : public Notifier {
 public:
  Bell(Sut& sut, int number);
  ~Bell() override;
  Outcome Signal() noexcept override;

 private:
  Sut& sut_;
  const int number_;
};

// What is done to the table; also from inside a ring.
struct Action {
  enum Kind { kConnect, kDisconnect, kDisconnectAll };
  Kind kind;
  Doorbell doorbell;

  void Apply(Model& model) const {
    if (kind == kConnect) model.connected[doorbell] = model.made++;
    if (kind == kDisconnect) model.Erase(doorbell.peer);
    if (kind == kDisconnectAll) model.connected.clear();
  }
};

struct Sut {
  // Returns whether the table answers as it should.
  bool Do(const Action& action, bool peer_known) {
    switch (action.kind) {
      case Action::kConnect: {
        const int number = static_cast<int>(signals.size());
        signals.push_back(0);
        return table
            .Connect(action.doorbell.peer, action.doorbell.vector,
                     std::make_shared<Bell>(*this, number))
            .ok();
      }
      case Action::kDisconnect:
        return table.Disconnect(action.doorbell.peer) == peer_known;
      case Action::kDisconnectAll:
        table.DisconnectAll();
    }
    return true;
  }

  std::vector<int> signals;  // Of each notifier that was ever made.
  int living = 0;
  std::optional<Action> in_signal;  // Done by the next signal.
  bool peer_known = false;          // Of in_signal.
  bool in_signal_ok = true;
  InFlight in_flight;
  PeerTable table{in_flight, nullptr};
};

Bell::Bell(Sut& sut, int number) : sut_(sut), number_(number) { ++sut_.living; }

Bell::~Bell() { --sut_.living; }

Notifier::Outcome Bell::Signal() noexcept {
  ++sut_.signals[number_];
  if (const auto action = std::exchange(sut_.in_signal, std::nullopt)) {
    sut_.in_signal_ok = sut_.Do(*action, sut_.peer_known);
  }
  return Outcome::kSignalled;
}

using Command = rc::state::Command<Model, Sut>;

// Peers of the same and of different pages; vectors that make arrays grow.
Doorbell AnyDoorbell() {
  return {*rc::gen::element<PeerId>(0, 1, 255, 256, 65535),
          *rc::gen::element<Vector>(0, 1, 2, 3, 7, 8, 100, 2047)};
}

// The table has what the model has, and nothing else exists any more.
void CheckConnections(const Model& model, const Sut& sut) {
  const auto all = sut.table.Connections();
  RC_ASSERT(all.size() == model.connected.size());
  size_t i = 0;
  for (const auto& [doorbell, number] : model.connected) {
    RC_ASSERT(all[i++].doorbell == doorbell);
    RC_ASSERT(sut.table.Find(doorbell) != nullptr);
  }
  RC_ASSERT(sut.living == static_cast<int>(model.connected.size()));
}

std::ostream& operator<<(std::ostream& out, const Action& action) {
  constexpr const char* kNames[] = {"Connect", "Disconnect", "DisconnectAll"};
  return out << kNames[action.kind] << "(" << action.doorbell.peer << ", "
             << action.doorbell.vector << ")";
}

template <Action::Kind kKind>
struct Change : Command {
  void apply(Model& model) const override { action.Apply(model); }
  void run(const Model& before, Sut& sut) const override {
    RC_ASSERT(sut.Do(action, before.Knows(action.doorbell.peer)));
    CheckConnections(nextState(before), sut);
  }
  void show(std::ostream& out) const override { out << action; }

  const Action action = {kKind, AnyDoorbell()};
};

struct Ring : Command {
  void run(const Model& model, Sut& sut) const override {
    std::vector<int> expected = sut.signals;
    RingResult result = RingResult::kNoSuchPeer;
    if (const auto it = model.connected.find(doorbell);
        it != model.connected.end()) {
      ++expected[it->second];
      result = RingResult::kDelivered;
    } else if (model.Knows(doorbell.peer)) {
      result = RingResult::kNoSuchVector;
    }
    const InFlight::Call call(sut.in_flight);
    RC_ASSERT(sut.table.Ring(call, doorbell) == result);
    RC_ASSERT(sut.signals == expected);
  }
  void show(std::ostream& out) const override {
    out << "Ring(" << doorbell.peer << ", " << doorbell.vector << ")";
  }

  const Doorbell doorbell = AnyDoorbell();
};

// A ring whose notifier changes the table.
struct RingThatActs : Command {
  void checkPreconditions(const Model& model) const override {
    RC_PRE(model.connected.count(doorbell) == 1);
  }
  void apply(Model& model) const override { action.Apply(model); }
  void run(const Model& before, Sut& sut) const override {
    sut.in_signal = action;
    sut.peer_known = before.Knows(action.doorbell.peer);
    {
      const InFlight::Call call(sut.in_flight);
      RC_ASSERT(sut.table.Ring(call, doorbell) == RingResult::kDelivered);
    }
    RC_ASSERT(!sut.in_signal.has_value());
    RC_ASSERT(sut.in_signal_ok);
    sut.in_flight.Retire(std::make_shared<int>(0));  // And what was in use.
    CheckConnections(nextState(before), sut);
  }
  void show(std::ostream& out) const override {
    out << "Ring(" << doorbell.peer << ", " << doorbell.vector
        << ") which does " << action;
  }

  const Doorbell doorbell = AnyDoorbell();
  const Action action = {
      *rc::gen::element(Action::kConnect, Action::kDisconnect,
                        Action::kDisconnectAll),
      AnyDoorbell()};
};

RC_GTEST_PROP(PeerTableModel, DoesWhatAMapDoes, ()) {
  int living = 0;
  {
    Sut sut;
    rc::state::check(
        Model(), sut,
        rc::state::gen::execOneOfWithArgs<
            Change<Action::kConnect>, Change<Action::kConnect>,
            Change<Action::kDisconnect>, Change<Action::kDisconnectAll>, Ring,
            Ring, RingThatActs>());
    sut.table.DisconnectAll();
    living = sut.living;
  }
  RC_ASSERT(living == 0);
}

}  // namespace
}  // namespace ivshmem
