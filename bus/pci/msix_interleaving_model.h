// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSIX_INTERLEAVING_MODEL_H_
#define IVSHMEM_BUS_PCI_MSIX_INTERLEAVING_MODEL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <unordered_set>
#include <vector>

#include "bus/pci/msi.h"
#include "bus/pci/testing.h"

// The model of msix_interleaving_test: what three operations on one vector may
// come to, in whatever order their steps happen.
namespace ivshmem::pci::interleaving {

enum class Op : uint8_t {
  kPost,
  kMask,
  kUnmask,
  kSetAddress,
  kSetData,
  kBlock,
  kUnblock,
  kDisable,
  kEnable,
  kReset,
};
inline constexpr int kOps = 10;

inline constexpr uint64_t kNewAddress = 0xa;
inline constexpr uint32_t kNewData = 0xd;
inline constexpr uint32_t kMaskedData = 0xe;

// What was sent, in no order. Three operations and what was pending before send
// four messages at most; of more only the number is kept.
class Sent {
 public:
  void Add(const MsiMessage& message) {
    if (count_ < codes_.size()) {
      codes_[count_] = Code(message);
      std::sort(codes_.begin(), codes_.begin() + count_ + 1);
    }
    ++count_;
  }

  size_t size() const { return count_; }

  // 32 bits for up to four.
  uint64_t code() const {
    return uint64_t{codes_[0]} << 24 | codes_[1] << 16 | codes_[2] << 8 |
           codes_[3];
  }

  // In 8 bits, for the messages that occur here; 0 is none of them.
  static uint8_t Code(const MsiMessage& message) {
    return static_cast<uint8_t>((message.address << 4 | message.data) + 1);
  }

 private:
  std::array<uint8_t, 4> codes_ = {};
  size_t count_ = 0;
};

// What can be seen from outside when nothing is under way.
struct State {
  bool masked = false;
  bool blocked = false;
  bool disabled = false;
  bool pending = false;
  bool half_written = false;  // Never so when nothing is under way.
  MsiMessage message = {.address = 1, .data = 1};
  Sent sent;

  bool MayFire() const {
    return !masked && !blocked && !disabled && !half_written;
  }

  void FirePending() {
    if (!pending || !MayFire()) return;
    pending = false;
    sent.Add(message);
  }

  // All of it in 45 bits.
  uint64_t code() const {
    return sent.code() << 13 | uint64_t{Sent::Code(message)} << 5 |
           half_written << 4 | pending << 3 | disabled << 2 | blocked << 1 |
           int{masked};
  }

  friend std::ostream& operator<<(std::ostream& out, const State& state) {
    return out << "masked " << state.masked << " blocked " << state.blocked
               << " disabled " << state.disabled << " pending " << state.pending
               << " message " << state.message << " sent " << state.sent.size()
               << " (" << std::hex << state.sent.code() << std::dec << ")";
  }
};

// The model's steps. An interrupt either takes effect in one piece, or becomes
// pending and fires afterwards; what comes in between finds it pending. A
// writer's change and the firing of what it let loose are two steps as well,
// and while an entry is written it is as if it were masked.
enum class Step : uint8_t {
  kPost,
  kArrive,
  kKeep,
  kBegin,
  kWrite,
  kClear,
  kFire,
};
using Steps = std::vector<Step>;

inline std::vector<Steps> FormsOf(Op op) {
  switch (op) {
    case Op::kPost:
      return {{Step::kPost}, {Step::kArrive, Step::kKeep, Step::kFire}};
    case Op::kMask:
    case Op::kUnmask:
    case Op::kSetAddress:
    case Op::kSetData:
      return {{Step::kBegin, Step::kWrite, Step::kFire}};
    case Op::kReset:
      return {{Step::kBegin, Step::kWrite, Step::kClear}};
    case Op::kBlock:
    case Op::kUnblock:
    case Op::kDisable:
    case Op::kEnable:
      break;
  }
  return {{Step::kWrite, Step::kFire}};
}

// The writers' changes.
inline void Apply(Op op, State& state) {
  switch (op) {
    case Op::kPost:
      break;
    case Op::kMask:  // One quadword write brings both.
      state.masked = true;
      state.message.data = kMaskedData;
      break;
    case Op::kUnmask:
      state.masked = false;
      break;
    case Op::kSetAddress:
      state.message.address = kNewAddress;
      break;
    case Op::kSetData:
      state.message.data = kNewData;
      break;
    case Op::kBlock:
      state.blocked = true;
      break;
    case Op::kUnblock:
      state.blocked = false;
      break;
    case Op::kDisable:
      state.disabled = true;
      break;
    case Op::kEnable:
      state.disabled = false;
      break;
    case Op::kReset:
      state.masked = true;
      state.message = {};
      break;
  }
}

// Everything that the model allows for three operations.
class Allowed {
 public:
  // If `second_before_third`, the second was over when the third began.
  Allowed(const State& initial, const std::array<Op, 3>& ops,
          bool second_before_third)
      : ops_(ops), second_before_third_(second_before_third) {
    for (const Steps& first : FormsOf(ops[0])) {
      for (const Steps& second : FormsOf(ops[1])) {
        for (const Steps& third : FormsOf(ops[2])) {
          steps_ = {first, second, third};
          seen_.clear();
          Explore(initial, {});
        }
      }
    }
  }

