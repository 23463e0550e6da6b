// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/dispatcher.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "backends/registration.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "bus/pci/config_ports.h"

namespace ivshmem::ioreq {
namespace {

constexpr uint64_t kOnes = ~uint64_t{0};
constexpr int kMaxItem = 8;

constexpr bool IsSize(Request::Kind kind, uint64_t size) {
  return size == 1 || size == 2 || size == 4 ||
         (size == 8 && kind == Request::Kind::kMemory);
}

constexpr uint64_t Masked(uint64_t value, uint64_t size) {
  return size == 8 ? value : value & ((uint64_t{1} << (8 * size)) - 1);
}

constexpr Space SpaceOf(Request::Kind kind) {
  switch (kind) {
    case Request::Kind::kPorts:
      return Space::kPorts;
    case Request::Kind::kPciConfig:
      return Space::kPciConfig;
    default:
      return Space::kMemory;
  }
}

// The last address.
constexpr uint64_t LastOf(Space space) {
  switch (space) {
    case Space::kPorts:
      return 0xffff;
    case Space::kPciConfig:
      return (uint64_t{256} << 20) - 1;
    default:
      return std::numeric_limits<uint64_t>::max();
  }
}

// Whether `count` items of `size` bytes, from `address` on upwards or
// downwards, lie below `last` or on it.
constexpr bool Fits(uint64_t address, uint64_t size, uint64_t count,
                    bool backwards, uint64_t last) {
  if (address > last || size - 1 > last - address) return false;
  const uint64_t steps = (count - 1) * size;
  return backwards ? steps <= address : steps <= last - (size - 1) - address;
}

// What is refused before anything is done.
bool IsMalformed(const Request& request, const GuestMemory* memory) {
  if (request.kind > Request::Kind::kPciConfig ||
      request.direction > Request::Direction::kWrite ||
      !IsSize(request.kind, request.size) || request.count == 0 ||
      request.count > Dispatcher::kMaxCount ||
      (request.value_is_address && memory == nullptr)) {
    return true;
  }
  // A port stays the same, and config space is reached by one.
  const uint64_t places =
      request.kind == Request::Kind::kMemory ? request.count : 1;
  return !Fits(request.address, request.size, places, request.backwards,
               LastOf(SpaceOf(request.kind))) ||
         (request.value_is_address &&
          !Fits(request.value, request.size, request.count, request.backwards,
                kOnes));
}

absl::Status CheckRange(Space space, uint64_t base, uint64_t size) {
  const uint64_t last = LastOf(space);
  if (size == 0 || base > last || size - 1 > last - base) {
    return absl::InvalidArgumentError(
        absl::StrFormat("range: expected some bytes, none past %#x, got %#x "
                        "bytes at %#x",
                        last, size, base));
  }
  if (space == Space::kPciConfig && (base % pci::kEcamFunctionSize != 0 ||
                                     size % pci::kEcamFunctionSize != 0)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "range of config space: expected whole functions, %#x bytes each, got "
        "%#x bytes at %#x",
        pci::kEcamFunctionSize, size, base));
  }
  return absl::OkStatus();
}

}  // namespace

// One address space, here and at the hypervisor.
class Dispatcher::ClaimedSpace : public MmioSpace {
 public:
  ClaimedSpace(Space space, RangeClaims* claims)
      : space_(space), claims_(claims) {}

  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override {
    absl::Status valid = CheckRange(space_, base, size);
    if (!valid.ok()) return valid;
    absl::StatusOr<RegistrationPtr> here = map_.Claim(base, size, handler);
    if (!here.ok() || claims_ == nullptr) return here;
    absl::StatusOr<RegistrationPtr> there = claims_->Claim(space_, base, size);
    if (!there.ok()) return there.status();
    return std::make_unique<Both>(*std::move(here), *std::move(there));
  }

  AddressMap& map() { return map_; }

 private:
  class Both : public Registration {
   public:
    Both(RegistrationPtr here, RegistrationPtr there)
        : here_(std::move(here)), there_(std::move(there)) {}

   private:
    // The hypervisor's goes first.
    const RegistrationPtr here_;
    const RegistrationPtr there_;
  };

