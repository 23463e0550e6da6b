// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_C_STRUCTS_H_
#define IVSHMEM_FUZZ_C_STRUCTS_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace ivshmem {

// A struct of the C interface as callers give it who were compiled with another
// version, or are wrong: just as many bytes as it says it has, of which those
// that the library does not know are zero or not.
template <typename Struct>
class AnySize {
 public:
  AnySize(Struct value, FuzzedDataProvider& input) {
    constexpr size_t kSize = sizeof(Struct);
    constexpr size_t kMost = 4096;  // Larger ones are not looked at.
    size_t size = kSize;
    if (input.ConsumeIntegralInRange(0, 15) == 1) {
      size = input.PickValueInArray<size_t>(
          {0, 1, sizeof(size_t) - 1, sizeof(size_t), sizeof(size_t) + 1,
           kSize / 2, kSize - 8, kSize - 1, kSize + 1, kSize + 8, kMost,
           kMost + 1, ~size_t{0}});
    }
    value.struct_size = size;
    bytes_.resize(size > kMost ? sizeof(size) : std::max(size, sizeof(size)));
    std::memcpy(bytes_.data(), &value, std::min(bytes_.size(), kSize));
    if (bytes_.size() > kSize && input.ConsumeBool()) {
      bytes_[input.ConsumeIntegralInRange(kSize, bytes_.size() - 1)] = 1;
    }
  }

  const Struct* get() const {
    return reinterpret_cast<const Struct*>(bytes_.data());
  }

 private:
  std::vector<uint8_t> bytes_;
};

// `right` most of the time.
template <typename T>
T Mostly(FuzzedDataProvider& input, T right, std::initializer_list<T> others) {
  const auto which = input.ConsumeIntegralInRange<size_t>(0, 63);
  return which >= 1 && which <= others.size() ? *(others.begin() + which - 1)
                                              : right;
}

// 0..`most` most of the time, else more, up to all ones.
inline uint32_t Around(FuzzedDataProvider& input, uint32_t most) {
  return Mostly<uint32_t>(
      input, input.ConsumeIntegralInRange<uint32_t>(0, most),
      {most + 1, 2047, 2048, 65535, 65536, 0x7fffffff, 0xffffffff});
}

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_C_STRUCTS_H_
