// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_FAKE_RANGE_CLAIMS_H_
#define IVSHMEM_BACKENDS_IOREQ_FAKE_RANGE_CLAIMS_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/registration.h"

namespace ivshmem::ioreq {

// For this folder's tests: what a hypervisor hands over. One thread.
class FakeRangeClaims final : public RangeClaims {
 public:
  struct Range {
    Space space;
    uint64_t base;
    uint64_t size;
    friend auto operator<=>(const Range&, const Range&) = default;
  };

  absl::StatusOr<RegistrationPtr> Claim(Space space, uint64_t base,
                                        uint64_t size) override {
    const Range range = {space, base, size};
    if (on_change) on_change(range);
    absl::Status refused = std::exchange(refusal, absl::OkStatus());
    if (!refused.ok()) return refused;
    if (!ranges_.insert(range).second) {
      return absl::AlreadyExistsError("claimed twice");
    }
    return std::make_unique<Claimed>(*this, range);
  }

  const std::set<Range>& ranges() const { return ranges_; }

  // How the next claim is refused.
  absl::Status refusal;
  // Called as a range is claimed, and as it is released.
  std::function<void(const Range&)> on_change;

 private:
  class Claimed : public Registration {
   public:
    Claimed(FakeRangeClaims& claims, const Range& range)
        : claims_(claims), range_(range) {}
    ~Claimed() override {
      if (claims_.on_change) claims_.on_change(range_);
      claims_.ranges_.erase(range_);
    }

   private:
    FakeRangeClaims& claims_;
    const Range range_;
  };

  std::set<Range> ranges_;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_FAKE_RANGE_CLAIMS_H_
