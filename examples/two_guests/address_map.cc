// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/address_map.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace ivshmem::two_guests {

class AddressMap::ClaimedRange : public Registration {
 public:
  ClaimedRange(std::weak_ptr<Ranges> ranges, uint64_t base)
      : ranges_(std::move(ranges)), base_(base) {}

  ~ClaimedRange() override {
    if (const auto ranges = ranges_.lock()) ranges->erase(base_);
  }

 private:
  const std::weak_ptr<Ranges> ranges_;
  const uint64_t base_;
};

absl::StatusOr<RegistrationPtr> AddressMap::Claim(uint64_t base, uint64_t size,
                                                  MmioHandler& handler) {
  const uint64_t last = base + (size - 1);
  if (size == 0 || last < base) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cannot claim %#x bytes at %#x", size, base));
  }
  const auto next = ranges_->lower_bound(base);
  if ((next != ranges_->end() && next->first <= last) ||
      (next != ranges_->begin() && std::prev(next)->second.last >= base)) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "%#x bytes at %#x overlap what is claimed already", size, base));
  }
  ranges_->emplace(base, Range{last, &handler});
  return std::make_unique<ClaimedRange>(ranges_, base);
}

AddressMap::Ranges::const_iterator AddressMap::Find(uint64_t address,
                                                    uint64_t size) const {
  auto it = ranges_->upper_bound(address);
  if (size == 0 || it == ranges_->begin()) return ranges_->end();
  --it;
  const uint64_t last = address + (size - 1);
  if (last < address || last > it->second.last) return ranges_->end();
  return it;
}

void AddressMap::Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept {
  const auto it = Find(address, bytes.size());
  if (it == ranges_->end()) {
    std::fill(bytes.begin(), bytes.end(), 0xff);
  } else {
    it->second.handler->Read(address - it->first, bytes);
  }
}

void AddressMap::Write(uint64_t address,
                       absl::Span<const uint8_t> bytes) noexcept {
  const auto it = Find(address, bytes.size());
  if (it == ranges_->end()) return;
  it->second.handler->Write(address - it->first, bytes);
}

}  // namespace ivshmem::two_guests
