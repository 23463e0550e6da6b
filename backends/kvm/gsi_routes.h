// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_GSI_ROUTES_H_
#define IVSHMEM_BACKENDS_KVM_GSI_ROUTES_H_

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "backends/kvm/vm.h"
#include "bus/pci/msi.h"

namespace ivshmem::kvm {

// The interrupt routes of a VM that send messages: for each a number, its GSI,
// that an irqfd names.
//
// KVM has one table of routes for a VM, which is replaced whole. An embedder
// that keeps the table for devices of its own implements this over it; one that
// does not gives it to a GsiTable.
//
// Threading: any thread.
class GsiRoutes {
 public:
  virtual ~GsiRoutes() = default;

  // A GSI for each of the first so many of `messages`, in their order: all of
  // them, or as many as there is room for. Each is the caller's until it is
  // given to Remove(), and sends its message from now on. Errors: what the
  // kernel says; nothing has changed then.
  virtual absl::StatusOr<std::vector<uint32_t>> Add(
      absl::Span<const pci::MsiMessage> messages) = 0;

  // No irqfd uses `gsi` any more.
  virtual void Remove(uint32_t gsi) noexcept = 0;
};

// A VM's whole table.
//
// A route that is removed stays in the table until its room is wanted, so that
// a vector that is masked and unmasked costs no replacement, during which
// KVM waits for all vCPUs.
class GsiTable : public GsiRoutes {
 public:
  struct Config {
    // What is in the table besides: the routes of the interrupt controllers'
    // pins. Their GSIs are not given to messages.
    std::vector<kvm_irq_routing_entry> pins;
    // Messages get GSIs from this one on.
    uint32_t first_gsi = 0;
    // How many entries the table may have, pins included. 0: what KVM says
    // (KVM_CAP_IRQ_ROUTING), 4096 now.
    uint32_t max_entries = 0;
  };

  // A PC's: the two PICs and the IOAPIC as KVM_CREATE_IRQCHIP wires them
  // (IOAPIC pins 0..23, of which 0..15 also go to the PICs), messages from 24
  // on.
  static Config Pc();

  // `vm` outlives the object.
  GsiTable(Vm& vm, Config config);

  absl::StatusOr<std::vector<uint32_t>> Add(
      absl::Span<const pci::MsiMessage> messages) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(uint32_t gsi) noexcept override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Key = std::pair<uint64_t, uint32_t>;  // A message's address and data.
  struct Routes {
    // By GSI, from first_gsi on; those removed keep their message.
    std::vector<pci::MsiMessage> messages;
    absl::btree_multimap<Key, uint32_t> removed;
  };

  // Adds one to `routes`; nullopt when there is no room. Sets `*changed` when
  // the table will have to be replaced for it.
  std::optional<uint32_t> AddOne(const pci::MsiMessage& message, Routes& routes,
                                 bool* changed) const;
  absl::Status Replace(const Routes& routes);

  Vm& vm_;
  const Config config_;
  const size_t max_messages_;
  absl::Mutex mutex_;
  Routes routes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_GSI_ROUTES_H_
