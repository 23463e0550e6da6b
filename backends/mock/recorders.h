// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_RECORDERS_H_
#define IVSHMEM_BACKENDS_MOCK_RECORDERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/log.h"
#include "bus/interrupt_lines.h"
#include "bus/pci/msi.h"

namespace ivshmem::mock {

// What a sink was given, in order, and a function that is called for each, on
// the caller's stack and outside locks: it may call into the device again.
//
// Threading: any thread. The function is called by several at once when the
// sink is.
template <typename T>
class Recording {
 public:
  using Callback = absl::AnyInvocable<void(const T&) const>;

  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  std::vector<T> all() const {
    absl::MutexLock lock(&mutex_);
    return kept_;
  }

  // All that are kept, and forgets them.
  std::vector<T> Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(kept_, {});
  }

  // How many there ever were.
  uint64_t count() const {
    absl::MutexLock lock(&mutex_);
    return count_;
  }

  // Replaces the function; one call of the old may still be under way.
  void SetCallback(Callback callback) {
    auto shared = std::make_shared<const Callback>(std::move(callback));
    absl::MutexLock lock(&mutex_);
    callback_.swap(shared);
  }

 protected:
  Recording(Log* log, size_t keep) : log_(log), keep_(keep) {}
  ~Recording() = default;

  void Record(const T& item, const Entry& entry) {
    std::shared_ptr<const Callback> callback;
    {
      absl::MutexLock lock(&mutex_);
      ++count_;
      if (kept_.size() < keep_) kept_.push_back(item);
      if (log_ != nullptr) log_->Add(entry);
      callback = callback_;
    }
    if (callback != nullptr && *callback) (*callback)(item);
  }

 private:
  Log* const log_;
  const size_t keep_;
  mutable absl::Mutex mutex_;
  std::vector<T> kept_ ABSL_GUARDED_BY(mutex_);
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const Callback> callback_ ABSL_GUARDED_BY(mutex_);
};

// Each takes an optional log, which outlives it, and keeps the first `keep`.

class MsiRecorder final : public pci::MsiSink,
                          public Recording<pci::MsiMessage> {
 public:
  explicit MsiRecorder(Log* log = nullptr, size_t keep = kUnlimited)
      : Recording(log, keep) {}

  void Send(const pci::MsiMessage& message) noexcept override {
    Record(message, Entry::Message(message));
  }
};

class LineRecorder final : public LineSink, public Recording<bool> {
 public:
  // `line` tells the lines of one host apart in its log.
  explicit LineRecorder(Log* log = nullptr, int line = 0,
                        size_t keep = kUnlimited)
      : Recording(log, keep), line_(line) {}

  void SetLevel(bool asserted) noexcept override {
    const bool overlaps = inside_.exchange(true);
    if (overlaps) ++overlaps_;
    level_ = asserted;
    Record(asserted, Entry::Line(line_, asserted));
    if (!overlaps) inside_ = false;
  }

  bool level() const { return level_; }

  // How many calls came while another was under way, on another thread or
  // further up the stack. A device makes none.
  uint64_t overlaps() const { return overlaps_; }

 private:
  const int line_;
  std::atomic<bool> inside_{false};
  std::atomic<bool> level_{false};
  std::atomic<uint64_t> overlaps_{0};
};

// Records the line's number for each pulse.
class PulseRecorder final : public PulseSink, public Recording<int> {
 public:
  explicit PulseRecorder(Log* log = nullptr, int line = 0,
                         size_t keep = kUnlimited)
      : Recording(log, keep), line_(line) {}

  void Pulse() noexcept override { Record(line_, Entry::Pulse(line_)); }

 private:
  const int line_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_RECORDERS_H_
