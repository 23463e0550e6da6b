// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The address space against a model that knows the owner of each byte.

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/mock/address_space.h"
#include "backends/mock/recording_handler.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::mock {
namespace {

constexpr int kBytes = 64;  // What the model knows of the addresses.
constexpr int kRanges = 6;  // That may be in force at once.

using Counts = AddressSpace::Counts;
using HandlerAccess = RecordingHandler::Access;

enum class Kind { kFree, kClaim, kReadWrite, kReadOnly };

// The ranges that may be in force, and what is known of their bytes.
struct Range {
  explicit Range(int index) : handler(static_cast<uint8_t>(index * 37)) {}

  Kind kind = Kind::kFree;
  int base = 0;
  int size = 0;
  RegistrationPtr registration;
  RecordingHandler handler;
  std::vector<HandlerAccess> expected;  // At the handler.
  alignas(8) std::array<uint8_t, kBytes> memory = {};
  std::array<uint8_t, kBytes> expected_memory = {};
};

class Model {
 public:
  // `origin` is the address of the model's first byte.
  Model(uint64_t origin, AddressSpace::Spanning spanning)
      : origin_(origin), spanning_(spanning), space_({.spanning = spanning}) {
    for (int i = 0; i < kRanges; ++i) {
      ranges_.push_back(std::make_unique<Range>(i));
    }
  }

  void Add(int index, Kind kind, int base, int size) {
    Range& range = *ranges_[index];
    if (range.kind != Kind::kFree) return;
    bool free = true;
    for (int i = base; i < base + size; ++i) free &= Owner(i) == nullptr;
    auto added =
        kind == Kind::kClaim
            ? space_.Claim(origin_ + base, size, range.handler)
            : space_.Map(origin_ + base,
                         {.data = range.memory.data(),
                          .size = static_cast<uint64_t>(size)},
                         kind == Kind::kReadOnly ? MemoryAccess::kReadOnly
                                                 : MemoryAccess::kReadWrite);
    RC_ASSERT(
        added.status().code() ==
        (free ? absl::StatusCode::kOk : absl::StatusCode::kAlreadyExists));
    if (!free) return;
    range.kind = kind;
    range.base = base;
    range.size = size;
    range.registration = *std::move(added);
  }

  void Release(int index) {
    ranges_[index]->registration.reset();
    ranges_[index]->kind = Kind::kFree;
  }

  void Read(int at, int size) {
    std::vector<uint8_t> expected(size, 0xff);
    ForEachPart(at, size, [&](Range* range, int begin, int length) {
      for (int i = begin; i < begin + length; ++i) {
        if (range == nullptr) continue;
        expected[i - at] =
            range->kind == Kind::kClaim
                ? static_cast<uint8_t>(i - range->base + tag(*range))
                : range->expected_memory[i - range->base];
      }
      if (range == nullptr) {
        ++counts_.unclaimed;
      } else if (range->kind == Kind::kClaim) {
        ++counts_.claimed;
        range->expected.push_back(
            {.offset = static_cast<uint64_t>(begin - range->base),
             .read = static_cast<size_t>(length)});
      } else {
        ++counts_.memory;
      }
    });
    std::vector<uint8_t> bytes(size, 0x55);
    space_.Read(origin_ + at, absl::MakeSpan(bytes));
    RC_ASSERT(bytes == expected);
  }

  void Write(int at, const std::vector<uint8_t>& bytes) {
    ForEachPart(at, static_cast<int>(bytes.size()),
                [&](Range* range, int begin, int length) {
                  const auto first = bytes.begin() + (begin - at);
                  if (range == nullptr) {
                    ++counts_.unclaimed;
                  } else if (range->kind == Kind::kClaim) {
                    ++counts_.claimed;
                    range->expected.push_back(
                        {.offset = static_cast<uint64_t>(begin - range->base),
                         .written = {first, first + length}});
                  } else if (range->kind == Kind::kReadOnly) {
                    ++counts_.read_only;
                  } else {
                    ++counts_.memory;
                    std::copy(
                        first, first + length,
                        range->expected_memory.begin() + (begin - range->base));
                  }
                });
    space_.Write(origin_ + at, absl::MakeConstSpan(bytes));
  }

