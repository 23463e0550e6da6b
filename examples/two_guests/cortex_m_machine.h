// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_CORTEX_M_MACHINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_CORTEX_M_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio_handler.h"
#include "examples/two_guests/machine.h"
#include "examples/two_guests/memory_window.h"
#include "examples/two_guests/nvic.h"
#include "examples/two_guests/unicorn_engine.h"

namespace ivshmem::two_guests {

// A Cortex-M3 board: flash, RAM, peripherals, interrupt controller, laid out as
// guests/cortex_m/board.h says. Unicorn has the processor's instructions but
// not its exceptions: entry and return are done here (ARMv7-M manual, B1.5).
class CortexMMachine : public Machine {
 public:
  // `image` is the flash. Errors: Unicorn's, or an image that is too large or
  // too small to have a reset vector.
  static absl::StatusOr<std::unique_ptr<CortexMMachine>> Create(
      absl::Span<const uint8_t> image);

  absl::string_view name() const override { return "cortex-m"; }
  absl::StatusOr<State> Run(int blocks) override;
  void EndSlice() override { engine_->EndSlice(); }

  // Peripherals can be claimed, external memory be mapped.
  MmioSpace& mmio() { return mmio_; }
  MemoryMapper& memory() { return external_; }

  // An interrupt line, below Nvic::kLines.
  PulseSink& irq(int line) { return lines_[line]; }

  // For tests.
  UnicornEngine& engine() { return *engine_; }

 private:
  class Line : public PulseSink {
   public:
    void Pulse() noexcept override;
    CortexMMachine* machine;
    int number;
  };
  // Enabling a pending interrupt ends the slice, so that it is taken soon.
  class ControlSpace : public MmioHandler {
   public:
    explicit ControlSpace(CortexMMachine& machine) : machine_(machine) {}
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
    void Write(uint64_t offset,
               absl::Span<const uint8_t> bytes) noexcept override;

   private:
    CortexMMachine& machine_;
  };

  explicit CortexMMachine(std::unique_ptr<UnicornEngine> engine);
  absl::Status Boot(absl::Span<const uint8_t> image);
  static void OnException(uc_engine* uc, uint32_t number, void* self);
  absl::Status EnterException(int line);
  absl::Status ReturnFromException();

  const std::unique_ptr<UnicornEngine> engine_;
  AddressMap mmio_;
  Nvic nvic_;
  ControlSpace control_space_{*this};
  RegistrationPtr control_space_claim_;
  MemoryWindow external_;
  std::array<Line, Nvic::kLines> lines_;
  bool waiting_ = false;                       // wfi
  bool active_ = false;                        // In an interrupt handler.
  std::optional<uint32_t> unicorn_exception_;  // That ended Run().
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_CORTEX_M_MACHINE_H_