  const Space space_;
  RangeClaims* const claims_;
  AddressMap map_;
};

Dispatcher::Dispatcher(RangeClaims* claims, GuestMemory* memory)
    : memory_(memory) {
  for (size_t i = 0; i < spaces_.size(); ++i) {
    spaces_[i] = std::make_unique<ClaimedSpace>(static_cast<Space>(i), claims);
  }
}

Dispatcher::~Dispatcher() = default;

MmioSpace& Dispatcher::space(Space space) {
  return *spaces_[static_cast<size_t>(space)];
}

Dispatcher::Failure Dispatcher::Access(const Request& request, uint64_t address,
                                       uint64_t& value) {
  AddressMap& map = spaces_[static_cast<size_t>(SpaceOf(request.kind))]->map();
  uint8_t buffer[kMaxItem];
  const absl::Span<uint8_t> bytes(buffer, request.size);
  AddressMap::Coverage coverage;
  if (request.direction == Request::Direction::kRead) {
    coverage = map.TryRead(address, bytes);
    value = coverage == AddressMap::Coverage::kWhole
                ? LoadLittleEndian(bytes)
                : Masked(kOnes, request.size);
  } else {
    StoreLittleEndian(value, bytes);
    coverage = map.TryWrite(address, bytes);
  }
  switch (coverage) {
    case AddressMap::Coverage::kPart:
      return Reason::kSpanning;
    case AddressMap::Coverage::kNone:
      return Reason::kUnclaimed;
    default:
      return std::nullopt;
  }
}

Dispatcher::Failure Dispatcher::MoveItem(const Request& request,
                                         uint64_t address, uint64_t operand) {
  uint8_t buffer[kMaxItem] = {};
  const absl::Span<uint8_t> bytes(buffer, request.size);
  const bool write = request.direction == Request::Direction::kWrite;
  if (write && !memory_->Read(operand, bytes)) return Reason::kMalformed;
  uint64_t value = LoadLittleEndian(bytes);
  const Failure failure = Access(request, address, value);
  if (write) return failure;
  StoreLittleEndian(value, bytes);
  if (!memory_->Write(operand, bytes)) return Reason::kMalformed;
  return failure;
}

Dispatcher::Failure Dispatcher::AnswerString(const Request& request,
                                             uint64_t& value) {
  const uint64_t step =
      request.backwards ? uint64_t{0} - request.size : request.size;
  const uint64_t address_step =
      request.kind == Request::Kind::kMemory ? step : 0;
  uint64_t address = request.address;
  uint64_t operand = request.value;
  Failure first;
  for (uint32_t i = 0; i < request.count; ++i) {
    const Failure failure = request.value_is_address
                                ? MoveItem(request, address, operand)
                                : Access(request, address, value);
    if (!first.has_value()) first = failure;
    if (failure == Reason::kMalformed) break;
    address += address_step;
    operand += step;
  }
  return first;
}

uint64_t Dispatcher::Answer(const Request& request) noexcept {
  uint64_t value = request.value;
  Failure failure;
  if (IsMalformed(request, memory_)) {
    failure = Reason::kMalformed;
    if (request.direction != Request::Direction::kWrite &&
        !request.value_is_address) {
      value = IsSize(Request::Kind::kMemory, request.size)
                  ? Masked(kOnes, request.size)
                  : kOnes;
    }
  } else if (request.count == 1 && !request.value_is_address) {
    failure = Access(request, request.address, value);
  } else {
    failure = AnswerString(request, value);
  }
  if (failure.has_value()) {
    failures_[static_cast<size_t>(*failure)].fetch_add(
        1, std::memory_order_relaxed);
  }
  return value;
}

Dispatcher::Counts Dispatcher::counts() const {
  const auto count = [this](Reason reason) {
    return failures_[static_cast<size_t>(reason)].load(
        std::memory_order_relaxed);
  };
  return {.unclaimed = count(Reason::kUnclaimed),
          .spanning = count(Reason::kSpanning),
          .malformed = count(Reason::kMalformed)};
}

void Dispatcher::Synchronize() {
  for (const auto& space : spaces_) space->map().Synchronize();
}

}  // namespace ivshmem::ioreq
