// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_TAP_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_TAP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem::two_guests {

// A guest's access to a range of a device.
struct Access {
  absl::string_view range;  // "config", "bar0", "registers", ...
  uint64_t offset = 0;
  int size = 0;
  bool is_write = false;
  uint64_t value = 0;  // What was read or is written.
};

// Who watches accesses on their way to a device.
//
// Threading: one thread.
class AccessObserver {
 public:
  virtual ~AccessObserver() = default;

  // A write has come. It reaches the device if this returns true.
  virtual bool OnWrite(const Access& access) = 0;
  // The device has handled a read or a write, with all that followed from it.
  virtual void OnHandled(const Access& access) = 0;
};

// A handler in front of another one that shows an observer what passes.
class Tap : public MmioHandler {
 public:
  // The references outlive the tap.
  Tap(std::string range, MmioHandler& handler, AccessObserver& observer)
      : range_(std::move(range)), handler_(handler), observer_(observer) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  const std::string range_;
  MmioHandler& handler_;
  AccessObserver& observer_;
};

// An address space in front of another one that taps what is claimed.
class TappedSpace : public MmioSpace {
 public:
  // `name` is asked what a range that is claimed at an address is called. The
  // references outlive the space and its claims.
  TappedSpace(MmioSpace& space, AccessObserver& observer,
              std::function<std::string(uint64_t base)> name);

  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;

 private:
  MmioSpace& space_;
  AccessObserver& observer_;
  const std::function<std::string(uint64_t)> name_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_TAP_H_
