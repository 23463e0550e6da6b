// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_DEVICE_MODEL_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_DEVICE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::vfio_user {

// A descriptor that is somebody else's, who keeps it open as long as `owner`
// lives.
struct BorrowedFd {
  int fd = -1;
  std::shared_ptr<const void> owner;
};

// The interrupts of a device, each told to the client by an eventfd of his.
//
// Threading: as DeviceModel.
class Interrupts {
 public:
  virtual ~Interrupts() = default;

  // How many of VFIO's kind `irq` (0..4) there are; nullopt for a kind that the
  // device refuses to be asked about.
  virtual std::optional<uint32_t> count(uint32_t irq) const = 0;

  // From now on vectors `start`, `start` + 1... signal `events`. They exist.
  // Errors: InvalidArgument for a descriptor that is no eventfd; nothing has
  // changed then.
  virtual absl::Status SetEvents(uint32_t irq, uint32_t start,
                                 std::vector<UniqueFd> events) = 0;

  // These vectors, which exist, lose their events.
  virtual void DropEvents(uint32_t irq, uint32_t start, uint32_t count) = 0;

  // Signals the vector's event, if it has one, as if the device had.
  virtual void Trigger(uint32_t irq, uint32_t vector) = 0;
};

// A PCI device as vfio-user shows it to a client.
//
// Threading: one call at a time. None may block: a guest waits for the answer.
class DeviceModel {
 public:
  struct Region {
    uint64_t size = 0;  // Bytes; 0: there is no such region.
    // What a client may map instead of sending reads and writes: all of the
    // region, from `fd_offset` of the file on. -1: nothing.
    int fd = -1;
    uint64_t fd_offset = 0;
  };

  // A write of `size` bytes with value `value` at `offset` of a region may be
  // made by signalling an eventfd.
  struct IoEvent {
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t value = 0;
    BorrowedFd event;
  };

  virtual ~DeviceModel() = default;

  // `index` is 0..8, as VFIO numbers them. Constant.
  virtual Region region(uint32_t index) const = 0;

  // An access wholly inside the region, of at least 1 byte.
  virtual void Read(uint32_t region, uint64_t offset,
                    absl::Span<uint8_t> bytes) noexcept = 0;
  virtual void Write(uint32_t region, uint64_t offset,
                     absl::Span<const uint8_t> bytes) noexcept = 0;

  // At most `most` of those that there are now.
  virtual std::vector<IoEvent> IoEvents(uint32_t region, size_t most) = 0;

  virtual Interrupts& interrupts() = 0;

  // As the bus's RST#. Events stay.
  virtual void Reset() = 0;

  // The client is gone, and with him his events. All else stays.
  virtual void ClientLeft() = 0;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_DEVICE_MODEL_H_
