// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/x86_machine.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "examples/two_guests/guests/x86/board.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint32_t kEflagsInterrupt = 1 << 9;
constexpr uint32_t kEflagsClearedByGate = 1 << 8 | 1 << 14 | 1 << 16 | 1 << 17;

constexpr uint32_t kGdtAddress = 0x500;
// Null twice, then flat code and data of 4 GiB at X86_CODE_SELECTOR and
// X86_DATA_SELECTOR.
constexpr uint64_t kGdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

template <typename T>
absl::Span<const uint8_t> Bytes(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

template <typename T>
absl::Span<uint8_t> MutableBytes(T& value) {
  return {reinterpret_cast<uint8_t*>(&value), sizeof(value)};
}

uint32_t OnPortIn(uc_engine*, uint32_t port, int size, void* ports) {
  uint32_t value = 0;
  static_cast<AddressMap*>(ports)->Read(port, MutableBytes(value).first(size));
  return value;
}

void OnPortOut(uc_engine*, uint32_t port, int size, uint32_t value,
               void* ports) {
  static_cast<AddressMap*>(ports)->Write(port, Bytes(value).first(size));
}

}  // namespace

absl::StatusOr<std::unique_ptr<X86Machine>> X86Machine::Create(
    absl::Span<const uint8_t> image) {
  auto engine = UnicornEngine::Create(UC_ARCH_X86, UC_MODE_32,
                                      UnicornEngine::kDefaultCpu);
  if (!engine.ok()) return engine.status();
  auto machine = absl::WrapUnique(new X86Machine(*std::move(engine)));
  if (auto status = machine->Boot(image); !status.ok()) return status;
  return machine;
}

X86Machine::X86Machine(std::unique_ptr<UnicornEngine> engine)
    : engine_(std::move(engine)),
      hole_(*engine_, X86_PCI_HOLE_ADDRESS, X86_PCI_HOLE_SIZE, mmio_) {}

absl::Status X86Machine::Boot(absl::Span<const uint8_t> image) {
  if (auto status = engine_->MapRam(0, X86_RAM_SIZE); !status.ok()) {
    return status;
  }
  if (image.size() > X86_RAM_SIZE - X86_IMAGE_ADDRESS ||
      !engine_->WriteMemory(X86_IMAGE_ADDRESS, image)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("image: expected at most %d bytes, got %d",
                        X86_RAM_SIZE - X86_IMAGE_ADDRESS, image.size()));
  }
  auto claim = mmio_.Claim(LocalApic::kAddress, LocalApic::kSize, apic_);
  if (!claim.ok()) return claim.status();
  apic_claim_ = *std::move(claim);
  if (auto status =
          engine_->MapTrapped(LocalApic::kAddress, LocalApic::kSize, mmio_);
      !status.ok()) {
    return status;
  }

  uc_hook in, out;
  uc_err error = uc_hook_add(engine_->uc(), &in, UC_HOOK_INSN,
                             reinterpret_cast<void*>(&OnPortIn), &ports_, 1, 0,
                             UC_X86_INS_IN);
  if (error != UC_ERR_OK) return UnicornError("uc_hook_add", error);
  error = uc_hook_add(engine_->uc(), &out, UC_HOOK_INSN,
                      reinterpret_cast<void*>(&OnPortOut), &ports_, 1, 0,
                      UC_X86_INS_OUT);
  if (error != UC_ERR_OK) return UnicornError("uc_hook_add", error);

  engine_->WriteMemory(kGdtAddress, Bytes(kGdt));
  const uc_x86_mmr gdtr = {0, kGdtAddress, sizeof(kGdt) - 1, 0};
  uc_reg_write(engine_->uc(), UC_X86_REG_GDTR, &gdtr);
  engine_->Set(UC_X86_REG_CS, X86_CODE_SELECTOR);
  for (const int segment : {UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_FS,
                            UC_X86_REG_GS, UC_X86_REG_SS}) {
    engine_->Set(segment, X86_DATA_SELECTOR);
  }
  engine_->Set(UC_X86_REG_EIP, X86_IMAGE_ADDRESS);
  return absl::OkStatus();
}

