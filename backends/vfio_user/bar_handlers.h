// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_BAR_HANDLERS_H_
#define IVSHMEM_BACKENDS_VFIO_USER_BAR_HANDLERS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem::vfio_user {

// The address space of a device whose guest's addresses nobody here knows: each
// BAR stays at one address of our choosing, and is found by its number.
//
// Threading: one thread.
class BarHandlers : public MmioSpace {
 public:
  static constexpr size_t kBars = 3;

  // Where each BAR is put, of which the last has that size: any place will do
  // that is aligned to the size, and not where a BAR counts as nowhere.
  static constexpr std::array<uint64_t, kBars> Addresses(uint64_t memory_size) {
    // The first two are of 32 bits and small.
    constexpr uint64_t kFirst = 0x1000'0000;
    constexpr uint64_t kSecond = 0x2000'0000;
    constexpr uint64_t kThird = uint64_t{1} << 32;
    return {kFirst, kSecond, std::max(memory_size, kThird)};
  }

  explicit BarHandlers(const std::array<uint64_t, kBars>& addresses)
      : addresses_(addresses) {}

  // Null while the device shows no such BAR.
  MmioHandler* bar(uint32_t index) const { return handlers_[index]; }

  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t /*size*/,
                                        MmioHandler& handler) override {
    const auto place = absl::c_find(addresses_, base);
    if (place == addresses_.end()) {
      return absl::OutOfRangeError("BAR: not where this device has its BARs");
    }
    MmioHandler*& held = handlers_[place - addresses_.begin()];
    held = &handler;
    return std::make_unique<Claimed>(held);
  }

 private:
  class Claimed : public Registration {
   public:
    explicit Claimed(MmioHandler*& held) : held_(held) {}
    ~Claimed() override { held_ = nullptr; }

   private:
    MmioHandler*& held_;
  };

  const std::array<uint64_t, kBars> addresses_;
  std::array<MmioHandler*, kBars> handlers_ = {};
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_BAR_HANDLERS_H_
