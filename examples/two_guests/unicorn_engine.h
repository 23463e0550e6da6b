// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_UNICORN_ENGINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_UNICORN_ENGINE_H_

#include <unicorn/unicorn.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// A Unicorn engine, run in slices that can be ended from inside its callbacks.
//
// Three facts about Unicorn 2.0.1 shape this class, all tried:
// - uc_emu_stop() in a callback for MMIO or port I/O forgets how far the basic
//   block had come, and the block runs again: its accesses come twice. In the
//   callback for a new block it is exact. So that is where slices end.
// - The offset that an MMIO callback gets counts from the start of the piece
//   that is left after a part of its range was unmapped, so that a range must
//   be unmapped as a whole.
// - Mappings can be changed inside a callback, but not those that the callback
//   itself was called from. So they are changed between slices only.
//
// Threading: one thread.
class UnicornEngine {
 public:
  enum class Stop {
    kHalted,     // The guest waits for an interrupt: hlt, wfi.
    kSliceOver,  // Or EndSlice() was called.
  };

  // `cpu` is a model of that architecture, or kDefaultCpu.
  static constexpr int kDefaultCpu = -1;
  static absl::StatusOr<std::unique_ptr<UnicornEngine>> Create(uc_arch arch,
                                                               int mode,
                                                               int cpu);
  ~UnicornEngine();
  UnicornEngine(const UnicornEngine&) = delete;
  UnicornEngine& operator=(const UnicornEngine&) = delete;

  // The engine itself, for registers, hooks and what is special to a CPU.
  uc_engine* uc() const { return uc_; }
  uint32_t Get(int reg) const;
  void Set(int reg, uint32_t value);

  // All addresses and sizes are of whole pages of 4 KiB. Not inside Run().
  absl::Status MapRam(uint64_t base, uint64_t size);
  // `memory` stays until it is unmapped or the engine is gone.
  absl::Status MapMemory(uint64_t base, uint8_t* memory, uint64_t size);
  // The guest's accesses go to `handler`, at their *address*.
  absl::Status MapTrapped(uint64_t base, uint64_t size, MmioHandler& handler);
  // Exactly what was mapped by one call.
  absl::Status Unmap(uint64_t base, uint64_t size);

  // False when that is not all mapped memory.
  bool ReadMemory(uint64_t address, absl::Span<uint8_t> bytes) const;
  bool WriteMemory(uint64_t address, absl::Span<const uint8_t> bytes);

  // How many basic blocks Run() has from now on until the slice is over.
  void BeginSlice(int blocks);
  // Runs from `pc`. Errors: Internal, what the guest did and where.
  absl::StatusOr<Stop> Run(uint32_t pc);
  // From a callback, or between calls of Run().
  void EndSlice() { blocks_left_ = 0; }
  bool slice_over() const { return blocks_left_ <= 0; }

  // From a hook that ends Run() itself, by uc_emu_stop(): not a halt.
  void StopNow();

 private:
  struct Trapped {
    uint64_t base;
    MmioHandler* handler;
  };

  explicit UnicornEngine(uc_engine* uc) : uc_(uc) {}
  static void OnBlock(uc_engine* uc, uint64_t address, uint32_t size,
                      void* self);

  uc_engine* const uc_;
  std::deque<Trapped> trapped_;  // Callbacks point here; never shrinks.
  int blocks_left_ = 0;
  bool stopped_ = false;  // By us, in this Run().
  uint64_t block_ = 0;    // Where the current block begins.
};

// "invalid memory read (UC_ERR_READ_UNMAPPED)" and so on, as an Internal error.
absl::Status UnicornError(absl::string_view what, uc_err error);

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_UNICORN_ENGINE_H_
