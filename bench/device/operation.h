// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_OPERATION_H_
#define IVSHMEM_BENCH_DEVICE_OPERATION_H_

#include <cstdint>
#include <memory>
#include <utility>

namespace ivshmem::bench {

// Threads that do something at once, each with what is its own: a doorbell, a
// vector.
inline constexpr int kLanes = 2;

// Something that is measured.
class Operation {
 public:
  virtual ~Operation() = default;
  // Does it `count` times, as thread `lane` of kLanes.
  virtual void Run(int lane, uint32_t count) = 0;
};

// `once(lane)`, again and again.
template <typename Once>
std::unique_ptr<Operation> Repeat(Once once) {
  class Repeated : public Operation {
   public:
    explicit Repeated(Once once) : once_(std::move(once)) {}
    void Run(int lane, uint32_t count) override {
      for (uint32_t i = 0; i < count; ++i) once_(lane);
    }

   private:
    Once once_;
  };
  return std::make_unique<Repeated>(std::move(once));
}

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_OPERATION_H_
