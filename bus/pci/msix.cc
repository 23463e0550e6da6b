// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/msix.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix_vector.h"

namespace ivshmem::pci {
namespace {

constexpr uint64_t kEntrySize = 16;
constexpr uint64_t kQuadwordSize = 8;
constexpr int kBitsInQuadword = 64;

constexpr uint32_t kLeastPbaOffset = 0x800;
constexpr uint32_t kLeastBarSize = 0x1000;

constexpr uint32_t TableSize(int vectors) { return vectors * kEntrySize; }

// Whole quadwords, as the table says one bit for each vector.
constexpr uint32_t PbaSize(int vectors) {
  return (vectors + kBitsInQuadword - 1) / kBitsInQuadword * kQuadwordSize;
}

// PCI Local Bus 3.0, 6.8.2: software uses aligned dwords and quadwords.
constexpr bool IsDefined(uint64_t offset, size_t size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

// How far above the lowest bit of its quadword an aligned dword or quadword is.
constexpr int ShiftOf(uint64_t offset) {
  return (offset & sizeof(uint32_t)) != 0 ? 32 : 0;
}

constexpr uint64_t GateBits(const Msix::Gates& gates) {
  return (gates.enabled ? 0 : MsixVector::kDisabled) |
         (gates.function_mask || !gates.bus_master ? MsixVector::kBlocked : 0);
}

}  // namespace

MsixLayout MsixLayout::For(int vectors) {
  const uint32_t pba_offset = std::max(kLeastPbaOffset, TableSize(vectors));
  return {.pba_offset = pba_offset,
          .bar_size = std::max(kLeastBarSize,
                               std::bit_ceil(pba_offset + PbaSize(vectors)))};
}

Msix::Msix(int vectors, MsiSink* sink, Listener* listener)
    : vectors_(vectors),
      layout_(MsixLayout::For(vectors)),
      sink_(sink),
      listener_(listener),
      table_(std::make_unique<MsixVector[]>(vectors)) {}

Msix::Msix(const MsixState& state, MsiSink* sink, Listener* listener)
    : Msix(static_cast<int>(state.size()), sink, listener) {
  for (int i = 0; i < vectors_; ++i) {
    const MsixVectorState& vector = state[i];
    table_[i].Store(MsixVector::kAddress, vector.address);
    table_[i].Store(MsixVector::kDataAndControl,
                    uint64_t{vector.control} << 32 | vector.data);
    if (vector.pending) table_[i].Keep();
  }
}

Msix::Outcome Msix::Deliver(int vector) noexcept {
  if (!Exists(vector)) return Outcome::kNoSuchVector;
  MsiMessage message;
  switch (table_[vector].Post(message)) {
    case MsixVector::Verdict::kSend:
      Send(message);
      return Outcome::kSent;
    case MsixVector::Verdict::kTaken:
      return Outcome::kSent;
    case MsixVector::Verdict::kKept:
      return Outcome::kPending;
    case MsixVector::Verdict::kDisabled:
      break;
  }
  return Outcome::kDisabled;
}

bool Msix::StoreGates(Gates gates) noexcept {
  absl::MutexLock lock(&mutex_);
  if (gates == gates_) return false;
  gates_ = gates;
  for (int i = 0; i < vectors_; ++i) table_[i].SetGates(GateBits(gates));
  return true;
}

void Msix::Settle() noexcept {
  for (int i = 0; i < vectors_; ++i) FireIfPending(table_[i]);
  NotifyListener();
}

std::optional<MsiMessage> Msix::Route(int vector) const noexcept {
  if (!Exists(vector)) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  return RouteLocked(table_[vector]);
}

bool Msix::pending(int vector) const noexcept {
  return Exists(vector) && table_[vector].pending();
}

MsixState Msix::Save() const {
  MsixState state(vectors_);
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < vectors_; ++i) {
    const uint64_t rest = table_[i].Load(MsixVector::kDataAndControl);
    state[i] = {.address = table_[i].Load(MsixVector::kAddress),
                .data = static_cast<uint32_t>(rest),
                .control = static_cast<uint32_t>(rest >> 32),
                .pending = table_[i].pending()};
  }
  return state;
}

void Msix::Reset() noexcept {
  {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < vectors_; ++i) table_[i].Reset();
  }
  NotifyListener();
}

void Msix::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  if (!Contains(layout_.bar_size, offset, bytes.size())) {
    std::fill(bytes.begin(), bytes.end(), 0xff);
    return;
  }
  uint64_t quadword = 0;
  if (IsDefined(offset, bytes.size())) {
    if (InTable(offset)) {
      const uint64_t i = offset / kQuadwordSize;
      quadword = table_[i / MsixVector::kQuadwords].Load(
          static_cast<int>(i % MsixVector::kQuadwords));
    } else if (offset >= layout_.pba_offset) {
      quadword = PendingBits((offset - layout_.pba_offset) / kQuadwordSize);
    }
  }
  StoreLittleEndian(quadword >> ShiftOf(offset), bytes);
}

void Msix::Write(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  if (!IsDefined(offset, bytes.size()) || !InTable(offset)) return;
  const uint64_t i = offset / kQuadwordSize;
  const int shift = ShiftOf(offset);
  const uint64_t written = (bytes.size() == 8 ? ~uint64_t{0} : 0xffffffff)
                           << shift;
  MsixVector& vector = table_[i / MsixVector::kQuadwords];
  const int quadword = static_cast<int>(i % MsixVector::kQuadwords);
  std::optional<MsiMessage> before;
  std::optional<MsiMessage> after;
  {
    absl::MutexLock lock(&mutex_);
    before = RouteLocked(vector);
    vector.Store(quadword, (vector.Load(quadword) & ~written) |
                               LoadLittleEndian(bytes) << shift);
    after = RouteLocked(vector);
  }
  FireIfPending(vector);
  if (after != before) NotifyListener();
}

bool Msix::InTable(uint64_t offset) const {
  return offset / kEntrySize < static_cast<uint64_t>(vectors_);
}

// Zero from the last vector on.
uint64_t Msix::PendingBits(uint64_t quadword) const noexcept {
  uint64_t bits = 0;
  for (int i = 0; i < kBitsInQuadword; ++i) {
    const uint64_t vector = quadword * kBitsInQuadword + i;
    if (vector >= static_cast<uint64_t>(vectors_)) break;
    if (table_[vector].pending()) bits |= uint64_t{1} << i;
  }
  return bits;
}

std::optional<MsiMessage> Msix::RouteLocked(
    const MsixVector& vector) const noexcept {
  MsiMessage message;
  if (!vector.MayFire(message)) return std::nullopt;
  return message;
}

void Msix::FireIfPending(MsixVector& vector) noexcept {
  MsiMessage message;
  if (vector.Claim(message) == MsixVector::Verdict::kSend) Send(message);
}

void Msix::NotifyListener() noexcept {
  if (listener_ != nullptr) listener_->MsixChanged();
}

void Msix::Send(const MsiMessage& message) noexcept {
  if (sink_ != nullptr) sink_->Send(message);
}

}  // namespace ivshmem::pci
