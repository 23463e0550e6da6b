// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/as_flat.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "script/library_subject.h"

namespace ivshmem::conformance {
namespace {

using script::Outcome;
using script::Step;

constexpr uint64_t kRegisters = 0xfe000000;
constexpr uint64_t kTable = 0xfe010000;
constexpr uint64_t kMemory = 0x800000000;

class AsFlat : public script::Subject {
 public:
  AsFlat(std::unique_ptr<script::Subject> pci, std::string name)
      : pci_(std::move(pci)), name_(std::move(name)) {}

  absl::StatusOr<Outcome> Do(const Step& step) override {
    absl::StatusOr<Outcome> outcome = pci_->Do(step);
    if (!outcome.ok()) return outcome;
    script::Effects& effects = outcome->effects;
    script::Effects others = effects;
    others.clear_messages();
    for (const script::Message& message : effects.messages()) {
      if (message.device() == name_) {
        others.add_pulses()->set_device(name_);
      } else {
        *others.add_messages() = message;
      }
    }
    effects = others;
    return outcome;
  }

 private:
  const std::unique_ptr<script::Subject> pci_;
  const std::string name_;
};

absl::Status Write(uint64_t offset, uint32_t size, uint64_t value, bool config,
                   script::Subject& subject) {
  Step step;
  script::Access& access = *step.mutable_write();
  config ? access.set_config(offset) : access.set_msix(offset);
  access.set_size(size);
  access.set_value(value);
  return subject.Do(step).status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<script::Subject>> MakeAsFlat(
    const config::World& world) {
  config::World changed = world;
  config::Device& device = *changed.mutable_devices(0);
  const config::Flat flat = device.flat();
  if (!flat.has_irq()) return absl::UnimplementedError("no line");
  config::Pci& pci = *device.mutable_pci();
  pci.set_slot(31);  // Of its own.
  pci.set_vectors(flat.vectors() == 0 ? 2 : flat.vectors());
  pci.set_bar0(kRegisters);
  pci.set_bar1(kTable);
  pci.set_bar2(kMemory);
  auto subject = script::MakeLibrarySubject(changed);
  if (!subject.ok()) return subject.status();
  absl::Status done = Write(4, 2, 6, true, **subject);
  for (uint32_t vector = 0; vector < pci.vectors(); ++vector) {
    done.Update(Write(16 * vector + 12, 4, 0, false, **subject));
  }
  done.Update(Write(0x42, 2, 0x8000, true, **subject));
  if (!done.ok()) return done;
  return std::make_unique<AsFlat>(*std::move(subject), device.name());
}

bool InBoth(const Step& step) {
  if (!step.device().empty()) return true;
  // PCI's reset takes away what the driver set up; so does a new device.
  if (step.has_reset() || step.has_unplug() || step.has_plug() ||
      step.has_save() || step.has_restore()) {
    return false;
  }
  if (!step.has_read() && !step.has_write()) return true;
  const script::Access& access = step.has_read() ? step.read() : step.write();
  if (access.has_memory()) return true;
  const bool dword = !access.has_size() || access.size() == 4;
  return access.has_registers() && dword &&
         (access.registers() == 8 || access.registers() == 12);
}

}  // namespace ivshmem::conformance
