// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_IVSHMEM_MODEL_H_
#define IVSHMEM_BACKENDS_VFIO_USER_IVSHMEM_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/bar_handlers.h"
#include "backends/vfio_user/client_config.h"
#include "backends/vfio_user/file_block.h"
#include "backends/vfio_user/protocol/device_model.h"
#include "backends/vfio_user/vector_events.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bars.h"
#include "core/device.h"
#include "core/events.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "device/pci_device_state.h"

namespace ivshmem::vfio_user {

// The ivshmem device for a vfio-user client: BAR0, BAR1 and config space by
// requests, BAR2 mapped from the memory's descriptor. Made of a PciDevice and
// what any VMM gives one.
//
// Interrupts: clients keep the MSI-X table to themselves and say only which
// vectors signal which eventfd. So it is this that writes the function's table:
// a vector with an eventfd is unmasked, one without is masked; what comes for
// it is pending, shows in the PBA, and is signalled when an eventfd comes. (A
// client signals what its guest has masked itself.) The table that a client
// sees in BAR1 reads as zeros and is not written.
//
// Threading: as DeviceModel, on one thread; but device() as Device says, and
// peers may ring it from any thread. Made anywhere.
class IvshmemModel : public DeviceModel, private Interrupts {
 public:
  struct Memory {
    SharedMemory view;
    int fd = -1;  // The same memory, from the file's beginning.
    // Whether nobody can shrink the file. Where somebody can, this process
    // touches the mapping never (SIGBUS).
    bool sealed = false;
  };

  // Sees the accesses on their way to the device, as a recorder.
  class Observer {
   public:
    virtual ~Observer() = default;
    // Before all else.
    virtual void Start(Device& device) = 0;
    // What is to be called in the stead of `handler`, which answers for that
    // region (VFIO's number). Lives as long as the observer.
    virtual MmioHandler& Wrap(uint32_t region, MmioHandler& handler) = 0;
  };

  struct Options {
    // `interrupts` is kMsix or kNone.
    PciDevice::Config device;
    // Both may be null, and outlive the model. A device that is restored has
    // no observer.
    DeviceEvents* events = nullptr;
    Observer* observer = nullptr;
  };

  // `memory` outlives the model. Errors: InvalidArgument that names the field:
  // PciDevice's, and memory that is no multiple of the page, which clients
  // would map with what is behind it.
  static absl::StatusOr<std::unique_ptr<IvshmemModel>> Create(
      const Options& options, const Memory& memory);

  // The device that `state` was saved of, here or in another VMM. Its vectors
  // wait for a client's eventfds. Errors: as Create(), and
  // PciDevice::Restore()'s.
  static absl::StatusOr<std::unique_ptr<IvshmemModel>> Restore(
      const Options& options, const Memory& memory,
      const PciDeviceState& state);

  // For a ServerLink.
  Device& device() { return pci_->device(); }

  // See PciDevice::Save(); config space as the client sees it.
  PciDeviceState Save() const;

  // DeviceModel
  Region region(uint32_t index) const override;
  void Read(uint32_t region, uint64_t offset,
            absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint32_t region, uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;
  // A doorbell's value for each pair of peer and vector that can be rung now.
  // It is of this moment: a client that asked before a peer left and another
  // came under its id rings the one that left, until it asks again.
  std::vector<IoEvent> IoEvents(uint32_t region, size_t most) override;
  Interrupts& interrupts() override { return *this; }
  void Reset() override;
  void ClientLeft() override;

 private:
  static constexpr size_t kBars = BarHandlers::kBars;

  IvshmemModel(const Options& options, const Memory& memory, int vectors);
  static absl::StatusOr<std::unique_ptr<IvshmemModel>> Make(
      const Options& options, const Memory& memory,
      const PciDeviceState* state);

  // Interrupts
  std::optional<uint32_t> count(uint32_t irq) const override;
  absl::Status SetEvents(uint32_t irq, uint32_t start,
                         std::vector<UniqueFd> events) override;
  void DropEvents(uint32_t irq, uint32_t start, uint32_t count) override;
  void Trigger(uint32_t irq, uint32_t vector) override;

  // Of a function that is new or was reset.
  void Place();
  // Writes the vector's entry in the function's table.
  void Mask(int vector, bool masked);
  // What answers there; null for nothing.
  MmioHandler* Handler(uint32_t region, uint64_t offset);
  MmioHandler* Observed(uint32_t bar);

  const Memory memory_;
  const int vectors_;
  const pci::BarSpecs specs_;
  Observer* const observer_;
  BarHandlers bars_;
  VectorEvents events_;
  FileBlock file_;
  ClientConfig config_;
  std::array<MmioHandler*, kBars> observed_ = {};
  std::unique_ptr<PciDevice> pci_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_IVSHMEM_MODEL_H_
