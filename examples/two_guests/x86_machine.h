// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_X86_MACHINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_X86_MACHINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "bus/pci/msi.h"
#include "examples/two_guests/local_apic.h"
#include "examples/two_guests/memory_window.h"
#include "examples/two_guests/pc_machine.h"
#include "examples/two_guests/unicorn_engine.h"

namespace ivshmem::two_guests {

// The PC in a CPU emulator, Unicorn, which has a processor's instructions but
// not its interrupts: these are done here.
class X86Machine : public PcMachine, private pci::MsiSink {
 public:
  // `image` is loaded and will be entered as board.h says. Errors: Unicorn's,
  // or an image that is too large.
  static absl::StatusOr<std::unique_ptr<X86Machine>> Create(
      absl::Span<const uint8_t> image);

  absl::StatusOr<State> Run(int blocks) override;
  void EndSlice() override { engine_->EndSlice(); }

  MmioSpace& mmio() override { return mmio_; }
  MemoryMapper& memory() override { return hole_; }
  MmioSpace& ports() override { return ports_; }
  pci::MsiSink& msi() override { return *this; }

  // For tests.
  UnicornEngine& engine() { return *engine_; }

 private:
  explicit X86Machine(std::unique_ptr<UnicornEngine> engine);
  absl::Status Boot(absl::Span<const uint8_t> image);
  bool CanInterrupt() const;
  // Has the processor begin to handle a pending interrupt, if it may. Errors:
  // Internal, when the guest's tables or stack do not allow it.
  absl::Status Interrupt();
  void SkipHaltInStiShadow();

  // pci::MsiSink
  void Send(const pci::MsiMessage& message) noexcept override;

  const std::unique_ptr<UnicornEngine> engine_;
  AddressMap mmio_;
  AddressMap ports_;
  LocalApic apic_;
  RegistrationPtr apic_claim_;
  MemoryWindow hole_;
  bool halted_ = false;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_X86_MACHINE_H_