  void Check() {
    for (const auto& range : ranges_) {
      RC_ASSERT(range->handler.Take() == std::exchange(range->expected, {}));
      RC_ASSERT(range->memory == range->expected_memory);
    }
    RC_ASSERT(space_.counts() == counts_);
  }

  // How many bytes of the model have an address.
  int bytes() const {
    return origin_ + (kBytes - 1) < origin_ ? static_cast<int>(0 - origin_)
                                            : kBytes;
  }

 private:
  uint8_t tag(const Range& range) const {
    for (int i = 0; i < kRanges; ++i) {
      if (ranges_[i].get() == &range) return static_cast<uint8_t>(i * 37);
    }
    return 0;
  }

  Range* Owner(int at) const {
    for (const auto& range : ranges_) {
      if (range->kind != Kind::kFree && at >= range->base &&
          at < range->base + range->size) {
        return range.get();
      }
    }
    return nullptr;
  }

  // Calls `part` for each run of bytes with one owner, or not at all for an
  // access that faults.
  template <typename Part>
  void ForEachPart(int at, int size, Part part) {
    bool spans = false;
    for (int i = at; i < at + size; ++i) spans |= Owner(i) != Owner(at);
    const bool wraps = origin_ + at + (size - 1) < origin_ + at;
    if (spans || wraps) ++counts_.spanning;
    if (wraps || (spans && spanning_ == AddressSpace::Spanning::kFault)) return;
    for (int begin = at; begin < at + size;) {
      int end = begin;
      while (end < at + size && Owner(end) == Owner(begin)) ++end;
      part(Owner(begin), begin, end - begin);
      begin = end;
    }
  }

  const uint64_t origin_;
  const AddressSpace::Spanning spanning_;
  AddressSpace space_;
  std::vector<std::unique_ptr<Range>> ranges_;
  Counts counts_;
};

void RunOperation(Model& model) {
  // An access of a vCPU's sizes mostly; ranges of a few bytes, so that accesses
  // span them often.
  const int at = *rc::gen::inRange(0, model.bytes());
  switch (*rc::gen::inRange(0, 8)) {
    case 0:
    case 1:
    case 2: {
      const int size =
          *rc::gen::inRange(1, std::min(model.bytes() - at, 16) + 1);
      model.Add(
          *rc::gen::inRange(0, kRanges),
          *rc::gen::element(Kind::kClaim, Kind::kReadWrite, Kind::kReadOnly),
          at, size);
      return;
    }
    case 3:
      model.Release(*rc::gen::inRange(0, kRanges));
      return;
    case 4:
    case 5:
      model.Read(at, *rc::gen::element(1, 2, 4, 8, 3, 13));
      return;
    default:
      model.Write(at, *rc::gen::container<std::vector<uint8_t>>(
                          *rc::gen::element<size_t>(1, 2, 4, 8, 3, 13),
                          rc::gen::arbitrary<uint8_t>()));
      return;
  }
}

RC_GTEST_PROP(AddressSpaceModelTest, EachByteGoesToItsOwner, ()) {
  // In the middle, and with the last address inside.
  const uint64_t origin =
      *rc::gen::element<uint64_t>(0x1000, 0, uint64_t{0} - 24);
  Model model(origin, *rc::gen::element(AddressSpace::Spanning::kSplit,
                                        AddressSpace::Spanning::kFault));
  const int operations = *rc::gen::inRange(0, 80);
  for (int i = 0; i < operations; ++i) {
    RunOperation(model);
    model.Check();
  }
}

}  // namespace
}  // namespace ivshmem::mock
