// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_CONFIG_SPACE_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_CONFIG_SPACE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "testing/conformance/model/facts.h"

namespace ivshmem::conformance {

// Config space of a type-0 function (PCI Local Bus 3.0, chapter 6) that is the
// ivshmem device.
class ConfigSpace {
 public:
  // As it is after reset, and as firmware left it if that has been there.
  explicit ConfigSpace(const Facts& facts);

  // Byte `offset` of the bus's 256; there are none beyond. `intx_wanted` is
  // what the device behind would like the pin to be.
  uint8_t Read(uint64_t offset, bool intx_wanted) const;
  void Write(uint64_t offset, uint8_t value);

  // BARs 0, 1 and 2 are those that may exist.
  uint64_t BarSize(int bar) const { return bar_sizes_[bar]; }
  // Where software has the BAR decoded; nullopt when it is not.
  std::optional<uint64_t> BarAddress(int bar) const;

  bool Decodes() const { return Get(0x04, 2) & 0x2; }
  bool BusMaster() const { return Get(0x04, 2) & 0x4; }
  bool IntxDisabled() const { return Get(0x04, 2) & 0x400; }
  bool MsixEnabled() const;
  bool MsixFunctionMasked() const;

  // As firmware does when it places the BARs that config.proto names.
  void PlaceByFirmware(const Facts& facts);

 private:
  void Set(int offset, int size, uint64_t value);
  void LetWrite(int offset, int size, uint64_t bits);
  uint64_t Get(int offset, int size) const;

  void Identify(const Facts& facts);
  void LayOutBar(int bar, uint64_t size, uint32_t type);
  void AddMsix(const Facts& facts);
  bool Is64Bit(int bar) const { return bar == 2; }

  std::array<uint8_t, 256> bytes_ = {};
  std::array<uint8_t, 256> writable_ = {};
  std::array<uint64_t, 3> bar_sizes_ = {};
  bool msix_ = false;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_CONFIG_SPACE_H_
