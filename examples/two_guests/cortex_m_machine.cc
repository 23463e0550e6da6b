// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/cortex_m_machine.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "examples/two_guests/guests/cortex_m/board.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kPeripheralsAddress = 0x40000000;
constexpr uint64_t kPeripheralsSize = 0x20000;

// LR in a handler that was entered from thread mode on the main stack. Jumping
// there returns; Unicorn reports it as this exception number.
constexpr uint32_t kReturnToThread = 0xfffffff9;
constexpr uint32_t kUnicornExceptionReturn = 8;

constexpr uint32_t kXpsrThumb = 1 << 24;
constexpr uint32_t kXpsrStackAligned = 1 << 9;  // In a stacked xPSR only.
constexpr int kFirstIrq = 16;                   // The exception of line 0.

constexpr int kStacked[] = {UC_ARM_REG_R0, UC_ARM_REG_R1,  UC_ARM_REG_R2,
                            UC_ARM_REG_R3, UC_ARM_REG_R12, UC_ARM_REG_LR,
                            UC_ARM_REG_PC, UC_ARM_REG_XPSR};
using Frame = std::array<uint32_t, std::size(kStacked)>;

template <typename T>
absl::Span<uint8_t> Bytes(T& value) {
  return {reinterpret_cast<uint8_t*>(&value), sizeof(value)};
}

}  // namespace

void CortexMMachine::Line::Pulse() noexcept {
  machine->nvic_.SetPending(number);
  machine->engine_->EndSlice();  // It may be the guest's own doing.
}

void CortexMMachine::ControlSpace::Read(uint64_t offset,
                                        absl::Span<uint8_t> bytes) noexcept {
  machine_.nvic_.Read(offset, bytes);
}

void CortexMMachine::ControlSpace::Write(
    uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  machine_.nvic_.Write(offset, bytes);
  machine_.engine_->EndSlice();
}

absl::StatusOr<std::unique_ptr<CortexMMachine>> CortexMMachine::Create(
    absl::Span<const uint8_t> image) {
  auto engine = UnicornEngine::Create(
      UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, UC_CPU_ARM_CORTEX_M3);
  if (!engine.ok()) return engine.status();
  auto machine = absl::WrapUnique(new CortexMMachine(*std::move(engine)));
  if (auto status = machine->Boot(image); !status.ok()) return status;
  return machine;
}

CortexMMachine::CortexMMachine(std::unique_ptr<UnicornEngine> engine)
    : engine_(std::move(engine)),
      external_(*engine_, CORTEX_M_IVSHMEM_MEMORY, CORTEX_M_IVSHMEM_MEMORY_MAX,
                mmio_) {
  for (int i = 0; i < Nvic::kLines; ++i) {
    lines_[i].machine = this;
    lines_[i].number = i;
  }
}

absl::Status CortexMMachine::Boot(absl::Span<const uint8_t> image) {
  for (const auto& status : {
           engine_->MapRam(CORTEX_M_FLASH_ADDRESS, CORTEX_M_FLASH_SIZE),
           engine_->MapRam(CORTEX_M_RAM_ADDRESS, CORTEX_M_RAM_SIZE),
           engine_->MapTrapped(kPeripheralsAddress, kPeripheralsSize, mmio_),
           engine_->MapTrapped(CORTEX_M_SCS_ADDRESS, Nvic::kSize, mmio_),
       }) {
    if (!status.ok()) return status;
  }
  auto claim = mmio_.Claim(CORTEX_M_SCS_ADDRESS, Nvic::kSize, control_space_);
  if (!claim.ok()) return claim.status();
  control_space_claim_ = *std::move(claim);
  uc_hook hook;
  const uc_err hooked =
      uc_hook_add(engine_->uc(), &hook, UC_HOOK_INTR,
                  reinterpret_cast<void*>(&OnException), this, 1, 0);
  if (hooked != UC_ERR_OK) return UnicornError("uc_hook_add", hooked);

  std::array<uint32_t, 2> vectors;  // Stack, reset.
  if (image.size() < sizeof(vectors) || image.size() > CORTEX_M_FLASH_SIZE ||
      !engine_->WriteMemory(CORTEX_M_FLASH_ADDRESS, image) ||
      !engine_->ReadMemory(CORTEX_M_FLASH_ADDRESS, Bytes(vectors))) {
    return absl::InvalidArgumentError(
        absl::StrFormat("image: expected %d to %d bytes, got %d",
                        sizeof(vectors), CORTEX_M_FLASH_SIZE, image.size()));
  }
  engine_->Set(UC_ARM_REG_SP, vectors[0]);
  engine_->Set(UC_ARM_REG_LR, 0xffffffff);
  engine_->Set(UC_ARM_REG_PC, vectors[1]);
  return absl::OkStatus();
}

