// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/written_memory.h"

#include <algorithm>
#include <bit>

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
  End();
  if (log_ != nullptr) {
    if (absl::Status status = log_->Start(memory_); !status.ok()) return status;
  }
  if (words_.empty()) {
    words_ = Words((memory_.size + kWordBytes - 1) / kWordBytes);
  }
  for (std::atomic<uint64_t>& word : words_) word = 0;
  noted_ = &words_;
  return absl::OkStatus();
}

void WrittenMemory::Stop() noexcept {
  absl::MutexLock lock(&mutex_);
  End();
}

void WrittenMemory::End() {
  const bool noted = noted_.exchange(nullptr) != nullptr;
  if (noted && log_ != nullptr) log_->Stop(memory_);
}

absl::StatusOr<std::vector<WrittenMemory::Part>> WrittenMemory::Take() {
  absl::MutexLock lock(&mutex_);
  if (noted_ == nullptr) {
    return absl::FailedPreconditionError(
        "written memory: it is not noted what the guest writes");
  }
  if (log_ != nullptr) {
    absl::Status status = log_->Take(
        memory_,
        [this](uint64_t offset, uint64_t size) { Mark(words_, offset, size); });
    if (!status.ok()) return status;
  }
  std::vector<Part> parts;
  for (uint64_t base = 0; std::atomic<uint64_t> & word : words_) {
    for (uint64_t bits = word.exchange(0); bits != 0; bits &= bits - 1) {
      const uint64_t offset = base + std::countr_zero(bits) * kPage;
      if (parts.empty() || parts.back().offset + parts.back().size != offset) {
        parts.push_back({.offset = offset});
      }
      parts.back().size += std::min(kPage, memory_.size - offset);
    }
    base += kWordBytes;
  }
  return parts;
}

void WrittenMemory::Written(uint64_t offset, uint64_t size) noexcept {
  // The write is seen by who has begun to copy after Start(), or noted.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (Words* const words = noted_) Mark(*words, offset, size);
}

void WrittenMemory::Mark(Words& words, uint64_t offset,
                         uint64_t size) const noexcept {
  const uint64_t room = memory_.size - std::min(offset, memory_.size);
  const uint64_t end = offset + std::min(size, room);
  for (uint64_t at = offset; at < end; at = (at / kPage + 1) * kPage) {
    words[at / kWordBytes].fetch_or(uint64_t{1} << at / kPage % 64);
  }
}

}  // namespace ivshmem
