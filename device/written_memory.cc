// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/written_memory.h"

#include <algorithm>
#include <utility>

namespace ivshmem {

WrittenMemory::WrittenMemory(const SharedMemory& memory, MemoryMapper* mapper)
    : memory_(memory),
      log_(mapper == nullptr ? nullptr : mapper->dirty_log()),
      mapped_(mapper != nullptr) {}

WrittenMemory::~WrittenMemory() { Stop(); }

absl::Status WrittenMemory::Start() {
  absl::MutexLock lock(&mutex_);
  if (mapped_ && log_ == nullptr) {
    return absl::UnimplementedError(
        "this hypervisor does not say what guests write to mapped memory");
  }
  if (noted_ == nullptr) {
    words_ = Words((pages() + kBits - 1) / kBits);
    noted_ = &words_;
  }
  if (log_ != nullptr) {
    log_->Stop(memory_);
    if (absl::Status status = log_->Start(memory_); !status.ok()) {
      noting_ = false;
      started_ = false;
      return status;
    }
  }
  for (std::atomic<uint64_t>& word : words_) word = 0;
  noting_ = true;
  started_ = true;
  return absl::OkStatus();
}

void WrittenMemory::Stop() noexcept {
  absl::MutexLock lock(&mutex_);
  noting_ = false;
  if (std::exchange(started_, false) && log_ != nullptr) log_->Stop(memory_);
}

absl::StatusOr<std::vector<WrittenMemory::Part>> WrittenMemory::Take() {
  absl::MutexLock lock(&mutex_);
  if (!started_) {
    return absl::FailedPreconditionError(
        "written memory: it is not noted what the guest writes");
  }
  if (log_ != nullptr) {
    absl::Status status = log_->Take(
        memory_,
        [this](uint64_t offset, uint64_t size) { Mark(offset, size); });
    if (!status.ok()) return status;
  }
  std::vector<Part> parts;
  for (uint64_t at = 0; at < words_.size(); ++at) {
    const uint64_t word = words_[at].exchange(0);
    for (uint64_t bit = 0; word >> bit != 0; ++bit) {
      if ((word >> bit & 1) != 0) {
        const uint64_t offset = (at * kBits + bit) * kPage;
        const uint64_t size = std::min(kPage, memory_.size - offset);
        if (!parts.empty() &&
            parts.back().offset + parts.back().size == offset) {
          parts.back().size += size;
        } else {
          parts.push_back({offset, size});
        }
      }
      if (bit + 1 == kBits) break;
    }
  }
  return parts;
}

void WrittenMemory::Written(uint64_t offset, uint64_t size) noexcept {
  // The write is seen by who has begun to copy after Start(), or noted.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (noting_) Mark(offset, size);
}

void WrittenMemory::Mark(uint64_t offset, uint64_t size) noexcept {
  Words* const words = noted_;
  if (words == nullptr || size == 0 || offset >= memory_.size) return;
  const uint64_t last =
      (offset + std::min(size, memory_.size - offset) - 1) / kPage;
  for (uint64_t page = offset / kPage; page <= last; ++page) {
    (*words)[page / kBits].fetch_or(uint64_t{1} << page % kBits);
  }
}

}  // namespace ivshmem
