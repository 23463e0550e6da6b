// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/address_map.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "core/in_flight.h"

namespace ivshmem {
namespace {

struct Range {
  uint64_t base;
  uint64_t last;  // Inclusive, so that the top of the space can be claimed.
  MmioHandler* handler;
};

// Sorted. Never changed once accesses can see it.
using Ranges = std::vector<Range>;

// The first range that ends at `address` or above.
Ranges::const_iterator FirstFrom(const Ranges& ranges, uint64_t address) {
  return std::partition_point(
      ranges.begin(), ranges.end(),
      [address](const Range& range) { return range.last < address; });
}

}  // namespace

class AddressMap::Claims {
 public:
  absl::Status Add(const Range& range) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<const Ranges> old;
    {
      absl::MutexLock lock(&mutex_);
      const auto next = FirstFrom(*ranges_, range.base);
      if (next != ranges_->end() && next->base <= range.last) {
        return absl::AlreadyExistsError(absl::StrFormat(
            "[%#x, %#x] overlaps [%#x, %#x], which is claimed already",
            range.base, range.last, next->base, next->last));
      }
      Ranges ranges = *ranges_;
      ranges.insert(ranges.begin() + (next - ranges_->begin()), range);
      old = Replace(std::move(ranges));
    }
    in_flight_.Retire(std::move(old));
    return absl::OkStatus();
  }

  void Remove(uint64_t base) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<const Ranges> old;
    {
      absl::MutexLock lock(&mutex_);
      Ranges ranges = *ranges_;
      ranges.erase(ranges.begin() +
                   (FirstFrom(*ranges_, base) - ranges_->begin()));
      old = Replace(std::move(ranges));
    }
    in_flight_.Retire(std::move(old));
  }

  // Calls `use(range)` for the range that all of [address, address + size) lies
  // in, if there is one. No bytes, or bytes past the last address, are nowhere.
  template <typename Use>
  Coverage With(uint64_t address, uint64_t size, Use use) {
    const uint64_t last = address + (size - 1);
    if (size == 0 || last < address) return Coverage::kNone;
    const InFlight::Call call(in_flight_);
    const Ranges& ranges = *current_.load(std::memory_order_seq_cst);
    const auto range = FirstFrom(ranges, address);
    if (range == ranges.end() || range->base > last) return Coverage::kNone;
    if (range->base > address || range->last < last) return Coverage::kPart;
    use(*range);
    return Coverage::kWhole;
  }

  void Synchronize() { in_flight_.Close(); }

 private:
  std::shared_ptr<const Ranges> Replace(Ranges ranges)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::shared_ptr<const Ranges> old = std::exchange(
        ranges_, std::make_shared<const Ranges>(std::move(ranges)));
    current_.store(ranges_.get(), std::memory_order_seq_cst);
    return old;
  }

  absl::Mutex mutex_;
  std::shared_ptr<const Ranges> ranges_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const Ranges>();
  std::atomic<const Ranges*> current_{ranges_.get()};
  InFlight in_flight_;
};

class AddressMap::ClaimedRange : public Registration {
 public:
  ClaimedRange(std::weak_ptr<Claims> claims, uint64_t base)
      : claims_(std::move(claims)), base_(base) {}

  ~ClaimedRange() override {
    if (const auto claims = claims_.lock()) claims->Remove(base_);
  }

 private:
  const std::weak_ptr<Claims> claims_;
  const uint64_t base_;
};

AddressMap::AddressMap() : claims_(std::make_shared<Claims>()) {}

AddressMap::~AddressMap() = default;

absl::StatusOr<RegistrationPtr> AddressMap::Claim(uint64_t base, uint64_t size,
                                                  MmioHandler& handler) {
  const uint64_t last = base + (size - 1);
  if (size == 0 || last < base) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cannot claim %#x bytes at %#x", size, base));
  }
  absl::Status status = claims_->Add({base, last, &handler});
  if (!status.ok()) return status;
  return std::make_unique<ClaimedRange>(claims_, base);
}

void AddressMap::Synchronize() { claims_->Synchronize(); }

AddressMap::Coverage AddressMap::TryRead(uint64_t address,
                                         absl::Span<uint8_t> bytes) noexcept {
  return claims_->With(address, bytes.size(), [&](const Range& range) {
    range.handler->Read(address - range.base, bytes);
  });
}

AddressMap::Coverage AddressMap::TryWrite(
    uint64_t address, absl::Span<const uint8_t> bytes) noexcept {
  return claims_->With(address, bytes.size(), [&](const Range& range) {
    range.handler->Write(address - range.base, bytes);
  });
}

void AddressMap::Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept {
  if (TryRead(address, bytes) == Coverage::kWhole) return;
  std::fill(bytes.begin(), bytes.end(), 0xff);
}

void AddressMap::Write(uint64_t address,
                       absl::Span<const uint8_t> bytes) noexcept {
  TryWrite(address, bytes);
}

}  // namespace ivshmem
