// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_FUNCTION_H_
#define IVSHMEM_BUS_PCI_FUNCTION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bar_window.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/function_state.h"
#include "bus/pci/intx.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix.h"

namespace ivshmem::pci {

// A type-0 PCI function: configuration space, BARs, MSI-X and INTx. Knows
// nothing of the device behind its BARs.
//
// Once a config write has returned, the gates that it closed are closed: the
// MSI-X vectors and the BAR windows follow under the lock that orders the
// writes. What it lets loose (pending messages, the line) happens after that,
// outside the lock.
//
// Threading: everything may be called from any thread at once. No call out
// (MSI sink, line and its source, listener, BAR handlers) is made under a lock.
class Function {
 public:
  // What a config write or a reset may have changed outside this object. Who
  // makes the write acts on it afterwards, by the state as it is then.
  struct Change {
    bool decode = false;  // Where a BAR is, or whether it is decoded.
  };

  // What the function calls; each may be null and outlives it.
  struct Dependencies {
    MsiSink* msi = nullptr;
    Msix::Listener* msix_listener = nullptr;
    const IntxSource* intx_source = nullptr;  // Required by `intx`.
    LineSink* intx_line = nullptr;
    // Behind each BAR that exists, but for MSI-X's. A BAR without one reads as
    // zeros.
    std::array<MmioHandler*, kBars> bars = {};
  };

  // Errors name the field of the spec, or of the dependencies.
  static absl::StatusOr<std::unique_ptr<Function>> Create(
      const FunctionSpec& spec, const Dependencies& dependencies);

  // The function that `state` was saved of. It has called nothing yet: when its
  // caller has placed the BARs, he settles MSI-X and INTx, and what is pending
  // and may fire does. Errors: as Create(), and those of RestoreConfig().
  static absl::StatusOr<std::unique_ptr<Function>> Restore(
      const FunctionSpec& spec, const Dependencies& dependencies,
      const FunctionState& state);

  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  // Any width and alignment. There are 256 bytes; those beyond read as ones and
  // are not written.
  void ConfigRead(uint64_t offset, absl::Span<uint8_t> bytes) const noexcept
      ABSL_LOCKS_EXCLUDED(mutex_);
  Change ConfigWrite(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The function's view of BAR `bar`, for whoever dispatches the guest's
  // accesses. It answers only while the BAR is decoded and only accesses that
  // lie wholly inside; others read ones and write nothing. So does the handler
  // of a BAR that does not exist.
  MmioHandler& bar(int bar);

  // Where the guest sees BAR `bar` now. nullopt when it does not: no such BAR,
  // Memory Space Enable off, address 0, or a BAR that ends at the very top of
  // its address width, which is what one being sized looks like.
  std::optional<uint64_t> BarAddress(int bar) const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t BarSize(int bar) const;  // 0 when there is none.

  // Sets a BAR as firmware would; decode is the guest's. The caller acts on the
  // BAR's move, as after a config write. Errors name the BAR.
  absl::Status PlaceBar(int bar, uint64_t address) ABSL_LOCKS_EXCLUDED(mutex_);

  Msix* msix() { return msix_.get(); }  // Null without MSI-X.
  Intx* intx() { return intx_.get(); }  // Null without INTx.

  // What the guest can see: config space of one moment, and then MSI-X as
  // Msix::Save() gives it.
  FunctionState Save() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Where the guest sees the BARs in a state that Save() gave.
  BarAddresses AddressesIn(const FunctionState& state) const;

  // As the bus's RST#: everything that a guest wrote is forgotten. The line
  // then follows its source again, so the device behind is reset before.
  Change Reset() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What is left to do once the lock is gone.
  struct Aftermath {
    Change change;
    bool msix = false;
    bool intx = false;
  };

  // From a spec that is valid, and a config space that belongs to it.
  Function(const FunctionSpec& spec, const Dependencies& dependencies,
           const ConfigSpace& config, std::unique_ptr<Msix> msix);

  // Brings everything that follows the config space to what it holds now.
  Aftermath Follow() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Change Finish(const Aftermath& aftermath) noexcept
      ABSL_LOCKS_EXCLUDED(mutex_);

  const BarSpecs bar_specs_;  // MSI-X's as well.
  const ConfigSpace initial_config_;
  const std::unique_ptr<Msix> msix_;
  const std::unique_ptr<Intx> intx_;

  mutable absl::Mutex mutex_;
  ConfigSpace config_ ABSL_GUARDED_BY(mutex_);
  BarAddresses addresses_ ABSL_GUARDED_BY(mutex_);
  bool intx_disabled_ ABSL_GUARDED_BY(mutex_) = false;

  // The BARs that have an address, one bit for each: what the windows ask.
  std::atomic<uint32_t> decoded_{0};
  std::array<BarWindow, kBars> windows_;
  BarWindow no_window_;
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_FUNCTION_H_
