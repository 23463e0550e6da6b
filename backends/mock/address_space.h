// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_ADDRESS_SPACE_H_
#define IVSHMEM_BACKENDS_MOCK_ADDRESS_SPACE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <type_traits>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/mock/accelerator.h"
#include "backends/mock/faults.h"
#include "backends/mock/log.h"
#include "bus/mmio_handler.h"

namespace ivshmem::mock {

// An access whose way to its handler was chosen when it was captured, and which
// arrives when the test says so: after the claim was released, moved or
// replaced. It takes no notice of what the space holds by then, nor of the
// accelerator. The handler must still be there.
//
// Threading: as the handler's.
class LateAccess {
 public:
  void Read(absl::Span<uint8_t> bytes) const { handler_->Read(offset_, bytes); }
  void Write(absl::Span<const uint8_t> bytes) const {
    handler_->Write(offset_, bytes);
  }

 private:
  friend class AddressSpace;
  LateAccess(MmioHandler* handler, uint64_t offset)
      : handler_(handler), offset_(offset) {}

  MmioHandler* handler_;
  uint64_t offset_;
};

// The guest's addresses: memory that is mapped, ranges that are claimed, and
// nothing in between, which reads as ones and drops writes. No two ranges
// overlap, be they claims or mappings: who asks for an overlap forgot to
// release something.
//
// An access goes whole to the memory or the claim in which all of it lies. One
// of any size may be made; a vCPU makes those of 1, 2, 4 and 8 bytes. Memory is
// accessed in one piece when the access has such a size and is aligned, and by
// bytes otherwise; loads acquire and stores release, as x86 does.
//
// The accelerator is shown the accesses that touch no mapped memory, before any
// claim is.
//
// Threading: any thread. Handlers are called outside locks, on the stack of the
// access. The release of a mapping waits for accesses to its memory; the
// release of a claim waits for nothing (see MmioSpace).
class AddressSpace final : public MmioSpace, public MemoryMapper {
 public:
  // What becomes of an access that lies partly in one range and partly in
  // another or in none.
  enum class Spanning : uint8_t {
    // Each range gets its part in one piece, of whatever length.
    kSplit,
    // None gets any: a read gives ones, a write is dropped (ACRN).
    kFault,
  };

  // All optional, and outlive the space.
  struct Options {
    Spanning spanning = Spanning::kSplit;
    Accelerator* accelerator = nullptr;
    Log* log = nullptr;
    Faults* faults = nullptr;
  };

  // What accesses came to. A part of a split access counts as an access.
  struct Counts {
    uint64_t memory = 0;       // Reached mapped memory.
    uint64_t claimed = 0;      // Reached a handler.
    uint64_t unclaimed = 0;    // Reached nothing.
    uint64_t read_only = 0;    // Writes dropped by a read-only mapping.
    uint64_t accelerated = 0;  // Ended at the accelerator.
    uint64_t spanning = 0;     // Split or faulted. Or past the last address,
                               // which is a fault with either policy.

    friend bool operator==(const Counts&, const Counts&) = default;
    friend std::ostream& operator<<(std::ostream& os, const Counts& counts);
  };

  explicit AddressSpace(const Options& options);
  ~AddressSpace() override;

  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  // Errors of both: what is injected; InvalidArgument for an empty range, one
  // that passes the last address, or memory that is null; AlreadyExists for one
  // that overlaps another, naming both.
  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;

  // The guest's accesses.
  void Read(uint64_t address, absl::Span<uint8_t> bytes);
  void Write(uint64_t address, absl::Span<const uint8_t> bytes);

  // The same with little-endian numbers. T is always spelled out:
  // Write<uint32_t>(address, 1).
  template <std::unsigned_integral T>
  T Read(uint64_t address);
  template <std::unsigned_integral T>
  void Write(uint64_t address, std::type_identity_t<T> value);

  uint32_t Read32(uint64_t address) { return Read<uint32_t>(address); }
  void Write32(uint64_t address, uint32_t value) {
    Write<uint32_t>(address, value);
  }

  // An access of `size` bytes that is under way now and arrives later. Errors:
  // NotFound unless all of it lies in one claim.
  absl::StatusOr<LateAccess> Capture(uint64_t address, uint64_t size);

  Counts counts() const;

 private:
  struct State;
  struct Piece;

  absl::StatusOr<RegistrationPtr> Add(Operation operation, uint64_t base,
                                      uint64_t size, MmioHandler* handler,
                                      uint8_t* data, MemoryAccess access);
  // Byte is uint8_t for a read and const uint8_t for a write.
  template <typename Byte>
  void DoAccess(uint64_t address, absl::Span<Byte> bytes);
  template <typename Byte>
  Piece AccessPiece(uint64_t address, absl::Span<Byte> bytes);

  const Options options_;
  const std::shared_ptr<State> state_;
};

template <std::unsigned_integral T>
T AddressSpace::Read(uint64_t address) {
  std::array<uint8_t, sizeof(T)> bytes;
  Read(address, absl::MakeSpan(bytes));
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(bytes[i]) << (8 * i));
  }
  return value;
}

template <std::unsigned_integral T>
void AddressSpace::Write(uint64_t address, std::type_identity_t<T> value) {
  std::array<uint8_t, sizeof(T)> bytes;
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  Write(address, absl::MakeConstSpan(bytes));
}

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_ADDRESS_SPACE_H_
