// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <ostream>
#include <tuple>
#include <vector>

#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "rapidcheck/state.h"

// MSI-X against a model of the clauses of PCI Local Bus 3.0, 6.8.2, as plain as
// can be: after any sequence of operations, what was sent, the table, the
// pending bits and the routes are the model's.
namespace ivshmem::pci {
namespace {

constexpr int kVectors = 67;  // The PBA's second quadword begins at 64.
constexpr uint64_t kPba = 0x800;

struct Entry {
  std::array<uint32_t, 4> dwords = {0, 0, 0, 1};

  bool masked() const { return dwords[3] % 2 != 0; }
  MsiMessage message() const {
    return {.address = uint64_t{dwords[1]} << 32 | dwords[0],
            .data = dwords[2]};
  }
};

struct Model {
  std::array<Entry, kVectors> table;
  std::bitset<kVectors> pending;
  Msix::Gates gates;
  std::vector<MsiMessage> sent;  // By the last operation.

  bool MayFire(int vector) const {
    return gates.enabled && !gates.function_mask && gates.bus_master &&
           !table[vector].masked();
  }

  void FirePending() {
    for (int vector = 0; vector < kVectors; ++vector) {
      if (!pending[vector] || !MayFire(vector)) continue;
      pending[vector] = false;
      sent.push_back(table[vector].message());
    }
  }

  Msix::Outcome Deliver(int vector) {
    if (vector >= kVectors) return Msix::Outcome::kNoSuchVector;
    if (!gates.enabled) return Msix::Outcome::kDisabled;
    pending[vector] = true;
    FirePending();
    return pending[vector] ? Msix::Outcome::kPending : Msix::Outcome::kSent;
  }
};

struct Sut {
  RecordingMsiSink sink;
  Msix msix{kVectors, &sink, nullptr};
};

std::vector<MsiMessage> Sorted(std::vector<MsiMessage> messages) {
  const auto key = [](const MsiMessage& message) {
    return std::tuple(message.address, message.data);
  };
  std::sort(messages.begin(), messages.end(),
            [&](const MsiMessage& a, const MsiMessage& b) {
              return key(a) < key(b);
            });
  return messages;
}

void ExpectSame(const Model& model, Sut& sut) {
  RC_ASSERT(Sorted(sut.sink.Take()) == Sorted(model.sent));
  for (int vector = 0; vector < kVectors; ++vector) {
    RC_ASSERT(sut.msix.pending(vector) == model.pending[vector]);
    RC_ASSERT(sut.msix.Route(vector).has_value() == model.MayFire(vector));
    RC_ASSERT(
        sut.msix.Route(vector).value_or(MsiMessage()) ==
        (model.MayFire(vector) ? model.table[vector].message() : MsiMessage()));
    for (int i = 0; i < 4; ++i) {
      RC_ASSERT(Read<uint32_t>(sut.msix, vector * 16 + i * 4) ==
                model.table[vector].dwords[i]);
    }
  }
  for (int i = 0; i < kVectors; i += 32) {
    uint32_t bits = 0;
    for (int vector = i; vector < std::min(i + 32, kVectors); ++vector) {
      bits |= uint32_t{model.pending[vector]} << (vector - i);
    }
    RC_ASSERT(Read<uint32_t>(sut.msix, kPba + i / 8) == bits);
  }
}

// An operation of either side; what it left behind is compared each time.
class Operation : public rc::state::Command<Model, Sut> {
 public:
  void apply(Model& model) const final {
    model.sent.clear();
    OnModel(model);
  }

  void run(const Model& before, Sut& sut) const final {
    OnSut(before, sut);
    ExpectSame(nextState(before), sut);
  }

 protected:
  virtual void OnModel(Model& model) const = 0;
  virtual void OnSut(const Model& before, Sut& sut) const = 0;
};

// Few vectors, so that operations meet; from both quadwords of the PBA.
int AnyVector() { return *rc::gen::element(0, 1, 63, 64, 66); }

class Deliver : public Operation {
 public:
  void show(std::ostream& out) const override {
    out << "Deliver(" << vector_ << ")";
  }

