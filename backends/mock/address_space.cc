// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/address_space.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/undo.h"
#include "bus/memory_block.h"

namespace ivshmem::mock {
namespace {

constexpr uint64_t kLastAddress = std::numeric_limits<uint64_t>::max();

void Call(MmioHandler& handler, uint64_t offset, absl::Span<uint8_t> bytes) {
  handler.Read(offset, bytes);
}
void Call(MmioHandler& handler, uint64_t offset,
          absl::Span<const uint8_t> bytes) {
  handler.Write(offset, bytes);
}

// What an access comes to where nothing answers.
void GoNowhere(absl::Span<uint8_t> bytes) {
  std::fill(bytes.begin(), bytes.end(), uint8_t{0xff});
}
void GoNowhere(absl::Span<const uint8_t>) {}

struct Range {
  uint64_t last = 0;               // Inclusive.
  MmioHandler* handler = nullptr;  // Of a claim.
  uint8_t* data = nullptr;         // Of a mapping.
  MemoryAccess access = MemoryAccess::kReadWrite;
};

std::string Describe(bool claim, uint64_t base, uint64_t last) {
  return absl::StrFormat("%s [%#x, %#x]", claim ? "claim" : "mapping", base,
                         last);
}

}  // namespace

// The longest beginning of an access that goes to one place.
struct AddressSpace::Piece {
  size_t length = 0;
  const Range* range = nullptr;  // Null for none. Valid under the lock.
  MmioHandler* handler = nullptr;
  uint64_t offset = 0;

  bool memory() const { return range != nullptr && range->data != nullptr; }
};

struct AddressSpace::State {
  explicit State(Log* log) : log(log) {}

  Piece Find(uint64_t address, size_t size) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    const auto next = ranges.upper_bound(address);
    if (next != ranges.begin()) {
      const auto& [base, range] = *std::prev(next);
      if (address <= range.last) {
        // Cannot overflow: a range of all addresses has no size.
        const uint64_t left = range.last - address + 1;
        return {.length = static_cast<size_t>(std::min<uint64_t>(size, left)),
                .range = &range,
                .handler = range.handler,
                .offset = address - base};
      }
    }
    if (next == ranges.end()) return {.length = size};
    const uint64_t gap = next->first - address;
    return {.length = static_cast<size_t>(std::min<uint64_t>(size, gap))};
  }

  bool TouchesMemory(uint64_t address, size_t size) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    while (size != 0) {
      const Piece piece = Find(address, size);
      if (piece.memory()) return true;
      address += piece.length;
      size -= piece.length;
    }
    return false;
  }

  // The access to memory of a piece.
  template <typename Byte>
  void AccessMemory(const Piece& piece, absl::Span<Byte> bytes)
      ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    constexpr bool kWrite = std::is_const_v<Byte>;
    if (kWrite && piece.range->access == MemoryAccess::kReadOnly) {
      ++read_only;
      return;
    }
    ++memory;
    MemoryBlock block({piece.range->data, piece.offset + bytes.size()},
                      piece.range->access);
    Call(block, piece.offset, bytes);
  }

  // Any other, outside the lock.
  template <typename Byte>
  void AccessTrapped(const Piece& piece, absl::Span<Byte> bytes) {
    if (piece.handler != nullptr) {
      ++claimed;
      Call(*piece.handler, piece.offset, bytes);
    } else {
      ++unclaimed;
      GoNowhere(bytes);
    }
  }

  // Whether a range may be added. Errors as of Claim() and Map().
  absl::Status Check(bool claim, uint64_t base, uint64_t size,
                     const uint8_t* data) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    if (!claim && data == nullptr) {
      return absl::InvalidArgumentError(
          "memory: expected memory of this process, got null");
    }
    if (size == 0) {
      return absl::InvalidArgumentError("size: expected at least 1, got 0");
    }
    if (size - 1 > kLastAddress - base) {
      return absl::InvalidArgumentError(
          absl::StrFormat("size: expected at most %#x above %#x, got %#x",
                          kLastAddress - base + 1, base, size));
    }
    const uint64_t last = base + (size - 1);
    auto it = ranges.upper_bound(last);
    if (it == ranges.begin() || (--it)->second.last < base) {
      return absl::OkStatus();
    }
    return absl::AlreadyExistsError(absl::StrFormat(
        "range: expected a free one, got %s, which overlaps %s",
        Describe(claim, base, last),
        Describe(it->second.handler != nullptr, it->first, it->second.last)));
  }

  Log* const log;
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::btree_map<uint64_t, Range> ranges ABSL_GUARDED_BY(mutex);  // By base.

  std::atomic<uint64_t> memory{0};
  std::atomic<uint64_t> claimed{0};
  std::atomic<uint64_t> unclaimed{0};
  std::atomic<uint64_t> read_only{0};
  std::atomic<uint64_t> accelerated{0};
  std::atomic<uint64_t> spanning{0};
};

AddressSpace::AddressSpace(const Options& options)
    : options_(options), state_(std::make_shared<State>(options.log)) {}

AddressSpace::~AddressSpace() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

