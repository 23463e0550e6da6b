// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_LOG_H_
#define IVSHMEM_BACKENDS_MOCK_LOG_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <ostream>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "backends/memory_mapper.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"

namespace ivshmem::mock {

// For a host's capacities and for how much is kept.
inline constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

// What a device asks of its host, and the host may refuse.
enum class Operation : uint8_t { kClaim, kMap, kBindDoorbell, kBindRoute };

// Something that happened at the host. Made by the functions below, so that a
// test says
//
//   EXPECT_THAT(log.Take(), ElementsAre(Entry::Claim(0x1000, 0x100),
//                                       Entry::Signal(event)));
struct Entry {
  enum class Kind : uint8_t {
    kDone,     // An operation came into force.
    kUndone,   // Its registration went.
    kRefused,  // It failed.
    kSignal,   // An event was signalled, by whomever.
    kMessage,  // An MSI was sent.
    kLine,     // A line's level was set.
    kPulse,    // A line was pulsed.
  };

  static Entry Claim(uint64_t base, uint64_t size);
  static Entry Unclaim(uint64_t base, uint64_t size);
  static Entry Map(uint64_t base, uint64_t size, MemoryAccess access);
  static Entry Unmap(uint64_t base, uint64_t size, MemoryAccess access);
  static Entry BindDoorbell(uint64_t address, uint32_t value,
                            EventHandle event);
  static Entry UnbindDoorbell(uint64_t address, uint32_t value,
                              EventHandle event);
  static Entry BindRoute(EventHandle event, const pci::MsiMessage& message);
  static Entry UnbindRoute(EventHandle event, const pci::MsiMessage& message);
  // `where` is the base, the doorbell's address or the event's number.
  static Entry Refuse(Operation operation, uint64_t where,
                      absl::StatusCode code);
  static Entry Signal(EventHandle event);
  static Entry Message(const pci::MsiMessage& message);
  static Entry Line(int line, bool asserted);
  static Entry Pulse(int line);

  Kind kind = Kind::kDone;
  Operation operation = Operation::kClaim;  // Of the first three kinds.
  uint64_t address = 0;  // Of a range, a doorbell, a message; or the line.
  uint64_t size = 0;
  // A doorbell's value, a message's data, a mapping's access, a level, or the
  // code of a refusal.
  uint64_t value = 0;
  EventHandle event = {};

  friend bool operator==(const Entry&, const Entry&) = default;
  // "map 0x100000+0x1000 read-only", "signal event 3".
  friend std::ostream& operator<<(std::ostream& os, const Entry& entry);
};

// What happened at a host, in order. What the guest does is not in it: the test
// does that itself.
//
// Threading: any thread. An entry is made at the moment at which its effect
// holds, so that the order is one in which things really happened.
class Log {
 public:
  // Later entries than `keep` are counted, not kept.
  explicit Log(size_t keep = kUnlimited) : keep_(keep) {}

  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void Add(const Entry& entry);

  std::vector<Entry> entries() const;
  // The entries, and forgets them.
  std::vector<Entry> Take();
  // How many were ever added.
  uint64_t total() const;

 private:
  const size_t keep_;
  mutable absl::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t total_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_LOG_H_
