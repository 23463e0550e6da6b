// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "bus/pci/msi.h"
#include "bus/pci/msix_interleaving_model.h"
#include "bus/pci/msix_vector.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// Three operations on one vector, interleaved in every way in which the second
// and the third can begin in between two atomic operations of those that are
// under way. Whatever comes out must be what some order of the operations'
// steps gives in a model where each step is one piece.
namespace ivshmem::pci::interleaving {
namespace {

// An atomic before each of whose operations other threads may run.
struct Stepper {
  static inline std::function<void()> on_step;
  static inline bool paused = false;
};

template <typename T>
class SteppedAtomic {
 public:
  SteppedAtomic(T value) : value_(value) {}  // NOLINT: as std::atomic.

  T load(std::memory_order) const { return At(); }
  void store(T value, std::memory_order) { At() = value; }
  T fetch_or(T bits, std::memory_order) { return Exchange(At() | bits); }
  T fetch_and(T bits, std::memory_order) { return Exchange(At() & bits); }
  T fetch_xor(T bits, std::memory_order) { return Exchange(At() ^ bits); }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order,
                               std::memory_order) {
    if (At() != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }

 private:
  T& At() const {
    if (Stepper::on_step && !Stepper::paused) Stepper::on_step();
    return value_;
  }

  T Exchange(T value) {
    std::swap(value, value_);
    return value;
  }

  mutable T value_;
};

using Vector = BasicMsixVector<SteppedAtomic>;
using Verdict = Vector::Verdict;

constexpr uint64_t kControlMask = uint64_t{1} << 32;

// The vector, used as Msix uses it: writers exclude each other, and fire what
// they let loose afterwards.
class Subject {
 public:
  explicit Subject(const State& initial) : state_(initial) {
    vector_.SetGates(Gates());
    vector_.Store(Vector::kAddress, initial.message.address);
    vector_.Store(Vector::kDataAndControl, kControlMask | initial.message.data);
    if (initial.pending) {
      // Something must have let it become pending.
      vector_.SetGates(0);
      Do(Op::kPost);
      vector_.SetGates(Gates());
    }
    if (!initial.masked) {
      vector_.Store(Vector::kDataAndControl, initial.message.data);
    }
  }

  // Whether a thread that did this now would have to wait for a lock.
  bool Blocks(Op op) const { return op != Op::kPost && writing_; }

  void Do(Op op) {
    MsiMessage message;
    if (op == Op::kPost) {
      Take(vector_.Post(message), message);
      return;
    }
    writing_ = true;
    Apply(op, state_);
    Write(op);
    writing_ = false;
    if (op == Op::kReset) return;
    Take(vector_.Claim(message), message);
  }

  // When nothing is under way.
  State End() {
    state_.pending = vector_.pending();
    state_.message = {
        .address = vector_.Load(Vector::kAddress),
        .data = static_cast<uint32_t>(vector_.Load(Vector::kDataAndControl))};
    MsiMessage message;
    EXPECT_EQ(vector_.MayFire(message), state_.MayFire());
    return state_;
  }

 private:
  uint64_t Gates() const {
    return (state_.blocked ? Vector::kBlocked : 0) |
           (state_.disabled ? Vector::kDisabled : 0);
  }

  // A verdict says of the pending bit what it is then.
  void Take(Verdict verdict, const MsiMessage& message) {
    Stepper::paused = true;
    if (verdict == Verdict::kSend) {
      state_.sent.Add(message);
    } else if (verdict != Verdict::kDisabled &&
               vector_.pending() != (verdict == Verdict::kKept)) {
      ADD_FAILURE() << "pending " << vector_.pending();
    }
    Stepper::paused = false;
  }

  void Write(Op op) {
    const uint64_t control = state_.masked ? kControlMask : 0;
    switch (op) {
      case Op::kMask:
      case Op::kUnmask:
      case Op::kSetData:
        vector_.Store(Vector::kDataAndControl, control | state_.message.data);
        break;
      case Op::kSetAddress:
        vector_.Store(Vector::kAddress, state_.message.address);
        break;
      case Op::kReset:
        vector_.Reset();
        break;
      default:
        vector_.SetGates(Gates());
    }
  }

  Vector vector_;
  bool writing_ = false;
  State state_;  // Of this, the writers' part and what was sent.
};

// Runs the first operation, with the second before step `second_at` and the
// third before step `third_at` of all that run.
struct Run {
  Run(const State& initial, const std::array<Op, 3>& ops, int second_at,
      int third_at) {
    Subject subject(initial);
    bool second_runs = false;
    Stepper::on_step = [&] {
      ++steps;
      if (steps == second_at) {
        if (subject.Blocks(ops[1])) {
          impossible = true;
          return;
        }
        second_runs = true;
        subject.Do(ops[1]);
        second_runs = false;
      } else if (steps == third_at) {
        if (subject.Blocks(ops[2])) {
          impossible = true;
          return;
        }
        second_before_third = !second_runs;
        subject.Do(ops[2]);
      }
    };
    subject.Do(ops[0]);
    Stepper::on_step = nullptr;
    end = subject.End();
  }

  int steps = 0;
  bool impossible = false;  // One would have had to wait.
  bool second_before_third = false;
  State end;
};

void Check(const State& initial, const std::array<Op, 3>& ops) {
  std::array<std::optional<Allowed>, 2> allowed;
  const auto message = [&](int second_at, int third_at) {
    ::testing::Message text;
    text << "initially " << initial << "; operations";
    for (Op op : ops) text << " " << static_cast<int>(op);
    text << ", the second at " << second_at << ", the third at " << third_at;
    return text;
  };
  for (int second_at = 1;; ++second_at) {
    for (int third_at = second_at + 1;; ++third_at) {
      const Run run(initial, ops, second_at, third_at);
      if (run.steps < second_at) return;
      if (run.steps < third_at) break;
      if (run.impossible) continue;
      ASSERT_FALSE(run.end.pending && run.end.MayFire())
          << "stuck: " << message(second_at, third_at);
      const auto posts =
          static_cast<size_t>(std::count(ops.begin(), ops.end(), Op::kPost));
      ASSERT_LE(run.end.sent.size(), posts + (initial.pending ? 1 : 0))
          << "sent twice: " << message(second_at, third_at);
      std::optional<Allowed>& ends = allowed[run.second_before_third];
      if (!ends) ends.emplace(initial, ops, run.second_before_third);
      ASSERT_TRUE(ends->Contains(run.end))
          << message(second_at, third_at) << "; ends " << run.end;
    }
  }
}

// One test for each first operation.
class MsixInterleavingTest : public ::testing::TestWithParam<int> {};

TEST_P(MsixInterleavingTest, EndsAsSomeOrderOfTheSteps) {
  for (int bits = 0; bits < 16; ++bits) {
    const State initial = {.masked = (bits & 1) != 0,
                           .blocked = (bits & 2) != 0,
                           .disabled = (bits & 4) != 0,
                           .pending = (bits & 8) != 0};
    if (initial.pending && initial.MayFire()) continue;
    for (int second = 0; second < kOps; ++second) {
      for (int third = 0; third < kOps; ++third) {
        ASSERT_NO_FATAL_FAILURE(
            Check(initial, {static_cast<Op>(GetParam()),
                            static_cast<Op>(second), static_cast<Op>(third)}));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(FirstOperation, MsixInterleavingTest,
                         ::testing::Range(0, kOps));

}  // namespace
}  // namespace ivshmem::pci::interleaving
