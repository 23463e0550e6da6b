// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSIX_VECTOR_H_
#define IVSHMEM_BUS_PCI_MSIX_VECTOR_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "bus/pci/msi.h"

namespace ivshmem::pci {

// One MSI-X vector: its table entry, its pending bit, and its copy of the gates
// that the function puts in front of all vectors (PCI Local Bus 3.0, 6.8.2).
//
// Whether the vector may fire and whether it is pending stand in one atomic
// word. Every decision is one operation on that word, so there is an order of
// all of them, and it shows that
//
// - nothing is sent while the vector may not fire: both ways to kSend check
//   that, in Post() by a load and in Claim() by the exchange that takes the
//   pending bit. A sending that was decided before a mask write finished
//   belongs to an interrupt that had begun by then.
// - nothing is sent twice: a Post() that sends does not touch the pending bit,
//   and each setting of the bit is taken by one exchange at most.
// - nothing pending is stuck: who sets the bit goes on to Claim() it. That
//   leaves the bit set only if the word says, or changed to say, that the
//   vector may not fire now; whoever changes the word to say otherwise, or is
//   half way through an entry, calls Claim() afterwards and finds the bit. The
//   exchange cannot fail for another reason, but that somebody else took the
//   bit and sends. So neither Post() nor Claim() ever tries again.
//
// The message is read like a seqlock's data: the word's version tells whether a
// writer came in between.
//
// `Atomic` is std::atomic but in the test that tries the ways in which calls
// may interleave.
//
// Threading: Post(), Claim() and the const methods from any thread at once. The
// others by one thread at a time, which then calls Claim(), outside its lock
// since that leads to a sending.
template <template <typename> class Atomic>
class BasicMsixVector {
 public:
  // What the caller of Post() and Claim() has to do.
  enum class Verdict : uint8_t {
    kSend,      // Send the message.
    kTaken,     // Nothing: no longer pending, whoever took it sends it.
    kKept,      // Nothing: it is pending, and whoever lets it fire claims it.
    kDisabled,  // Nothing: it is lost.
  };

  // What Function Mask, Bus Master and Enable make of a vector: bits for
  // SetGates().
  static constexpr uint64_t kDisabled = 1 << 1;
  static constexpr uint64_t kBlocked = 1 << 2;

  // The quadwords of an entry: the address, and the data below the vector
  // control. Stored as written, also the bits that mean nothing.
  static constexpr int kQuadwords = 2;
  static constexpr int kAddress = 0;
  static constexpr int kDataAndControl = 1;

  // An interrupt. Wait-free.
  Verdict Post(MsiMessage& message) noexcept;

  // Takes a pending interrupt if it may fire. Wait-free.
  Verdict Claim(MsiMessage& message) noexcept;

  bool pending() const noexcept {
    return (state_.load(std::memory_order_acquire) & kPending) != 0;
  }

  uint64_t Load(int quadword) const noexcept {
    return entry_[quadword].load(std::memory_order_acquire);
  }

  // For the thread that may call the methods below: whether an interrupt would
  // be sent now, as `message`.
  bool MayFire(MsiMessage& message) const noexcept;

  void Store(int quadword, uint64_t value) noexcept;
  void SetGates(uint64_t gates) noexcept;
  void Reset() noexcept;  // The entry and the pending bit; not the gates.
  // For a vector that is restored: an interrupt came, and it was not sent.
  void Keep() noexcept { state_.fetch_or(kPending, std::memory_order_acq_rel); }

 private:
  // The word's other bits. The version counts the entry's writes.
  static constexpr uint64_t kPending = 1 << 0;
  static constexpr uint64_t kMasked = 1 << 3;   // Bit 0 of the vector control.
  static constexpr uint64_t kWriting = 1 << 4;  // The entry is half written.
  static constexpr uint64_t kVersion = 1 << 5;  // 59 bits, from here.

  static constexpr uint64_t kGates = kDisabled | kBlocked;
  static constexpr uint64_t kControlMask = uint64_t{1} << 32;