 protected:
  void OnModel(Model& model) const override { model.Deliver(vector_); }

  void OnSut(const Model& before, Sut& sut) const override {
    Model model = before;
    RC_ASSERT(sut.msix.Deliver(vector_) == model.Deliver(vector_));
  }

 private:
  const int vector_ =
      *rc::gen::oneOf(rc::gen::exec(AnyVector), rc::gen::just(kVectors));
};

class WriteDword : public Operation {
 public:
  void show(std::ostream& out) const override {
    out << "WriteDword(" << vector_ << ", " << dword_ << ", 0x" << std::hex
        << value_ << std::dec << ")";
  }

 protected:
  void OnModel(Model& model) const override {
    model.table[vector_].dwords[dword_] = value_;
    model.FirePending();
  }

  void OnSut(const Model&, Sut& sut) const override {
    Write<uint32_t>(sut.msix, vector_ * 16 + dword_ * 4, value_);
  }

 private:
  const int vector_ = AnyVector();
  const int dword_ = *rc::gen::element(0, 1, 2, 3, 3, 3);
  const uint32_t value_ =
      *rc::gen::oneOf(rc::gen::element(0u, 1u), rc::gen::arbitrary<uint32_t>());
};

class WriteQuadword : public Operation {
 public:
  void show(std::ostream& out) const override {
    out << "WriteQuadword(" << vector_ << ", " << quadword_ << ", 0x"
        << std::hex << value_ << std::dec << ")";
  }

 protected:
  void OnModel(Model& model) const override {
    Entry& entry = model.table[vector_];
    entry.dwords[quadword_ * 2] = static_cast<uint32_t>(value_);
    entry.dwords[quadword_ * 2 + 1] = static_cast<uint32_t>(value_ >> 32);
    model.FirePending();
  }

  void OnSut(const Model&, Sut& sut) const override {
    Write<uint64_t>(sut.msix, vector_ * 16 + quadword_ * 8, value_);
  }

 private:
  const int vector_ = AnyVector();
  const int quadword_ = *rc::gen::inRange(0, 2);
  const uint64_t value_ = *rc::gen::arbitrary<uint64_t>();
};

class SetGates : public Operation {
 public:
  void show(std::ostream& out) const override {
    out << "SetGates(enabled " << gates_.enabled << ", function mask "
        << gates_.function_mask << ", bus master " << gates_.bus_master << ")";
  }

 protected:
  void OnModel(Model& model) const override {
    model.gates = gates_;
    model.FirePending();
  }

  void OnSut(const Model&, Sut& sut) const override {
    sut.msix.SetGates(gates_);
  }

 private:
  const Msix::Gates gates_ = {
      .enabled = *rc::gen::weightedElement<bool>({{4, true}, {1, false}}),
      .function_mask = *rc::gen::weightedElement<bool>({{1, true}, {3, false}}),
      .bus_master = *rc::gen::weightedElement<bool>({{3, true}, {1, false}})};
};

class Reset : public Operation {
 public:
  void show(std::ostream& out) const override { out << "Reset()"; }

 protected:
  void OnModel(Model& model) const override {
    model.table = {};
    model.pending = {};
  }

  void OnSut(const Model&, Sut& sut) const override { sut.msix.Reset(); }
};

RC_GTEST_PROP(MsixModel, AnySequenceOfOperations, ()) {
  Sut sut;
  // Open gates: most sequences would spend themselves on getting there.
  Model model;
  model.gates = {.enabled = true, .bus_master = true};
  sut.msix.SetGates(model.gates);
  rc::state::check(
      model, sut,
      rc::state::gen::execOneOfWithArgs<Deliver, Deliver, WriteDword,
                                        WriteDword, WriteQuadword, SetGates,
                                        Reset>());
}

}  // namespace
}  // namespace ivshmem::pci
