// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "testing/ioreq/acrn/acrn_guest.h"
#include "testing/ways/way_out.h"

namespace ivshmem {
namespace {

constexpr int kDevice = 3;

class AcrnWayOut : public WayOut {
 public:
  MmioSpace& memory() override {
    return guest_.dispatcher().space(ioreq::Space::kMemory);
  }
  void PlugIn(PciDevice& device) override { guest_.Plug(device, kDevice); }
  void StopServing() override { guest_.StopServing(); }

  uint64_t Read(uint64_t address, uint32_t size) override {
    return guest_.Read(address, size);
  }
  void Write(uint64_t address, uint64_t value, uint32_t size) override {
    guest_.Write(address, value, size);
  }
  uint32_t ReadConfig(uint32_t offset, uint32_t size) override {
    return guest_.Config(kDevice, offset, size);
  }
  void WriteConfig(uint32_t offset, uint32_t value, uint32_t size) override {
    guest_.SetConfig(kDevice, offset, value, size);
  }

  pci::MsiSink& msi() override { return guest_.msi(); }
  std::vector<pci::MsiMessage> TakeMessages() override {
    return guest_.TakeMessages();
  }

 private:
  AcrnGuest guest_{AcrnGuest::Options{}};
};

}  // namespace

std::unique_ptr<WayOut> MakeAcrnWayOut() {
  return std::make_unique<AcrnWayOut>();
}

}  // namespace ivshmem
