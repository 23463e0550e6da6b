// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_DEVICE_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_DEVICE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "testing/conformance/model/config_space.h"
#include "testing/conformance/model/facts.h"
#include "testing/conformance/model/msix.h"
#include "testing/conformance/model/registers.h"

namespace ivshmem::conformance {

using Bytes = std::vector<uint8_t>;

// What of a step leaves the device.
struct DeviceEffects {
  std::vector<uint32_t> doorbells;  // What the guest wrote there.
  std::vector<SentMessage> messages;
  int pulses = 0;
};

// One guest's device. A copy of it is a saved state.
class Device {
 public:
  explicit Device(const Facts& facts);

  const Facts& facts() const { return facts_; }
  void SetId(std::optional<uint32_t> id) { registers_.id = id; }

  // The guest's accesses. `memory` is the region's.
  Bytes ReadConfig(uint64_t offset, uint64_t size) const;
  void WriteConfig(uint64_t offset, const Bytes& bytes, DeviceEffects& effects);
  Bytes ReadAddress(uint64_t address, uint64_t size, const Bytes& memory);
  void WriteAddress(uint64_t address, const Bytes& bytes, Bytes& memory,
                    DeviceEffects& effects);

  // Where the guest has the registers (0), MSI-X (1) or the memory (2).
  std::optional<uint64_t> Place(int bar) const;

  const ConfigSpace& config() const { return config_; }
  const Msix& msix() const { return msix_; }
  const Registers& registers() const { return registers_; }

  // A peer interrupts.
  void Interrupt(uint32_t vector, DeviceEffects& effects);
  void Reset();
  // The level of the INTx line.
  bool Line() const;

 private:
  // One of the ranges in the guest's address space, and bytes of it.
  struct Part {
    uint64_t at = 0;  // In the access.
    uint64_t size = 0;
    std::optional<int> bar;  // None: nobody is there.
    uint64_t offset = 0;     // In the BAR.
  };

  std::vector<Part> Split(uint64_t address, uint64_t size) const;
  std::optional<int> BarAt(uint64_t address) const;
  uint64_t SizeOf(int bar) const;
  void FollowConfig();
  bool IsFree(uint64_t address, uint64_t size) const;

  Facts facts_;
  Registers registers_;
  ConfigSpace config_;
  Msix msix_;
  // Where each BAR is by config space, and where the bus lets it be.
  std::array<std::optional<uint64_t>, 3> wanted_;
  std::array<std::optional<uint64_t>, 3> shown_;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_DEVICE_H_
