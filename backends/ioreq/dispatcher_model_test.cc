// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any run of claims, releases and requests, however malformed, does what a
// naive model does that looks at one byte after the other.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/fake_guest_memory.h"
#include "backends/ioreq/fake_range_claims.h"
#include "backends/ioreq/request.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::ioreq {
namespace {

using Kind = Request::Kind;
using Direction = Request::Direction;
using Wide = __int128;  // Holds what would wrap around.

constexpr uint64_t kRam = 0x3000;
constexpr size_t kRamSize = 0x40;

// Bytes that are there as soon as they are written; before, the low bits of
// where they are and whose.
class Store {
 public:
  explicit Store(int tag) : tag_(tag) {}
  uint8_t Get(uint64_t offset) const {
    const auto it = bytes_.find(offset);
    if (it != bytes_.end()) return it->second;
    return static_cast<uint8_t>(offset * 3 + static_cast<uint64_t>(tag_) * 17);
  }
  void Set(uint64_t offset, uint8_t value) { bytes_[offset] = value; }

 private:
  const int tag_;
  std::map<uint64_t, uint8_t> bytes_;
};

class Handler : public MmioHandler {
 public:
  explicit Handler(int tag) : store_(tag) {}
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    for (uint8_t& byte : bytes) byte = store_.Get(offset++);
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    for (const uint8_t byte : bytes) store_.Set(offset++, byte);
  }

 private:
  Store store_;
};

Wide EndOf(Space space) {
  if (space == Space::kPorts) return 0x10000;
  if (space == Space::kPciConfig) return 0x10000000;
  return Wide{1} << 64;
}

struct Model {
  struct Claim {
    Space space;
    uint64_t base;
    uint64_t size;
    Store store;
  };

  Claim* At(Space space, Wide address) {
    for (Claim& claim : claims) {
      if (claim.space == space && address >= claim.base &&
          address < Wide{claim.base} + claim.size) {
        return &claim;
      }
    }
    return nullptr;
  }

  absl::StatusCode Check(Space space, uint64_t base, uint64_t size) {
    if (size == 0 || Wide{base} + size > EndOf(space) ||
        (space == Space::kPciConfig && (base | size) % 4096 != 0)) {
      return absl::StatusCode::kInvalidArgument;
    }
    for (const Claim& claim : claims) {
      if (claim.space == space && Wide{base} < Wide{claim.base} + claim.size &&
          Wide{claim.base} < Wide{base} + size) {
        return absl::StatusCode::kAlreadyExists;
      }
    }
    return absl::StatusCode::kOk;
  }

  // One item; `bytes` are what is written, or become what is read.
  std::optional<int> Item(Space space, Wide address, bool read,
                          std::vector<uint8_t>& bytes) {
    Claim* const claim = At(space, address);
    bool whole = claim != nullptr;
    bool some = whole;
    for (size_t i = 1; i < bytes.size(); ++i) {
      Claim* const other = At(space, address + static_cast<Wide>(i));
      whole &= other == claim;
      some |= other != nullptr;
    }
    if (!whole && read) std::fill(bytes.begin(), bytes.end(), 0xff);
    if (!whole) return some ? 1 : 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto offset = static_cast<uint64_t>(address - claim->base) + i;
      if (read) {
        bytes[i] = claim->store.Get(offset);
      } else {
        claim->store.Set(offset, bytes[i]);
      }
    }
    return std::nullopt;
  }

  static uint64_t Number(const std::vector<uint8_t>& bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      value |= uint64_t{bytes[i]} << (8 * i);
    }
    return value;
  }

  uint64_t Answer(const Request& request) {
    const bool read = request.direction == Direction::kRead;
    const bool write = request.direction == Direction::kWrite;
    const bool memory = request.kind == Kind::kMemory;
    std::optional<Space> space;
    if (memory) space = Space::kMemory;
    if (request.kind == Kind::kPorts) space = Space::kPorts;
    if (request.kind == Kind::kPciConfig) space = Space::kPciConfig;
    bool sound = space.has_value() && (read || write) && request.count >= 1 &&
                 request.count <= 4096;
    const std::vector<uint64_t> sizes = {1, 2, 4, 8};
    const bool sized =
        std::find(sizes.begin(), sizes.end(), request.size) != sizes.end();
    sound = sound && sized && (memory || request.size != 8);
    const Wide step = request.backwards ? -Wide{request.size} : request.size;
    for (Wide i = 0; sound && i < request.count; ++i) {
      const Wide address = request.address + (memory ? i * step : 0);
      sound = address >= 0 && address + request.size <= EndOf(*space);
      const Wide operand = request.value + i * step;
      if (request.value_is_address) {
        sound = sound && operand >= 0 &&
                operand + request.size <= EndOf(Space::kMemory);
      }
    }
    if (!sound) {
      ++counts[2];
      if (write || request.value_is_address) return request.value;
      return sized ? Number(std::vector<uint8_t>(request.size, 0xff))
                   : ~uint64_t{0};
    }
    std::vector<uint8_t> bytes(request.size);
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(request.value >> (8 * i));
    }
    std::optional<int> failed;
    for (Wide i = 0; i < request.count; ++i) {
      const Wide operand = request.value + i * step;
      const bool ram =
          operand >= kRam && operand + request.size <= Wide{kRam} + kRamSize;
      if (request.value_is_address && write) {
        if (!ram) {
          if (!failed) failed = 2;
          break;
        }
        std::copy_n(
            memory_bytes.begin() + static_cast<ptrdiff_t>(operand - kRam),
            bytes.size(), bytes.begin());
      }
      const auto item =
          Item(*space, request.address + (memory ? i * step : 0), read, bytes);
      if (request.value_is_address && read) {
        if (!ram) {
          if (!failed) failed = 2;
          break;
        }
        std::copy(
            bytes.begin(), bytes.end(),
            memory_bytes.begin() + static_cast<ptrdiff_t>(operand - kRam));
      }
      if (!failed) failed = item;
    }
    if (failed) ++counts[static_cast<size_t>(*failed)];
    return write || request.value_is_address ? request.value : Number(bytes);
  }

  std::list<Claim> claims;
  std::vector<uint8_t> memory_bytes = std::vector<uint8_t>(kRamSize);
  uint64_t counts[3] = {};
};

