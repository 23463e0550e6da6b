// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/xen/storm.h"

#include <array>
#include <random>
#include <string>

namespace ivshmem::xen_simulation {
namespace {

using Random = std::mt19937_64;

// What an echo device reads at `offset`, or wants written there.
uint64_t Echo(uint64_t offset, uint32_t size, bool complement) {
  uint64_t value = 0;
  for (uint32_t i = size; i > 0; --i) {
    const uint8_t byte = EchoByte(offset + i - 1);
    value = value << 8 | static_cast<uint8_t>(complement ? ~byte : byte);
  }
  return value;
}

struct Target {
  uint8_t type;
  uint64_t base;
  uint64_t size;
};

constexpr std::array<Target, 3> kTargets = {{
    {IOREQ_TYPE_COPY, kEchoMemory, 0x1000},
    {IOREQ_TYPE_PIO, kEchoPorts, 0x100},
    {IOREQ_TYPE_PCI_CONFIG, kEchoFunction << 32, 0x1000},
}};

// An access and what is to come of it.
class EchoAccess {
 public:
  EchoAccess(Domain& domain, int vcpu, Random& random)
      : domain_(domain), ram_(static_cast<uint64_t>(vcpu) * kPage) {
    const Target& target = kTargets[random() % kTargets.size()];
    request_.type = target.type;
    request_.size = 1u << (random() % (target.type == IOREQ_TYPE_COPY ? 4 : 3));
    request_.dir = random() % 2;
    const bool string =
        target.type != IOREQ_TYPE_PCI_CONFIG && random() % 4 == 0;
    request_.count = string ? 1 + random() % 8 : 1;
    request_.data_is_ptr = string;
    request_.df = string ? random() % 2 : 0;
    // So that all items are inside, in both directions.
    const uint64_t reach = uint64_t{8} * request_.size;
    offset_ = random() % ((target.size - 2 * reach) / request_.size);
    offset_ = reach + offset_ * request_.size;
    request_.addr = target.base + offset_;
    operand_ = ram_ + reach + random() % (kPage - 3 * reach);
    if (string) {
      request_.data = operand_;
      FillOperands();
    } else {
      request_.data = request_.dir == IOREQ_WRITE
                          ? Echo(offset_, request_.size, true)
                          : random();
    }
  }

  ioreq_t& request() { return request_; }

  // Whether the answer is right.
  bool Right() const {
    if (request_.dir == IOREQ_WRITE) return true;  // The device looks.
    if (request_.data_is_ptr == 0) {
      return request_.data == Echo(offset_, request_.size, false);
    }
    for (uint32_t i = 0; i < request_.count; ++i) {
      for (uint32_t b = 0; b < request_.size; ++b) {
        if (*domain_.ram(OperandOf(i) + b) != EchoByte(OffsetOf(i) + b)) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  uint64_t Step(uint64_t from, uint32_t item) const {
    const uint64_t bytes = uint64_t{item} * request_.size;
    return request_.df != 0 ? from - bytes : from + bytes;
  }
  uint64_t OperandOf(uint32_t item) const { return Step(operand_, item); }
  // A port stays, memory steps.
  uint64_t OffsetOf(uint32_t item) const {
    return request_.type == IOREQ_TYPE_PIO ? offset_ : Step(offset_, item);
  }

  void FillOperands() {
    for (uint32_t i = 0; i < request_.count; ++i) {
      for (uint32_t b = 0; b < request_.size; ++b) {
        *domain_.ram(OperandOf(i) + b) =
            request_.dir == IOREQ_WRITE
                ? static_cast<uint8_t>(~EchoByte(OffsetOf(i) + b))
                : 0;
      }
    }
  }

  Domain& domain_;
  const uint64_t ram_;
  ioreq_t request_ = {};
  uint64_t offset_ = 0;
  uint64_t operand_ = 0;
};

// A number that is at, or around, something.
uint64_t Odd(Random& random) {
  static constexpr std::array<uint64_t, 8> kAround = {
      0,
      kEchoMemory,
      kEchoMemory + 0x1000,
      kEchoPorts,
      0x10000,
      uint64_t{kEchoFunction} << 32,
      kHole * kPage,
      uint64_t{1} << 63};
  switch (random() % 4) {
    case 0:
      return random();
    case 1:
      return random() % 64;
    default:
      return kAround[random() % kAround.size()] + random() % 32 - 16;
  }
}

}  // namespace

uint64_t BlowStorm(Domain& domain, int vcpu, uint64_t seed, uint64_t count,
                   bool check) {
  Random random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    EchoAccess access(domain, vcpu, random);
    if (domain.Access(vcpu, access.request(), -1) != 0) return i;
    if (check && !access.Right()) {
      domain.Violation("vCPU " + std::to_string(vcpu) + ": a wrong answer");
      return i;
    }
  }
  return count;
}

uint64_t BlowHostileStorm(Domain& domain, int vcpu, int server, uint64_t seed,
                          uint64_t count) {
  Random random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    ioreq_t request = {};
    request.addr = Odd(random);
    request.data = Odd(random);
    request.count = random() % 4 == 0 ? static_cast<uint32_t>(Odd(random)) : 1;
    request.size = random() % 2 == 0 ? static_cast<uint32_t>(Odd(random))
                                     : 1u << (random() % 5);
    request._pad0 = static_cast<uint16_t>(random());
    request._pad1 = random() % 2;
    request.data_is_ptr = random() % 2;
    request.dir = random() % 2;
    request.df = random() % 2;
    request.type =
        static_cast<uint8_t>(random() % 8 == 0 ? random() : random() % 10);
    if (domain.Access(vcpu, request, server) != 0) return i;
  }
  return count;
}

}  // namespace ivshmem::xen_simulation
