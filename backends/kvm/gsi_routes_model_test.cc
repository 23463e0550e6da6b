// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any run of additions, removals and refusals: who holds a GSI has the message
// that it asked for in the kernel's table, and nobody else's; the kernel is
// asked no oftener than it must.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/recording_vm.h"
#include "backends/kvm/set_gsi_routing.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::kvm {
namespace {

using Messages = std::vector<pci::MsiMessage>;

constexpr uint32_t kFirst = 30;

// Few, so that they come again.
pci::MsiMessage AnyMessage() {
  return {.address = *rc::gen::element<uint64_t>(0xfee00000, 0x1fee00000),
          .data = *rc::gen::inRange<uint32_t>(0, 3)};
}

kvm_irq_routing_entry Pin() {
  kvm_irq_routing_entry entry = {};
  entry.gsi = 5;
  entry.type = KVM_IRQ_ROUTING_IRQCHIP;
  entry.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
  entry.u.irqchip.pin = 5;
  return entry;
}

// What the kernel holds.
struct Kernel {
  bool pin = false;
  std::map<uint32_t, pci::MsiMessage> routes;

  explicit Kernel(const std::vector<kvm_irq_routing_entry>& table) {
    for (const kvm_irq_routing_entry& entry : table) {
      if (entry.type == KVM_IRQ_ROUTING_IRQCHIP) {
        RC_ASSERT(!pin && entry.gsi == 5u);
        pin = true;
        continue;
      }
      const pci::MsiMessage message = {
          .address =
              uint64_t{entry.u.msi.address_hi} << 32 | entry.u.msi.address_lo,
          .data = entry.u.msi.data};
      RC_ASSERT(routes.emplace(entry.gsi, message).second);
    }
  }
};

class Run {
 public:
  explicit Run(uint32_t room)
      : room_(room),
        table_(
            vm_,
            {.pins = {Pin()}, .first_gsi = kFirst, .max_entries = room + 1}) {}

  void Add(const Messages& messages, bool refused) {
    // Which must be there without a replacement: as often as the kernel has
    // them and nobody holds them.
    const size_t expected = std::min(messages.size(), room_ - held_.size());
    if (refused) vm_.Answer(SetGsiRoutingRequest(), -ENOMEM);
    const auto gsis = table_.Add(messages);
    const auto tables = vm_.TakeTables();
    RC_ASSERT(tables.size() <= 1u);
    if (!gsis.ok()) {
      RC_ASSERT(refused && tables.size() == 1u);
      return;
    }
    if (refused && tables.empty()) UseUpTheRefusal();
    RC_ASSERT(gsis->size() == expected);
    if (!tables.empty()) kernel_ = Kernel(tables[0]);
    bool all_were_there = true;
    for (size_t i = 0; i < gsis->size(); ++i) {
      RC_ASSERT(held_.emplace((*gsis)[i], messages[i]).second);
      all_were_there = all_were_there && before_.contains((*gsis)[i]) &&
                       before_.at((*gsis)[i]) == messages[i];
    }
    RC_ASSERT(tables.empty() == all_were_there);
    before_ = kernel_.routes;
    Check();
  }

  void Remove(uint32_t gsi) {
    held_.erase(gsi);
    table_.Remove(gsi);
    RC_ASSERT(vm_.TakeTables().empty());
  }

  const std::map<uint32_t, pci::MsiMessage>& held() const { return held_; }

 private:
  void UseUpTheRefusal() {
    vm_.Ioctl(SetGsiRoutingRequest(), &kNoTable);
    vm_.TakeTables();
  }

  void Check() const {
    RC_ASSERT(kernel_.routes.size() <= room_);
    RC_ASSERT(kernel_.pin || kernel_.routes.empty());
    for (const auto& [gsi, message] : held_) {
      RC_ASSERT(gsi >= kFirst);
      RC_ASSERT(kernel_.routes.at(gsi) == message);
    }
  }

  static constexpr uint64_t kNoTable = 0;

  const size_t room_;
  RecordingVm vm_;
  GsiTable table_;
  std::map<uint32_t, pci::MsiMessage> held_;
  Kernel kernel_{{}};
  std::map<uint32_t, pci::MsiMessage> before_;  // The kernel's, last time.
};

RC_GTEST_PROP(GsiTableModel, WhoHoldsAGsiHasItsMessage, ()) {
  Run run(*rc::gen::inRange<uint32_t>(0, 8));
  for (int step = *rc::gen::inRange(0, 40); step > 0; --step) {
    if (!run.held().empty() && *rc::gen::arbitrary<bool>()) {
      run.Remove((*rc::gen::elementOf(run.held())).first);
      continue;
    }
    Messages messages;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
      messages.push_back(AnyMessage());
    }
    run.Add(messages, *rc::gen::inRange(0, 5) == 0);
  }
}

}  // namespace
}  // namespace ivshmem::kvm