absl::StatusOr<RegistrationPtr> AddressSpace::Claim(uint64_t base,
                                                    uint64_t size,
                                                    MmioHandler& handler) {
  return Add(Operation::kClaim, base, size, &handler, nullptr, {});
}

absl::StatusOr<RegistrationPtr> AddressSpace::Map(uint64_t base,
                                                  const SharedMemory& memory,
                                                  MemoryAccess access) {
  return Add(Operation::kMap, base, memory.size, nullptr, memory.data, access);
}

absl::StatusOr<RegistrationPtr> AddressSpace::Add(Operation operation,
                                                  uint64_t base, uint64_t size,
                                                  MmioHandler* handler,
                                                  uint8_t* data,
                                                  MemoryAccess access) {
  const bool claim = operation == Operation::kClaim;
  absl::MutexLock lock(&state_->mutex);
  absl::Status status;
  if (options_.faults != nullptr) status = options_.faults->Next(operation);
  if (status.ok()) status = state_->Check(claim, base, size, data);
  if (!status.ok()) {
    if (state_->log != nullptr) {
      state_->log->Add(Entry::Refuse(operation, base, status.code()));
    }
    return status;
  }
  state_->ranges.emplace(base, Range{.last = base + (size - 1),
                                     .handler = handler,
                                     .data = data,
                                     .access = access});
  if (state_->log != nullptr) {
    state_->log->Add(claim ? Entry::Claim(base, size)
                           : Entry::Map(base, size, access));
  }
  return std::make_unique<Undo>(
      [weak = std::weak_ptr<State>(state_), claim, base, size, access] {
        const std::shared_ptr<State> state = weak.lock();
        if (state == nullptr) return;
        absl::MutexLock lock(&state->mutex);
        if (state->closed) return;
        state->ranges.erase(base);
        if (state->log != nullptr) {
          state->log->Add(claim ? Entry::Unclaim(base, size)
                                : Entry::Unmap(base, size, access));
        }
      });
}

void AddressSpace::Read(uint64_t address, absl::Span<uint8_t> bytes) {
  DoAccess(address, bytes);
}

void AddressSpace::Write(uint64_t address, absl::Span<const uint8_t> bytes) {
  DoAccess(address, bytes);
}

template <typename Byte>
void AddressSpace::DoAccess(uint64_t address, absl::Span<Byte> bytes) {
  if (bytes.empty()) return;
  if (bytes.size() - 1 > kLastAddress - address) {
    ++state_->spanning;
    GoNowhere(bytes);
    return;
  }
  Piece piece;
  bool touches_memory;
  {
    absl::ReaderMutexLock lock(&state_->mutex);
    piece = state_->Find(address, bytes.size());
    if (piece.length == bytes.size() && piece.memory()) {
      state_->AccessMemory(piece, bytes);
      return;
    }
    touches_memory = state_->TouchesMemory(address, bytes.size());
  }
  if (!touches_memory && options_.accelerator != nullptr &&
      options_.accelerator->Access(address, bytes)) {
    ++state_->accelerated;
    return;
  }
  if (piece.length == bytes.size()) {
    state_->AccessTrapped(piece, bytes);
    return;
  }
  ++state_->spanning;
  if (options_.spanning == Spanning::kFault) {
    GoNowhere(bytes);
    return;
  }
  for (; !bytes.empty(); bytes.remove_prefix(piece.length)) {
    piece = AccessPiece(address, bytes);
    address += piece.length;
  }
}

template <typename Byte>
AddressSpace::Piece AddressSpace::AccessPiece(uint64_t address,
                                              absl::Span<Byte> bytes) {
  Piece piece;
  {
    absl::ReaderMutexLock lock(&state_->mutex);
    piece = state_->Find(address, bytes.size());
    if (piece.memory()) {
      state_->AccessMemory(piece, bytes.first(piece.length));
      return piece;
    }
  }
  state_->AccessTrapped(piece, bytes.first(piece.length));
  return piece;
}

absl::StatusOr<LateAccess> AddressSpace::Capture(uint64_t address,
                                                 uint64_t size) {
  absl::ReaderMutexLock lock(&state_->mutex);
  const Piece piece = state_->Find(address, size);
  if (piece.handler == nullptr || piece.length != size) {
    return absl::NotFoundError(absl::StrFormat(
        "access: expected one that lies in one claim, got %#x+%#x", address,
        size));
  }
  return LateAccess(piece.handler, piece.offset);
}

std::ostream& operator<<(std::ostream& os, const AddressSpace::Counts& counts) {
  return os << absl::StreamFormat(
             "memory %d, claimed %d, unclaimed %d, read-only %d, "
             "accelerated %d, spanning %d",
             counts.memory, counts.claimed, counts.unclaimed, counts.read_only,
             counts.accelerated, counts.spanning);
}

AddressSpace::Counts AddressSpace::counts() const {
  return {.memory = state_->memory,
          .claimed = state_->claimed,
          .unclaimed = state_->unclaimed,
          .read_only = state_->read_only,
          .accelerated = state_->accelerated,
          .spanning = state_->spanning};
}

}  // namespace ivshmem::mock
