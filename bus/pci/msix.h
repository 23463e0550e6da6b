// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSIX_H_
#define IVSHMEM_BUS_PCI_MSIX_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix_state.h"
#include "bus/pci/msix_vector.h"

namespace ivshmem::pci {

// Where table and pending bits lie in the BAR that holds nothing else. Up to
// 128 vectors fit the 4 KiB that drivers expect: table at 0, PBA at 0x800.
// More vectors push the PBA behind the table and the BAR grows to the next
// power of two (300 vectors: PBA at 0x12c0, 8 KiB), as QEMU lays it out.
struct MsixLayout {
  uint32_t pba_offset;
  uint32_t bar_size;

  static MsixLayout For(int vectors);
};

// MSI-X of a function: table, pending bits and the gates in front of them (PCI
// Local Bus 3.0, 6.8.2). It is the MmioHandler of the BAR they lie in.
//
// A vector fires when MSI-X is enabled, the function may master the bus and
// neither it nor the function is masked. While MSI-X is enabled and one of the
// others is missing, the vector becomes pending, and it fires once when the
// last obstacle goes. While MSI-X is disabled an interrupt is dropped, as QEMU
// does it; pending bits stay.
//
// Threading: everything may be called from any thread at once. Deliver() takes
// no lock and cannot be held up by a vCPU that writes the table. Messages are
// sent outside locks; one whose sending had begun when its vector was masked
// may still arrive, as a posted write may on hardware.
class Msix : public MmioHandler {
 public:
  enum class Outcome : uint8_t { kSent, kPending, kDisabled, kNoSuchVector };

  // What stands in front of all vectors.
  struct Gates {
    bool enabled = false;
    bool function_mask = false;
    bool bus_master = false;

    friend constexpr bool operator==(const Gates&, const Gates&) = default;
  };

  // Told, outside locks, when a guest may have changed what Route() gives.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void MsixChanged() noexcept = 0;
  };

  // `vectors` is 1..2048 (see MsixLayout). `sink` and `listener` outlive the
  // object; either may be null.
  Msix(int vectors, MsiSink* sink, Listener* listener);

  // As one that was saved as `state`, of 1..2048 vectors. What is pending and
  // may fire does when the gates open, as with any.
  Msix(const MsixState& state, MsiSink* sink, Listener* listener);

  int vectors() const { return vectors_; }

  // Fires `vector`, or keeps it. kSent may mean that another thread, about to
  // fire the vector, sends one message for both.
  Outcome Deliver(int vector) noexcept;

  // Follows the config space, and fires what was pending and may fire now.
  void SetGates(Gates gates) noexcept {
    if (StoreGates(gates)) Settle();
  }

  // SetGates() in two steps, for who must store under a lock to keep the order
  // of its writers: from StoreGates() on the gates are in force, but nothing is
  // called. If it returns true they changed, and Settle() follows once the lock
  // is gone.
  [[nodiscard]] bool StoreGates(Gates gates) noexcept
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Settle() noexcept;

  // The message that an interrupt of `vector` would send now; nullopt when it
  // would not be sent. For those who let a hypervisor send it.
  std::optional<MsiMessage> Route(int vector) const noexcept
      ABSL_LOCKS_EXCLUDED(mutex_);

  bool pending(int vector) const noexcept;

  // The table and the pending bits; each vector's of one moment.
  MsixState Save() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Entries zero and masked, nothing pending. The gates are config space's.
  void Reset() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  // The BAR. The table and the PBA are defined for aligned accesses of 4 and 8
  // bytes; any other access of them reads zeros and changes nothing, as do
  // writes of the PBA and everything outside the two. What reaches beyond the
  // BAR reads ones.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool Exists(int vector) const { return vector >= 0 && vector < vectors_; }
  bool InTable(uint64_t offset) const;
  uint64_t PendingBits(uint64_t quadword) const noexcept;

  std::optional<MsiMessage> RouteLocked(const MsixVector& vector) const noexcept
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // These call out.
  void FireIfPending(MsixVector& vector) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
  void NotifyListener() noexcept ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(const MsiMessage& message) noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  const int vectors_;
  const MsixLayout layout_;
  MsiSink* const sink_;
  Listener* const listener_;

  // Makes its holder the one thread that may write a vector. Readers and
  // interrupts do without it.
  mutable absl::Mutex mutex_;
  Gates gates_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<MsixVector[]> table_;
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_MSIX_H_