  static constexpr bool MayFire(uint64_t state) {
    return (state & (kGates | kMasked | kWriting)) == 0;
  }

  MsiMessage Message() const noexcept;
  void Begin() noexcept;
  void End() noexcept;

  Atomic<uint64_t> state_{kMasked | kDisabled | kBlocked};
  std::array<Atomic<uint64_t>, kQuadwords> entry_ = {0, kControlMask};
};

using MsixVector = BasicMsixVector<std::atomic>;

template <template <typename> class Atomic>
auto BasicMsixVector<Atomic>::Post(MsiMessage& message) noexcept -> Verdict {
  const uint64_t before = state_.load(std::memory_order_acquire);
  if ((before & kDisabled) != 0) return Verdict::kDisabled;
  if (MayFire(before)) {
    message = Message();
    const uint64_t after = state_.load(std::memory_order_acquire);
    if (((before ^ after) & ~kPending) == 0) return Verdict::kSend;
  }
  // If MSI-X is disabled just now, the interrupt came before and stays pending.
  state_.fetch_or(kPending, std::memory_order_acq_rel);
  return Claim(message);
}

template <template <typename> class Atomic>
auto BasicMsixVector<Atomic>::Claim(MsiMessage& message) noexcept -> Verdict {
  uint64_t state = state_.load(std::memory_order_acquire);
  if ((state & kPending) == 0) return Verdict::kTaken;
  if (!MayFire(state)) return Verdict::kKept;
  message = Message();
  if (state_.compare_exchange_strong(state, state & ~kPending,
                                     std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
    return Verdict::kSend;
  }
  return (state & kPending) == 0 ? Verdict::kTaken : Verdict::kKept;
}

template <template <typename> class Atomic>
bool BasicMsixVector<Atomic>::MayFire(MsiMessage& message) const noexcept {
  message = Message();
  return MayFire(state_.load(std::memory_order_acquire));
}

template <template <typename> class Atomic>
void BasicMsixVector<Atomic>::Store(int quadword, uint64_t value) noexcept {
  Begin();
  entry_[quadword].store(value, std::memory_order_release);
  End();
}

template <template <typename> class Atomic>
void BasicMsixVector<Atomic>::SetGates(uint64_t gates) noexcept {
  const uint64_t old = state_.load(std::memory_order_relaxed) & kGates;
  state_.fetch_xor(old ^ gates, std::memory_order_acq_rel);
}

template <template <typename> class Atomic>
void BasicMsixVector<Atomic>::Reset() noexcept {
  Begin();
  entry_[kAddress].store(0, std::memory_order_release);
  entry_[kDataAndControl].store(kControlMask, std::memory_order_release);
  End();
  state_.fetch_and(~kPending, std::memory_order_acq_rel);
}

// Acquire and release alone make the seqlock: who reads a new half of the entry
// has synchronised with its writer, and sees the mark of Begin(), or a later
// version, when it looks at the word again.
template <template <typename> class Atomic>
MsiMessage BasicMsixVector<Atomic>::Message() const noexcept {
  return {.address = Load(kAddress),
          .data = static_cast<uint32_t>(Load(kDataAndControl))};
}

// From here on the vector does not fire.
template <template <typename> class Atomic>
void BasicMsixVector<Atomic>::Begin() noexcept {
  state_.fetch_xor(kWriting, std::memory_order_acq_rel);
}

// One operation that ends the writing, counts it and follows the mask, while
// the pending bit may move: all other bits are this thread's to change.
template <template <typename> class Atomic>
void BasicMsixVector<Atomic>::End() noexcept {
  const bool masked = (Load(kDataAndControl) & kControlMask) != 0;
  const uint64_t old = state_.load(std::memory_order_relaxed);
  const uint64_t next =
      ((old & ~(kWriting | kMasked)) + kVersion) | (masked ? kMasked : 0);
  state_.fetch_xor(old ^ next, std::memory_order_acq_rel);
}

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_MSIX_VECTOR_H_