void CortexMMachine::OnException(uc_engine*, uint32_t number, void* self) {
  auto& machine = *static_cast<CortexMMachine*>(self);
  machine.unicorn_exception_ = number;
  machine.engine_->StopNow();
}

absl::StatusOr<Machine::State> CortexMMachine::Run(int blocks) {
  if (auto status = external_.Settle(); !status.ok()) return status;
  engine_->BeginSlice(blocks);
  do {
    const std::optional<int> line = nvic_.Pending();
    // wfi ends for what would interrupt, masked by PRIMASK or not.
    if (waiting_ && !line.has_value()) return State::kIdle;
    waiting_ = false;
    if (line.has_value() && !active_ && engine_->Get(UC_ARM_REG_PRIMASK) == 0) {
      if (auto status = EnterException(*line); !status.ok()) return status;
    }
    unicorn_exception_.reset();
    const auto stop = engine_->Run(engine_->Get(UC_ARM_REG_PC) | 1);
    if (!stop.ok()) return stop.status();
    if (unicorn_exception_.has_value()) {
      if (auto status = ReturnFromException(); !status.ok()) return status;
    } else {
      waiting_ = *stop == UnicornEngine::Stop::kHalted;
    }
  } while (!engine_->slice_over());
  return waiting_ && !nvic_.Pending() ? State::kIdle : State::kRunning;
}

absl::Status CortexMMachine::EnterException(int line) {
  uint32_t vector = 0;
  engine_->ReadMemory(CORTEX_M_FLASH_ADDRESS + 4 * (kFirstIrq + line),
                      Bytes(vector));
  Frame frame;
  for (size_t i = 0; i < frame.size(); ++i) {
    frame[i] = engine_->Get(kStacked[i]);
  }
  // The frame is aligned to 8 bytes, as the procedure call standard wants.
  uint32_t sp = engine_->Get(UC_ARM_REG_SP);
  if (sp % 8 != 0) frame.back() |= kXpsrStackAligned;
  sp = sp / 8 * 8 - sizeof(frame);
  if (!engine_->WriteMemory(sp, Bytes(frame))) {
    return absl::InternalError(
        absl::StrFormat("IRQ %d: no stack at %#x", line, sp));
  }
  nvic_.Accept(line);
  active_ = true;
  engine_->Set(UC_ARM_REG_SP, sp);
  engine_->Set(UC_ARM_REG_LR, kReturnToThread);
  engine_->Set(UC_ARM_REG_XPSR, kXpsrThumb | (kFirstIrq + line));
  engine_->Set(UC_ARM_REG_PC, vector);
  return absl::OkStatus();
}

absl::Status CortexMMachine::ReturnFromException() {
  const uint32_t pc = engine_->Get(UC_ARM_REG_PC);
  if (*unicorn_exception_ != kUnicornExceptionReturn || !active_ ||
      (pc | 1) != kReturnToThread) {
    return absl::InternalError(absl::StrFormat(
        "the guest raised exception %d at %#x", *unicorn_exception_, pc));
  }
  Frame frame;
  uint32_t sp = engine_->Get(UC_ARM_REG_SP);
  if (!engine_->ReadMemory(sp, Bytes(frame))) {
    return absl::InternalError(
        absl::StrFormat("exception return: no stack at %#x", sp));
  }
  sp += sizeof(frame);
  if ((frame.back() & kXpsrStackAligned) != 0) sp += 4;
  frame.back() &= ~kXpsrStackAligned;
  active_ = false;
  engine_->Set(UC_ARM_REG_SP, sp);
  for (size_t i = 0; i < frame.size(); ++i) {
    // Unicorn takes bit 0 of a PC as the instruction set.
    const uint32_t thumb = kStacked[i] == UC_ARM_REG_PC ? 1 : 0;
    engine_->Set(kStacked[i], frame[i] | thumb);
  }
  return absl::OkStatus();
}

}  // namespace ivshmem::two_guests
