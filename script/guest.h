// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_GUEST_H_
#define IVSHMEM_SCRIPT_GUEST_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/mock/accelerator.h"
#include "backends/mock/address_space.h"
#include "backends/mock/executor.h"
#include "backends/mock/recorders.h"
#include "backends/mock/router.h"
#include "backends/mock/timers.h"
#include "core/device.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "proto/config.h"
#include "proto/device_state.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"
#include "script/carriers.h"

namespace ivshmem::script {

// A guest with its device, which can be unplugged and plugged in, on a host in
// memory.
//
// Threading: one thread.
class Guest {
 public:
  // What is named outlives the object. The device is not plugged in yet.
  Guest(const DeviceConfig& config, const SharedMemory& memory,
        Carriers& carriers, Acceleration acceleration);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // A new device. Errors: its own.
  absl::Status Plug();
  void Unplug();

  // Of the device that is plugged in.
  SavedDevice Save();
  // Whether such a device may have been in `state`. Errors: the device's own,
  // or InvalidArgument for one of the other kind.
  absl::Status CheckState(const SavedDevice& state) const;
  // The device that `state` was saved of; none is plugged in. Errors: as
  // CheckState().
  absl::Status Restore(const SavedDevice& state);

  const DeviceConfig& config() const { return config_; }

  // Null while there is none.
  Device* device();
  // Of the device that is plugged in, for those who ring it.
  const Vectors& vectors() const { return vectors_; }

  // Errors: InvalidArgument for a place that such a device does not have.
  absl::StatusOr<uint64_t> Read(const Access& access);
  absl::Status Write(const Access& access);

  void Reset();
  void Interrupt(Vector vector);

  // Runs what the host has been left to do. False when there was nothing.
  bool Settle() { return executor_.RunAll() != 0; }

  // Adds what the host saw since the last time.
  void TakeEffects(Effects& effects);

 private:
  absl::Status CheckAccess(const Access& access) const;
  // In the guest's address space; nullopt when it is nowhere.
  std::optional<uint64_t> Address(const Access& access) const;
  std::optional<uint64_t> Base(const Access& access) const;

  PciDevice::Host PciHost();
  FlatDevice::Host FlatHost();
  void MakeVectors();

  bool accelerated() const { return acceleration_ != Acceleration::kNone; }

  const DeviceConfig& config_;
  const SharedMemory memory_;
  Carriers& carriers_;
  const Acceleration acceleration_;

  mock::MsiRecorder msi_;
  mock::LineRecorder line_;
  mock::PulseRecorder pulse_;
  mock::Accelerator accelerator_;
  mock::Router router_;
  mock::AddressSpace space_;
  mock::Executor executor_;
  mock::Timers timers_;  // By which no time passes.
  bool line_seen_ = false;

  std::unique_ptr<PciDevice> pci_;
  std::unique_ptr<FlatDevice> flat_;
  Vectors vectors_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_GUEST_H_
