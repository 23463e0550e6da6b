// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/memory_block.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "bus/access.h"

namespace ivshmem {
namespace {

// The memory at `at` as one atomic T, or null when it is not aligned for that
// or not of that size.
template <typename T>
T* Whole(uint8_t* at, size_t size) {
  const bool aligned = reinterpret_cast<uintptr_t>(at) %
                           std::atomic_ref<T>::required_alignment ==
                       0;
  return aligned && size == sizeof(T) ? reinterpret_cast<T*>(at) : nullptr;
}

template <typename T>
bool LoadWhole(uint8_t* from, absl::Span<uint8_t> bytes) {
  T* whole = Whole<T>(from, bytes.size());
  if (whole == nullptr) return false;
  const T value = std::atomic_ref<T>(*whole).load(std::memory_order_acquire);
  std::memcpy(bytes.data(), &value, sizeof(T));
  return true;
}

template <typename T>
bool StoreWhole(uint8_t* to, absl::Span<const uint8_t> bytes) {
  T* whole = Whole<T>(to, bytes.size());
  if (whole == nullptr) return false;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  std::atomic_ref<T>(*whole).store(value, std::memory_order_release);
  return true;
}

}  // namespace

void MemoryBlock::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  if (!Contains(memory_.size, offset, bytes.size())) {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0xff});
    return;
  }
  uint8_t* from = memory_.data + offset;
  if (LoadWhole<uint32_t>(from, bytes) || LoadWhole<uint64_t>(from, bytes) ||
      LoadWhole<uint16_t>(from, bytes)) {
    return;
  }
  for (uint8_t& byte : bytes) LoadWhole<uint8_t>(from++, {&byte, 1});
}

void MemoryBlock::Write(uint64_t offset,
                        absl::Span<const uint8_t> bytes) noexcept {
  if (!Contains(memory_.size, offset, bytes.size())) return;
  if (access_ == MemoryAccess::kReadOnly) {
    if (!bytes.empty()) {
      refused_writes_.fetch_add(1, std::memory_order_relaxed);
    }
    return;
  }
  Store(memory_.data + offset, bytes);
  if (listener_ != nullptr) listener_->Written(offset, bytes.size());
}

void MemoryBlock::Store(uint8_t* to, absl::Span<const uint8_t> bytes) noexcept {
  if (StoreWhole<uint32_t>(to, bytes) || StoreWhole<uint64_t>(to, bytes) ||
      StoreWhole<uint16_t>(to, bytes)) {
    return;
  }
  for (const uint8_t& byte : bytes) StoreWhole<uint8_t>(to++, {&byte, 1});
}

}  // namespace ivshmem