  bool Contains(const State& state) const {
    return ends_.count(state.code()) > 0;
  }

 private:
  struct Progress {
    std::array<size_t, 3> done = {};
    std::array<bool, 3> lost = {};  // An interrupt that found MSI-X disabled.

    uint64_t code() const {  // In 9 bits.
      uint64_t code = 0;
      for (int i = 0; i < 3; ++i) {
        code = code << 3 | done[i] << 1 | int{lost[i]};
      }
      return code;
    }
  };

  void Explore(const State& state, const Progress& progress) {
    if (!seen_.insert(state.code() << 9 | progress.code()).second) return;
    bool over = true;
    for (int i = 0; i < 3; ++i) {
      if (progress.done[i] == steps_[i].size()) continue;
      over = false;
      if (i == 2 && second_before_third_ &&
          progress.done[1] < steps_[1].size()) {
        continue;
      }
      if (state.half_written &&
          Locks(i, steps_[i][progress.done[i]], progress)) {
        continue;
      }
      State next = state;
      Progress next_progress = progress;
      Do(i, steps_[i][next_progress.done[i]++], next, next_progress);
      Explore(next, next_progress);
    }
    if (over) ends_.insert(state.code());
  }

  // Whether the step waits while an entry is written. (What follows a kBegin
  // does not: it is the writer's own.)
  bool Locks(int i, Step step, const Progress& progress) const {
    return step == Step::kBegin ||
           (step == Step::kWrite && progress.done[i] == 0);
  }

  void Do(int i, Step step, State& state, Progress& progress) const {
    switch (step) {
      case Step::kPost:
        if (state.disabled) break;
        if (state.MayFire()) {
          state.sent.Add(state.message);
        } else {
          state.pending = true;
        }
        break;
      case Step::kArrive:
        progress.lost[i] = state.disabled;
        break;
      case Step::kKeep:
        if (!progress.lost[i]) state.pending = true;
        break;
      case Step::kBegin:
        state.half_written = true;
        break;
      case Step::kWrite:
        Apply(ops_[i], state);
        state.half_written = false;
        break;
      case Step::kClear:
        state.pending = false;
        break;
      case Step::kFire:
        state.FirePending();
        break;
    }
  }

  const std::array<Op, 3> ops_;
  const bool second_before_third_;
  std::array<Steps, 3> steps_;
  std::unordered_set<uint64_t> seen_;
  std::unordered_set<uint64_t> ends_;
};

}  // namespace ivshmem::pci::interleaving

#endif  // IVSHMEM_BUS_PCI_MSIX_INTERLEAVING_MODEL_H_
