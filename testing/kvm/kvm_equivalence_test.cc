// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest can never tell the fast path from the slow one: any run of operations
// delivers the same on guests whose doorbells and interrupts go through the
// kernel, through this process, or some this way and some that.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/server_link.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "device/trapped_rings.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr int kVectors = 2;  // Of the guest and of its peers.
constexpr std::array<PeerId, 3> kPeers = {100, 101, 102};
constexpr PeerId kSelf = 0;  // The first that joins a server.
constexpr PeerId kNobody = 77;
constexpr std::array<uint32_t, 3> kPlaces = {KvmPciGuest::kBar0, 0xe0800000,
                                             0xe0900000};

struct Operation {
  enum class Kind : uint8_t {
    kRing,           // `peer`, `vector`.
    kRingOften,      // As often as makes a turn.
    kRingElsewhere,  // At `value`, where the doorbell may be or have been.
    kMask,           // `vector`; by `value`, 0 or 1. So the next four.
    kMsix,
    kFunctionMask,
    kBusMaster,
    kDecode,
    kMove,        // To `value`.
    kDisconnect,  // `peer`.
    kConnect,
    kCount,
  };
  Kind kind;
  PeerId peer;
  Vector vector;
  uint32_t value;
};
using Kind = Operation::Kind;

std::ostream& operator<<(std::ostream& out, const Operation& operation) {
  constexpr const char* kNames[] = {"Ring",       "RingOften", "RingElsewhere",
                                    "Mask",       "Msix",      "FunctionMask",
                                    "BusMaster",  "Decode",    "Move",
                                    "Disconnect", "Connect"};
  return out << kNames[static_cast<int>(operation.kind)] << "("
             << operation.peer << ", " << operation.vector << ", " << std::hex
             << operation.value << std::dec << ")";
}

Operation AnyOperation() {
  Operation operation = {};
  // Every second one rings.
  operation.kind = *rc::gen::arbitrary<bool>()
                       ? Kind::kRing
                       : static_cast<Kind>(*rc::gen::inRange(
                             1, static_cast<int>(Kind::kCount)));
  operation.vector = *rc::gen::inRange<Vector>(0, kVectors);
  operation.value = *rc::gen::element(0u, 1u, 1u);
  operation.peer = *rc::gen::elementOf(kPeers);
  if (operation.kind == Kind::kRing || operation.kind == Kind::kRingElsewhere) {
    operation.peer = *rc::gen::element(kSelf, kSelf, kSelf, kPeers[0],
                                       kPeers[1], kPeers[2], kNobody);
    operation.vector = *rc::gen::inRange<Vector>(0, kVectors + 1);
  }
  if (operation.kind == Kind::kMove || operation.kind == Kind::kRingElsewhere) {
    operation.value = *rc::gen::elementOf(kPlaces);
  }
  return operation;
}

// What the specification says becomes of it.
struct Model {
  bool decode = true;
  bool bus_master = true;
  bool msix = true;
  bool function_mask = false;
  std::array<bool, kVectors> masked = {};
  std::array<bool, kVectors> pending = {};
  std::array<uint32_t, kVectors> interrupts = {};
  uint32_t bar0 = KvmPciGuest::kBar0;
  std::set<PeerId> connected = {std::begin(kPeers), std::end(kPeers)};
  // By the last operation.
  std::set<Doorbell> rung;

  void Ring(const Operation& operation, uint32_t place) {
    if (!decode || place != bar0 || operation.vector >= kVectors) return;
    if (operation.peer == kSelf) {
      if (msix) pending[operation.vector] = true;
    } else if (connected.contains(operation.peer)) {
      rung.insert({operation.peer, operation.vector});
    }
  }

  void Apply(const Operation& operation) {
    const bool on = operation.value != 0;
    rung.clear();
    switch (operation.kind) {
      case Kind::kRing:
      case Kind::kRingOften:
        Ring(operation, bar0);
        break;
      case Kind::kRingElsewhere:
        Ring(operation, operation.value);
        break;
      case Kind::kMask:  // In BAR1.
        if (decode) masked[operation.vector] = on;
        break;
      case Kind::kMsix:
        msix = on;
        break;
      case Kind::kFunctionMask:
        function_mask = on;
        break;
      case Kind::kBusMaster:
        bus_master = on;
        break;
      case Kind::kDecode:
        decode = on;
        break;
      case Kind::kMove:
        bar0 = operation.value;
        break;
      case Kind::kDisconnect:
        connected.erase(operation.peer);
        break;
      case Kind::kConnect:
        connected.insert(operation.peer);
        break;
      case Kind::kCount:
        break;
    }
    if (!msix || function_mask || !bus_master) return;
    for (size_t v = 0; v < kVectors; ++v) {
      if (!pending[v] || masked[v]) continue;
      pending[v] = false;
      ++interrupts[v];
    }
  }
};

