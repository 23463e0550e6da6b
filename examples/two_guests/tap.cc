// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/tap.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace ivshmem::two_guests {
namespace {

uint64_t Value(absl::Span<const uint8_t> bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(sizeof(value), bytes.size()));
  return value;
}

class TappedClaim : public Registration {
 public:
  TappedClaim(std::string range, MmioHandler& handler, AccessObserver& observer)
      : tap_(std::move(range), handler, observer) {}

  absl::Status Claim(MmioSpace& space, uint64_t base, uint64_t size) {
    auto claim = space.Claim(base, size, tap_);
    if (!claim.ok()) return claim.status();
    claim_ = *std::move(claim);
    return absl::OkStatus();
  }

 private:
  Tap tap_;
  RegistrationPtr claim_;  // Goes first.
};

}  // namespace

void Tap::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  handler_.Read(offset, bytes);
  observer_.OnHandled({.range = range_,
                       .offset = offset,
                       .size = static_cast<int>(bytes.size()),
                       .value = Value(bytes)});
}

void Tap::Write(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  const Access access = {.range = range_,
                         .offset = offset,
                         .size = static_cast<int>(bytes.size()),
                         .is_write = true,
                         .value = Value(bytes)};
  if (observer_.OnWrite(access)) handler_.Write(offset, bytes);
  observer_.OnHandled(access);
}

TappedSpace::TappedSpace(MmioSpace& space, AccessObserver& observer,
                         std::function<std::string(uint64_t)> name)
    : space_(space), observer_(observer), name_(std::move(name)) {}

absl::StatusOr<RegistrationPtr> TappedSpace::Claim(uint64_t base, uint64_t size,
                                                   MmioHandler& handler) {
  auto claim = std::make_unique<TappedClaim>(name_(base), handler, observer_);
  if (auto status = claim->Claim(space_, base, size); !status.ok()) {
    return status;
  }
  return claim;
}

}  // namespace ivshmem::two_guests
