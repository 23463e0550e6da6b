// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_REGISTERS_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_REGISTERS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "testing/conformance/model/facts.h"

namespace ivshmem::conformance {

// The registers of BAR 0 or of the flat block (specification, "PCI device
// registers").
struct Registers {
  Kind kind = Kind::kRevision1;
  Interrupts interrupts = Interrupts::kNone;
  std::optional<uint32_t> id;  // None while nobody has given one.
  uint32_t mask = 0;
  uint32_t status = 0;

  // An access that lies within the block.
  uint64_t Read(uint64_t offset, uint64_t size);
  // Returns what was written to the doorbell, in order.
  std::vector<uint32_t> Write(uint64_t offset, uint64_t size, uint64_t value);

  void Reset();
  // A peer interrupts.
  void Interrupt();
  // Whether the device wants to assert INTx.
  bool Level() const;

 private:
  uint32_t ReadMask() const;
  uint32_t ReadStatus();
  uint32_t Position() const;
  uint32_t ReadRegister(uint64_t offset);
  void WriteRegister(uint64_t offset, uint32_t value,
                     std::vector<uint32_t>& doorbells);
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_REGISTERS_H_
