// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/unicorn_engine.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ivshmem::two_guests {
namespace {

// Where Unicorn stops by itself. No guest's code is there.
constexpr uint64_t kNowhere = 0xffffffff;

}  // namespace

absl::Status UnicornError(absl::string_view what, uc_err error) {
  if (error == UC_ERR_OK) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(what, ": ", uc_strerror(error)));
}

absl::StatusOr<std::unique_ptr<UnicornEngine>> UnicornEngine::Create(
    uc_arch arch, int mode, int cpu) {
  uc_engine* uc = nullptr;
  const uc_err error = uc_open(arch, static_cast<uc_mode>(mode), &uc);
  if (error != UC_ERR_OK) return UnicornError("uc_open", error);
  auto engine = absl::WrapUnique(new UnicornEngine(uc));
  if (cpu != kDefaultCpu) {
    // Before anything else: the first hook or mapping makes the processor.
    const uc_err model = uc_ctl_set_cpu_model(uc, cpu);
    if (model != UC_ERR_OK) return UnicornError("uc_ctl_set_cpu_model", model);
  }
  uc_hook hook;
  const uc_err hooked =
      uc_hook_add(uc, &hook, UC_HOOK_BLOCK, reinterpret_cast<void*>(&OnBlock),
                  engine.get(), 1, 0);
  if (hooked != UC_ERR_OK) return UnicornError("uc_hook_add", hooked);
  return engine;
}

UnicornEngine::~UnicornEngine() { uc_close(uc_); }

uint32_t UnicornEngine::Get(int reg) const {
  uint32_t value = 0;
  uc_reg_read(uc_, reg, &value);
  return value;
}

void UnicornEngine::Set(int reg, uint32_t value) {
  uc_reg_write(uc_, reg, &value);
}

absl::Status UnicornEngine::MapRam(uint64_t base, uint64_t size) {
  return UnicornError("uc_mem_map", uc_mem_map(uc_, base, size, UC_PROT_ALL));
}

absl::Status UnicornEngine::MapMemory(uint64_t base, uint8_t* memory,
                                      uint64_t size) {
  return UnicornError("uc_mem_map_ptr",
                      uc_mem_map_ptr(uc_, base, size, UC_PROT_ALL, memory));
}

absl::Status UnicornEngine::MapTrapped(uint64_t base, uint64_t size,
                                       MmioHandler& handler) {
  const auto read = [](uc_engine*, uint64_t offset, unsigned size,
                       void* user) -> uint64_t {
    const Trapped& trapped = *static_cast<Trapped*>(user);
    std::array<uint8_t, 8> bytes = {};
    if (size > bytes.size()) return 0;
    trapped.handler->Read(trapped.base + offset,
                          absl::MakeSpan(bytes).first(size));
    uint64_t value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  };
  const auto write = [](uc_engine*, uint64_t offset, unsigned size,
                        uint64_t value, void* user) {
    const Trapped& trapped = *static_cast<Trapped*>(user);
    std::array<uint8_t, 8> bytes;
    if (size > bytes.size()) return;
    std::memcpy(bytes.data(), &value, sizeof(value));
    trapped.handler->Write(trapped.base + offset,
                           absl::MakeConstSpan(bytes).first(size));
  };
  trapped_.push_back({base, &handler});
  void* const user = &trapped_.back();
  return UnicornError("uc_mmio_map",
                      uc_mmio_map(uc_, base, size, read, user, write, user));
}

absl::Status UnicornEngine::Unmap(uint64_t base, uint64_t size) {
  return UnicornError("uc_mem_unmap", uc_mem_unmap(uc_, base, size));
}

bool UnicornEngine::ReadMemory(uint64_t address,
                               absl::Span<uint8_t> bytes) const {
  return uc_mem_read(uc_, address, bytes.data(), bytes.size()) == UC_ERR_OK;
}

bool UnicornEngine::WriteMemory(uint64_t address,
                                absl::Span<const uint8_t> bytes) {
  return uc_mem_write(uc_, address, bytes.data(), bytes.size()) == UC_ERR_OK;
}

void UnicornEngine::BeginSlice(int blocks) { blocks_left_ = blocks; }

void UnicornEngine::OnBlock(uc_engine* uc, uint64_t address, uint32_t,
                            void* self) {
  auto& engine = *static_cast<UnicornEngine*>(self);
  engine.block_ = address;
  if (engine.blocks_left_-- > 0) return;
  engine.stopped_ = true;
  uc_emu_stop(uc);
}

void UnicornEngine::StopNow() {
  stopped_ = true;
  uc_emu_stop(uc_);
}

absl::StatusOr<UnicornEngine::Stop> UnicornEngine::Run(uint32_t pc) {
  stopped_ = false;
  block_ = pc;
  const uc_err error = uc_emu_start(uc_, pc, kNowhere, 0, 0);
  if (error != UC_ERR_OK) {
    return UnicornError(
        absl::StrFormat("the guest failed in the code at %#x", block_), error);
  }
  return stopped_ ? Stop::kSliceOver : Stop::kHalted;
}

}  // namespace ivshmem::two_guests
