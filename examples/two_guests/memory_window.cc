// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/memory_window.h"

#include <cstring>
#include <iterator>

#include "absl/strings/str_format.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

class MemoryWindow::Mapped : public Registration {
 public:
  Mapped(std::weak_ptr<Wanted> wanted, uint64_t base)
      : wanted_(std::move(wanted)), base_(base) {}

  ~Mapped() override {
    if (const auto wanted = wanted_.lock()) {
      wanted->mappings.erase(base_);
      wanted->changed = true;
      wanted->engine->EndSlice();
    }
  }

 private:
  const std::weak_ptr<Wanted> wanted_;
  const uint64_t base_;
};

MemoryWindow::MemoryWindow(UnicornEngine& engine, uint64_t base, uint64_t size,
                           MmioHandler& trapped)
    : engine_(engine),
      base_(base),
      end_(base + size),
      trapped_(trapped),
      wanted_(
          std::make_shared<Wanted>(Wanted{.engine = &engine, .mappings = {}})) {
}

absl::StatusOr<RegistrationPtr> MemoryWindow::Map(uint64_t base,
                                                  const SharedMemory& memory,
                                                  MemoryAccess access) {
  if (memory.size == 0 || base % kPage != 0 || memory.size % kPage != 0 ||
      base < base_ || base >= end_ || memory.size > end_ - base) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "cannot map %#x bytes at %#x: expected whole pages in %#x to %#x",
        memory.size, base, base_, end_));
  }
  auto& mappings = wanted_->mappings;
  const auto next = mappings.lower_bound(base);
  if (next != mappings.end() && next->first - base < memory.size) {
    return absl::AlreadyExistsError(
        absl::StrFormat("memory is mapped at %#x already", next->first));
  }
  if (next != mappings.begin()) {
    const auto& [before, mapping] = *std::prev(next);
    if (base - before < mapping.memory.size) {
      return absl::AlreadyExistsError(
          absl::StrFormat("memory is mapped at %#x already", before));
    }
  }
  mappings.emplace(base, Mapping{memory, access});
  wanted_->changed = true;
  engine_.EndSlice();
  return std::make_unique<Mapped>(wanted_, base);
}

absl::Status MemoryWindow::MapTrapped(uint64_t begin, uint64_t end) {
  if (begin == end) return absl::OkStatus();
  pieces_.emplace_back(begin, end - begin);
  return engine_.MapTrapped(begin, end - begin, *this);
}

absl::Status MemoryWindow::Settle() {
  if (!wanted_->changed) return absl::OkStatus();
  wanted_->changed = false;
  for (const auto& [begin, size] : pieces_) {
    if (auto status = engine_.Unmap(begin, size); !status.ok()) return status;
  }
  pieces_.clear();
  uint64_t begin = base_;
  for (const auto& [base, mapping] : wanted_->mappings) {
    // A write to a page that is read-only to Unicorn ends the guest; here it
    // has to do nothing. So such memory stays trapped.
    if (mapping.access == MemoryAccess::kReadOnly) continue;
    if (auto status = MapTrapped(begin, base); !status.ok()) return status;
    const SharedMemory& memory = mapping.memory;
    pieces_.emplace_back(base, memory.size);
    if (auto status = engine_.MapMemory(base, memory.data, memory.size);
        !status.ok()) {
      return status;
    }
    begin = base + memory.size;
  }
  return MapTrapped(begin, end_);
}

const std::pair<const uint64_t, MemoryWindow::Mapping>* MemoryWindow::Find(
    uint64_t address, uint64_t size) const {
  auto it = wanted_->mappings.upper_bound(address);
  if (it == wanted_->mappings.begin()) return nullptr;
  --it;
  const uint64_t offset = address - it->first;
  const uint64_t room = it->second.memory.size;
  if (offset >= room || size > room - offset) return nullptr;
  return &*it;
}

void MemoryWindow::Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept {
  if (const auto* found = Find(address, bytes.size())) {
    const auto& [base, mapping] = *found;
    std::memcpy(bytes.data(), mapping.memory.data + (address - base),
                bytes.size());
  } else {
    trapped_.Read(address, bytes);
  }
}

void MemoryWindow::Write(uint64_t address,
                         absl::Span<const uint8_t> bytes) noexcept {
  const auto* found = Find(address, bytes.size());
  if (found == nullptr) {
    trapped_.Write(address, bytes);
  } else if (found->second.access == MemoryAccess::kReadWrite) {
    std::memcpy(found->second.memory.data + (address - found->first),
                bytes.data(), bytes.size());
  }
}

}  // namespace ivshmem::two_guests
