// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_SPACE_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_SPACE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/address_map.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem::acrn {

// Memory or I/O ports of a VM, for devices inside the hypervisor whose ranges
// come and go as the guest moves BARs: in windows, which are ranges of the
// front's and so are there before the VM is launched.
//
// An access to memory in a window is answered when all of it is claimed, is
// -EIO when a part of it is, and goes on to a device model when none is. Ports
// in a window are the hypervisor's alone: what is not wholly claimed reads ones
// and writes nothing.
//
// Threading: as EmulationRanges until the VM is launched, and as AddressMap.
class FrontSpace : public MmioSpace {
 public:
  enum class Kind : uint8_t { kMemory, kPorts };

  // `ranges` calls this object as long as the VM runs.
  FrontSpace(EmulationRanges& ranges, Kind kind)
      : ranges_(ranges), kind_(kind) {}

  // Errors: as of RegisterMmio() and RegisterPorts(); InvalidArgument for a
  // window past the last address.
  absl::Status AddWindow(uint64_t base, uint64_t size);

  // Errors: InvalidArgument for what does not lie in one window; and
  // AddressMap's.
  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;

  // AddressMap::Synchronize().
  void Synchronize() { map_.Synchronize(); }

 private:
  struct Window {
    uint64_t base;
    uint64_t size;
  };

  static int OnMmio(acrn_io_request& request, void* self);
  static uint32_t OnPortRead(uint16_t port, int size, void* self);
  static void OnPortWrite(uint16_t port, int size, uint32_t value, void* self);

  EmulationRanges& ranges_;
  const Kind kind_;
  std::vector<Window> windows_;
  AddressMap map_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_SPACE_H_
