// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_DEVICE_RECORDING_H_
#define IVSHMEM_TOOLS_IVSHMEM_DEVICE_RECORDING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/protocol/wire.h"
#include "bus/mmio_handler.h"
#include "core/device.h"
#include "device/pci_device.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/recorder.h"
#include "script/text.h"

namespace ivshmem::tool {

// A Script of what happens to a device that is served.
//
// Threading: as script::Recorder.
class DeviceRecording : public vfio_user::IvshmemModel::Observer {
 public:
  explicit DeviceRecording(const config::World& world)
      : recorder_(world, world.devices(0).name(), {}) {}

  DeviceEvents& events() { return recorder_; }
  std::string Text() const { return script::PrintScript(recorder_.script()); }
  uint64_t dropped() const { return recorder_.dropped(); }

  void Start(Device& device) override { recorder_.Start(device); }

  MmioHandler& Wrap(uint32_t region, MmioHandler& handler) override {
    wrapped_.push_back(recorder_.Wrap(PlaceOf(region), handler));
    return *wrapped_.back();
  }

 private:
  static script::Access::PlaceCase PlaceOf(uint32_t region) {
    switch (region) {
      case PciDevice::kRegisterBar:
        return script::Access::kRegisters;
      case PciDevice::kMsixBar:
        return script::Access::kMsix;
      case PciDevice::kMemoryBar:
        return script::Access::kMemory;
      default:
        return script::Access::kConfig;
    }
  }

  script::Recorder recorder_;
  std::vector<std::unique_ptr<MmioHandler>> wrapped_;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_DEVICE_RECORDING_H_