// One guest with a server of its own, so that all have the same id; its peers
// are eventfds.
class Subject {
 public:
  Subject(std::string name, const KvmPciGuest::Options& options,
          int io_event_fds)
      : name_(std::move(name)) {
    server_.Start();
    guest_ = std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()}, options);
    guest_->vm().LimitIoEventFds(io_event_fds);
    for (const PeerId peer : kPeers) {
      for (Vector v = 0; v < kVectors; ++v) {
        events_[{peer, v}] = *EventFd::Create();
      }
    }
  }

  const std::string& name() const { return name_; }
  KvmPciGuest& guest() { return *guest_; }

  void Begin() {
    guest_->device().Reset();
    guest_->Settle();
    guest_->SetUp();
    for (const PeerId peer : kPeers) {
      peers().Disconnect(peer);
      Connect(peer);
    }
    guest_->Settle();
    for (size_t v = 0; v < kVectors; ++v) {
      before_[v] = guest_->guest().interrupts(static_cast<int>(v));
    }
    state_ = {};
  }

  // Does it, and lets all arrive.
  void Do(const Operation& operation) {
    const bool on = operation.value != 0;
    switch (operation.kind) {
      case Kind::kRing:
        guest_->Ring(operation.peer, operation.vector);
        break;
      case Kind::kRingOften:
        guest_->Ring(operation.peer, operation.vector, TrappedRings::kOften);
        break;
      case Kind::kRingElsewhere:
        guest_->guest().Write(
            operation.value + kDoorbellOffset,
            Doorbell{operation.peer, operation.vector}.Encode());
        break;
      case Kind::kMask:
        guest_->MaskVector(operation.vector, on);
        break;
      case Kind::kMsix:
        state_.msix = on;
        SetMsixControl();
        break;
      case Kind::kFunctionMask:
        state_.function_mask = on;
        SetMsixControl();
        break;
      case Kind::kBusMaster:
        state_.bus_master = on;
        SetCommand();
        break;
      case Kind::kDecode:
        state_.decode = on;
        SetCommand();
        break;
      case Kind::kMove:
        guest_->MoveBar0(operation.value);
        break;
      case Kind::kDisconnect:
        peers().Disconnect(operation.peer);
        break;
      case Kind::kConnect:
        Connect(operation.peer);
        break;
      case Kind::kCount:
        break;
    }
    guest_->Settle();
  }

  // Everything is as the model says, no less and no more.
  void Check(const Model& model) {
    for (const auto& [doorbell, event] : events_) {
      RC_ASSERT(event->Drain() == model.rung.contains(doorbell));
    }
    for (size_t v = 0; v < kVectors; ++v) {
      const int vector = static_cast<int>(v);
      RC_ASSERT(guest_->guest().InterruptsBecome(
          vector, before_[v] + model.interrupts[v]));
      if (model.decode) RC_ASSERT(Pending(vector) == model.pending[v]);
    }
  }

 private:
  // By the pending bits, which can be seen while BAR1 can.
  bool Pending(int vector) {
    uint8_t bits[8];
    guest_->device().bar(PciDevice::kMsixBar).Read(0x800, absl::MakeSpan(bits));
    return ((bits[0] >> vector) & 1) != 0;
  }

  PeerTable& peers() { return guest_->device().device().peers(); }
  void Connect(PeerId peer) {
    for (Vector v = 0; v < kVectors; ++v) {
      RC_ASSERT(peers().Connect(peer, v, events_[{peer, v}]).ok());
    }
  }
  void SetMsixControl() {
    guest_->SetConfig(
        pci::kMsixControl,
        (state_.msix ? pci::kMsixControlEnable : 0u) |
            (state_.function_mask ? pci::kMsixControlFunctionMask : 0u),
        2);
  }
  void SetCommand() {
    guest_->SetCommand(static_cast<uint16_t>(
        (state_.decode ? pci::kCommandMemorySpace : 0) |
        (state_.bus_master ? pci::kCommandBusMaster : 0)));
  }

  const std::string name_;
  ServerProcess server_{{"--vectors", "2", "--size", "4K"}};
  std::unique_ptr<KvmPciGuest> guest_;
  std::map<Doorbell, std::shared_ptr<EventFd>> events_;
  std::array<uint32_t, kVectors> before_ = {};
  Model state_;
};

class KvmEquivalence : public ::testing::Test {
 protected:
  static constexpr int kAll = 1000;

  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    const auto add = [this](const char* name, KvmPciGuest::Options options,
                            int io_event_fds) {
      subjects_.push_back(
          std::make_unique<Subject>(name, options, io_event_fds));
    };
    add("all by exits", {.io_event_fd = false, .irqfd = false}, kAll);
    add("all by the kernel", {}, kAll);
    add("some of each", {.routes = 1}, 3);
    add("interrupts by the kernel, few doorbells", {}, 1);
    add("doorbells by the kernel, no routes", {.routes = 0}, kAll);
    ASSERT_FALSE(HasFailure()) << "no guest, no server";
  }

  uint64_t TrappedRings(size_t subject) {
    return subjects_[subject]->guest().device().device().count(
        RingResult::kDelivered);
  }

  std::vector<std::unique_ptr<Subject>> subjects_;
};

TEST_F(KvmEquivalence, TheSameRunDeliversTheSame) {
  setenv("RC_PARAMS", "max_success=12", /*overwrite=*/0);
  EXPECT_TRUE(rc::check("the same run delivers the same", [this] {
    // Long ones, and of all kinds from the first on: a fault needs a few
    // operations in the right order.
    const auto operations = *rc::gen::container<std::vector<Operation>>(
        60, rc::gen::resize(rc::kNominalSize, rc::gen::exec(AnyOperation)));
    for (const auto& subject : subjects_) {
      RC_LOG() << subject->name() << std::endl;
      subject->Begin();
      Model model;
      for (const Operation& operation : operations) {
        RC_LOG() << operation << std::endl;
        model.Apply(operation);
        subject->Do(operation);
        subject->Check(model);
      }
    }
  }));
  // They did go different ways.
  EXPECT_GT(TrappedRings(0), TrappedRings(2));
  EXPECT_GT(TrappedRings(2), TrappedRings(1));
}

}  // namespace
}  // namespace ivshmem
