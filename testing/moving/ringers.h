// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_MOVING_RINGERS_H_
#define IVSHMEM_TESTING_MOVING_RINGERS_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/moving/guest_memory.h"

namespace ivshmem::moving {

using Ring = std::function<void(Vector vector)>;

// Rings vectors 1 to 6 of a device that moves all the time, each again when its
// last ring has been answered by an interrupt: so every single ring counts. One
// that is lost is never answered, and one that comes twice is one answer too
// many.
class PacedRinger {
 public:
  static constexpr Vector kFirst = 1;
  static constexpr Vector kLast = 6;

  // `ring` is called from a thread of its own.
  PacedRinger(GuestMemory& memory, Ring ring)
      : memory_(memory), ring_(std::move(ring)), thread_([this] { Run(); }) {
    for (int v = 0; v < kVectors; ++v) before_[v] = memory_.interrupts[v];
    go_ = true;
  }
  ~PacedRinger() { Stop(); }

  // Each ring has been answered, once.
  void Finish() {
    Stop();
    for (Vector v = kFirst; v <= kLast; ++v) {
      EXPECT_TRUE(Becomes([&] { return Answers(v) >= rung_[v]; }))
          << "vector " << v << ": rung " << rung_[v] << ", arrived "
          << Answers(v);
    }
    for (Vector v = kFirst; v <= kLast; ++v) EXPECT_EQ(Answers(v), rung_[v]);
  }

  uint32_t rung() const {
    uint32_t rung = 0;
    for (const auto& of_vector : rung_) rung += of_vector;
    return rung;
  }

  // Whether rings go on being answered: `more` of them.
  bool Goes(uint32_t more) const {
    const uint32_t before = rung();
    return Becomes([&] { return rung() >= before + more; });
  }

 private:
  uint32_t Answers(Vector v) const {
    return memory_.interrupts[v] - before_[v];
  }

  void Run() {
    while (!go_) std::this_thread::yield();
    while (!stop_) {
      bool rang = false;
      for (Vector v = kFirst; v <= kLast; ++v) {
        if (Answers(v) != rung_[v]) continue;
        ++rung_[v];
        ring_(v);
        rang = true;
      }
      if (!rang) absl::SleepFor(absl::Microseconds(20));
    }
  }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  GuestMemory& memory_;
  const Ring ring_;
  std::array<uint32_t, kVectors> before_ = {};
  std::array<std::atomic<uint32_t>, kVectors> rung_ = {};
  std::atomic<bool> go_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Rings vector 0 as fast as it can. Rings that come together are one interrupt,
// but after the last there is one.
class FastRinger {
 public:
  FastRinger(GuestMemory& memory, Ring ring)
      : memory_(memory), ring_(std::move(ring)), thread_([this] { Run(); }) {}
  ~FastRinger() { Stop(); }

  void Finish() {
    Stop();
    EXPECT_TRUE(Becomes([&] { return memory_.seen == memory_.rung; }))
        << "rung " << memory_.rung << ", seen " << memory_.seen;
  }

  uint64_t rung() const { return memory_.rung; }

 private:
  void Run() {
    while (!stop_) {
      ++memory_.rung;
      ring_(0);
    }
  }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  GuestMemory& memory_;
  const Ring ring_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace ivshmem::moving

#endif  // IVSHMEM_TESTING_MOVING_RINGERS_H_