// Places where something may be, or its neighbours: at both ends of each space.
uint64_t AnyPlace() {
  return *rc::gen::element<uint64_t>(0, 0x10, 0x20, 0x1000, 0x2000, 0xfff0,
                                     0x10000, 0xffff000, 0x10000000,
                                     ~uint64_t{0} - 0x1f, ~uint64_t{0} - 0xfff);
}

Request AnyRequest() {
  Request request;
  request.kind = static_cast<Kind>(*rc::gen::weightedElement<int>(
      {{8, 0}, {6, 1}, {6, 2}, {1, 3}, {1, 77}}));
  request.direction = static_cast<Direction>(
      *rc::gen::weightedElement<int>({{8, 0}, {8, 1}, {1, 2}, {1, 77}}));
  request.address =
      AnyPlace() + static_cast<uint64_t>(*rc::gen::inRange(-9, 40));
  request.size = *rc::gen::weightedElement<uint64_t>({{8, 1},
                                                      {8, 2},
                                                      {8, 4},
                                                      {8, 8},
                                                      {1, 0},
                                                      {1, 3},
                                                      {1, 9},
                                                      {1, ~uint64_t{0}},
                                                      {1, 0x100000001}});
  request.value = *rc::gen::arbitrary<uint64_t>();
  if (*rc::gen::inRange(0, 3) == 0) {
    request.count = *rc::gen::weightedElement<uint32_t>({{1, 0},
                                                         {4, 1},
                                                         {8, 2},
                                                         {8, 3},
                                                         {8, 9},
                                                         {1, 4096},
                                                         {1, 4097},
                                                         {1, ~0u}});
    request.backwards = *rc::gen::arbitrary<bool>();
    request.value_is_address = *rc::gen::arbitrary<bool>();
    if (request.value_is_address) {
      request.value = *rc::gen::weightedElement<uint64_t>(
                          {{1, 0}, {8, kRam}, {1, ~uint64_t{0} - 0x1f}}) +
                      static_cast<uint64_t>(*rc::gen::inRange(-9, 72));
    }
  }
  return request;
}

RC_GTEST_PROP(DispatcherModel, DoesWhatBytesDo, ()) {
  FakeRangeClaims claims;
  FakeGuestMemory ram(kRam, kRamSize);
  Dispatcher dispatcher(&claims, &ram);
  Model model;
  std::list<Handler> handlers;
  std::vector<std::pair<RegistrationPtr, std::list<Model::Claim>::iterator>>
      held;
  int tag = 0;
  for (int step = *rc::gen::inRange(0, 120); step > 0; --step) {
    const int what = *rc::gen::inRange(0, 10);
    if (what < 2) {
      const auto space = static_cast<Space>(*rc::gen::inRange(0, 3));
      const uint64_t base =
          AnyPlace() + *rc::gen::element<uint64_t>(0, 0, 0, 0, 1, 8);
      const uint64_t size =
          space == Space::kPciConfig
              ? *rc::gen::element<uint64_t>(0x1000, 0x1000, 0x2000, 0x800)
              : *rc::gen::element<uint64_t>(0, 1, 2, 4, 8, 0x10, 0x20, 0x21);
      const absl::StatusCode expected = model.Check(space, base, size);
      const bool refused = *rc::gen::inRange(0, 8) == 0;
      if (refused) claims.refusal = absl::InternalError("no");
      auto claim =
          dispatcher.space(space).Claim(base, size, handlers.emplace_back(tag));
      claims.refusal = absl::OkStatus();
      if (expected != absl::StatusCode::kOk) {
        RC_ASSERT(claim.status().code() == expected);
      } else if (refused) {
        RC_ASSERT(absl::IsInternal(claim.status()));
      } else {
        RC_ASSERT(claim.ok());
        model.claims.push_back({space, base, size, Store(tag)});
        held.emplace_back(*std::move(claim), std::prev(model.claims.end()));
      }
      ++tag;
    } else if (what < 3 && !held.empty()) {
      const auto at =
          held.begin() +
          *rc::gen::inRange<ptrdiff_t>(0, static_cast<ptrdiff_t>(held.size()));
      model.claims.erase(at->second);
      held.erase(at);
    } else {
      const Request request = AnyRequest();
      RC_ASSERT(dispatcher.Answer(request) == model.Answer(request));
    }
    const Dispatcher::Counts counts = dispatcher.counts();
    RC_ASSERT(counts.unclaimed == model.counts[0]);
    RC_ASSERT(counts.spanning == model.counts[1]);
    RC_ASSERT(counts.malformed == model.counts[2]);
    RC_ASSERT(ram.bytes() == model.memory_bytes);
    RC_ASSERT(claims.ranges().size() == model.claims.size());
  }
}

}  // namespace
}  // namespace ivshmem::ioreq
