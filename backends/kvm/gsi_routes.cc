// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/gsi_routes.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"

namespace ivshmem::kvm {
namespace {

// What stands before the entries in KVM_SET_GSI_ROUTING's argument. The header
// that Debian 12 has for structures that end in an array gives them an empty
// member, which in C++ has a size: kvm_irq_routing, and with it the ioctl's
// number, are not what the kernel knows. So both are made here.
struct TableHeader {
  uint32_t nr;
  uint32_t flags;
};
constexpr uint64_t kSetGsiRouting = _IOW(KVMIO, 0x6a, TableHeader);

// What KVM has had since it has routes, should it not say.
constexpr uint32_t kMaxEntries = 4096;

kvm_irq_routing_entry PinEntry(uint32_t gsi, uint32_t irqchip, uint32_t pin) {
  kvm_irq_routing_entry entry = {};
  entry.gsi = gsi;
  entry.type = KVM_IRQ_ROUTING_IRQCHIP;
  entry.u.irqchip.irqchip = irqchip;
  entry.u.irqchip.pin = pin;
  return entry;
}

kvm_irq_routing_entry MessageEntry(uint32_t gsi,
                                   const pci::MsiMessage& message) {
  kvm_irq_routing_entry entry = {};
  entry.gsi = gsi;
  entry.type = KVM_IRQ_ROUTING_MSI;
  entry.u.msi.address_lo = static_cast<uint32_t>(message.address);
  entry.u.msi.address_hi = static_cast<uint32_t>(message.address >> 32);
  entry.u.msi.data = message.data;
  return entry;
}

// How many messages fit: by the number of entries, and because the kernel has
// as many GSIs as entries.
size_t Room(Vm& vm, const GsiTable::Config& config) {
  const int said = vm.Extension(KVM_CAP_IRQ_ROUTING);
  const uint32_t most = said > 1 ? static_cast<uint32_t>(said) : kMaxEntries;
  const uint32_t entries =
      config.max_entries == 0 ? most : std::min(most, config.max_entries);
  const auto pins = static_cast<uint32_t>(config.pins.size());
  return std::min(entries - std::min(entries, pins),
                  most - std::min(most, config.first_gsi));
}

}  // namespace

GsiTable::Config GsiTable::Pc() {
  constexpr uint32_t kPicPins = 8;
  constexpr uint32_t kIoapicPins = 24;
  Config config;
  for (uint32_t gsi = 0; gsi < kIoapicPins; ++gsi) {
    if (gsi < 2 * kPicPins) {
      config.pins.push_back(PinEntry(
          gsi, gsi < kPicPins ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
          gsi % kPicPins));
    }
    config.pins.push_back(PinEntry(gsi, KVM_IRQCHIP_IOAPIC, gsi));
  }
  config.first_gsi = kIoapicPins;
  return config;
}

GsiTable::GsiTable(Vm& vm, Config config)
    : vm_(vm), config_(std::move(config)), max_messages_(Room(vm, config_)) {}

absl::StatusOr<std::vector<uint32_t>> GsiTable::Add(
    absl::Span<const pci::MsiMessage> messages) {
  absl::MutexLock lock(&mutex_);
  Routes routes = routes_;
  std::vector<uint32_t> gsis;
  bool changed = false;
  for (const pci::MsiMessage& message : messages) {
    const std::optional<uint32_t> gsi = AddOne(message, routes, &changed);
    if (!gsi.has_value()) break;
    gsis.push_back(*gsi);
  }
  if (changed) {
    absl::Status status = Replace(routes);
    if (!status.ok()) return status;
  }
  routes_ = std::move(routes);
  return gsis;
}

std::optional<uint32_t> GsiTable::AddOne(const pci::MsiMessage& message,
                                         Routes& routes, bool* changed) const {
  auto reused = routes.removed.find(Key(message.address, message.data));
  if (reused == routes.removed.end()) {
    if (routes.messages.size() < max_messages_) {
      *changed = true;
      routes.messages.push_back(message);
      return config_.first_gsi +
             static_cast<uint32_t>(routes.messages.size() - 1);
    }
    reused = routes.removed.begin();
    if (reused == routes.removed.end()) return std::nullopt;
    *changed = true;
  }
  const uint32_t gsi = reused->second;
  routes.removed.erase(reused);
  routes.messages[gsi - config_.first_gsi] = message;
  return gsi;
}

absl::Status GsiTable::Replace(const Routes& routes) {
  const size_t count = config_.pins.size() + routes.messages.size();
  std::vector<kvm_irq_routing_entry> entries = config_.pins;
  entries.reserve(count);
  uint32_t gsi = config_.first_gsi;
  for (const pci::MsiMessage& message : routes.messages) {
    entries.push_back(MessageEntry(gsi++, message));
  }
  const TableHeader header = {static_cast<uint32_t>(count), 0};
  const size_t bytes = count * sizeof(entries[0]);
  std::vector<uint8_t> table(sizeof(header) + bytes);
  std::memcpy(table.data(), &header, sizeof(header));
  std::memcpy(table.data() + sizeof(header), entries.data(), bytes);
  const int result = vm_.Ioctl(kSetGsiRouting, table.data());
  if (result >= 0) return absl::OkStatus();
  return IoctlError(result,
                    absl::StrFormat("interrupt routes, %d of them", count));
}

void GsiTable::Remove(uint32_t gsi) noexcept {
  absl::MutexLock lock(&mutex_);
  const pci::MsiMessage& message = routes_.messages[gsi - config_.first_gsi];
  routes_.removed.emplace(Key(message.address, message.data), gsi);
}

}  // namespace ivshmem::kvm
