// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/log.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace ivshmem::mock {
namespace {

using Kind = Entry::Kind;

const char* Name(Operation operation) {
  switch (operation) {
    case Operation::kClaim:
      return "claim";
    case Operation::kMap:
      return "map";
    case Operation::kBindDoorbell:
      return "bind doorbell";
    case Operation::kBindRoute:
      return "bind route";
  }
  return "?";
}

void PrintOperation(std::ostream& os, const Entry& entry) {
  os << (entry.kind == Kind::kUndone ? "un" : "") << Name(entry.operation);
  switch (entry.operation) {
    case Operation::kClaim:
      os << absl::StreamFormat(" %#x+%#x", entry.address, entry.size);
      return;
    case Operation::kMap:
      os << absl::StreamFormat(
          " %#x+%#x %s", entry.address, entry.size,
          entry.value == static_cast<uint64_t>(MemoryAccess::kReadOnly)
              ? "read-only"
              : "read-write");
      return;
    case Operation::kBindDoorbell:
      os << absl::StreamFormat(" %#x=%#x to event %d", entry.address,
                               entry.value, entry.event.value);
      return;
    case Operation::kBindRoute:
      os << absl::StreamFormat(" event %d to %#x:%#x", entry.event.value,
                               entry.address, entry.value);
      return;
  }
}

}  // namespace

Entry Entry::Claim(uint64_t base, uint64_t size) {
  return {.kind = Kind::kDone,
          .operation = Operation::kClaim,
          .address = base,
          .size = size};
}

Entry Entry::Unclaim(uint64_t base, uint64_t size) {
  Entry entry = Claim(base, size);
  entry.kind = Kind::kUndone;
  return entry;
}

Entry Entry::Map(uint64_t base, uint64_t size, MemoryAccess access) {
  return {.kind = Kind::kDone,
          .operation = Operation::kMap,
          .address = base,
          .size = size,
          .value = static_cast<uint64_t>(access)};
}

Entry Entry::Unmap(uint64_t base, uint64_t size, MemoryAccess access) {
  Entry entry = Map(base, size, access);
  entry.kind = Kind::kUndone;
  return entry;
}

Entry Entry::BindDoorbell(uint64_t address, uint32_t value, EventHandle event) {
  return {.kind = Kind::kDone,
          .operation = Operation::kBindDoorbell,
          .address = address,
          .value = value,
          .event = event};
}

Entry Entry::UnbindDoorbell(uint64_t address, uint32_t value,
                            EventHandle event) {
  Entry entry = BindDoorbell(address, value, event);
  entry.kind = Kind::kUndone;
  return entry;
}

Entry Entry::BindRoute(EventHandle event, const pci::MsiMessage& message) {
  return {.kind = Kind::kDone,
          .operation = Operation::kBindRoute,
          .address = message.address,
          .value = message.data,
          .event = event};
}

Entry Entry::UnbindRoute(EventHandle event, const pci::MsiMessage& message) {
  Entry entry = BindRoute(event, message);
  entry.kind = Kind::kUndone;
  return entry;
}

Entry Entry::Refuse(Operation operation, uint64_t where,
                    absl::StatusCode code) {
  return {.kind = Kind::kRefused,
          .operation = operation,
          .address = where,
          .value = static_cast<uint64_t>(code)};
}

Entry Entry::Signal(EventHandle event) {
  return {.kind = Kind::kSignal, .event = event};
}

Entry Entry::Message(const pci::MsiMessage& message) {
  return {.kind = Kind::kMessage,
          .address = message.address,
          .value = message.data};
}

Entry Entry::Line(int line, bool asserted) {
  return {.kind = Kind::kLine,
          .address = static_cast<uint64_t>(line),
          .value = asserted};
}

Entry Entry::Pulse(int line) {
  return {.kind = Kind::kPulse, .address = static_cast<uint64_t>(line)};
}

std::ostream& operator<<(std::ostream& os, const Entry& entry) {
  switch (entry.kind) {
    case Kind::kDone:
    case Kind::kUndone:
      PrintOperation(os, entry);
      return os;
    case Kind::kRefused:
      return os << absl::StreamFormat(
                 "refuse %s %#x: %s", Name(entry.operation), entry.address,
                 absl::StatusCodeToString(
                     static_cast<absl::StatusCode>(entry.value)));
    case Kind::kSignal:
      return os << absl::StreamFormat("signal event %d", entry.event.value);
    case Kind::kMessage:
      return os << absl::StreamFormat("message %#x:%#x", entry.address,
                                      entry.value);
    case Kind::kLine:
      return os << absl::StreamFormat("line %d %s", entry.address,
                                      entry.value != 0 ? "high" : "low");
    case Kind::kPulse:
      return os << absl::StreamFormat("pulse %d", entry.address);
  }
  return os;
}

void Log::Add(const Entry& entry) {
  absl::MutexLock lock(&mutex_);
  ++total_;
  if (entries_.size() < keep_) entries_.push_back(entry);
}

std::vector<Entry> Log::entries() const {
  absl::MutexLock lock(&mutex_);
  return entries_;
}

std::vector<Entry> Log::Take() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(entries_, {});
}

uint64_t Log::total() const {
  absl::MutexLock lock(&mutex_);
  return total_;
}

}  // namespace ivshmem::mock