absl::StatusOr<Machine::State> X86Machine::Run(int blocks) {
  if (auto status = hole_.Settle(); !status.ok()) return status;
  if (halted_ && !CanInterrupt()) return State::kIdle;
  if (auto status = Interrupt(); !status.ok()) return status;
  engine_->BeginSlice(blocks);
  const auto stop = engine_->Run(engine_->Get(UC_X86_REG_EIP));
  if (!stop.ok()) return stop.status();
  halted_ = *stop == UnicornEngine::Stop::kHalted;
  return halted_ && !CanInterrupt() ? State::kIdle : State::kRunning;
}

void X86Machine::Send(const pci::MsiMessage& message) noexcept {
  apic_.Receive(message);
  engine_->EndSlice();  // It may be the guest's own doing.
}

bool X86Machine::CanInterrupt() const {
  return (engine_->Get(UC_X86_REG_EFLAGS) & kEflagsInterrupt) != 0 &&
         apic_.Pending().has_value();
}

// No interrupt comes between a sti and the instruction after it. If that is a
// hlt and a slice ended just before it, then the interrupt ends the hlt; else
// its handler would return to it and wait for what is over.
void X86Machine::SkipHaltInStiShadow() {
  const uint32_t eip = engine_->Get(UC_X86_REG_EIP);
  constexpr std::array<uint8_t, 2> kStiHalt = {0xfb, 0xf4};
  std::array<uint8_t, 2> code;
  if (engine_->ReadMemory(eip - 1, absl::MakeSpan(code)) && code == kStiHalt) {
    engine_->Set(UC_X86_REG_EIP, eip + 1);
  }
}

// Intel SDM volume 3, 6.12.1, without a change of privilege.
absl::Status X86Machine::Interrupt() {
  if (!CanInterrupt()) return absl::OkStatus();
  const uint8_t vector = *apic_.Pending();
  SkipHaltInStiShadow();

  uc_x86_mmr idtr = {};
  uc_reg_read(engine_->uc(), UC_X86_REG_IDTR, &idtr);
  std::array<uint32_t, 2> gate = {};
  const uint32_t offset = vector * sizeof(gate);
  const bool readable =
      offset + sizeof(gate) - 1 <= idtr.limit &&
      engine_->ReadMemory(idtr.base + offset, MutableBytes(gate));
  const uint32_t type = (gate[1] >> 8) & 0xff;
  if (!readable || (type != 0x8e && type != 0x8f)) {
    return absl::InternalError(
        absl::StrFormat("interrupt %#x has no gate in the IDT", vector));
  }

  const uint32_t eflags = engine_->Get(UC_X86_REG_EFLAGS);
  const uint32_t cs = engine_->Get(UC_X86_REG_CS);
  const std::array<uint32_t, 3> frame = {engine_->Get(UC_X86_REG_EIP), cs,
                                         eflags};
  const uint32_t esp = engine_->Get(UC_X86_REG_ESP) - sizeof(frame);
  if (!engine_->WriteMemory(esp, Bytes(frame))) {
    return absl::InternalError(
        absl::StrFormat("interrupt %#x: no stack at %#x", vector, esp));
  }
  apic_.Accept(vector);
  halted_ = false;
  engine_->Set(UC_X86_REG_ESP, esp);
  uint32_t cleared = kEflagsClearedByGate;
  if (type == 0x8e) cleared |= kEflagsInterrupt;
  engine_->Set(UC_X86_REG_EFLAGS, eflags & ~cleared);
  if (gate[0] >> 16 != cs) engine_->Set(UC_X86_REG_CS, gate[0] >> 16);
  engine_->Set(UC_X86_REG_EIP, (gate[1] & 0xffff0000) | (gate[0] & 0xffff));
  return absl::OkStatus();
}

}  // namespace ivshmem::two_guests
