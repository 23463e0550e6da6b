// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <linux/kvm.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "backends/address_map.h"
#include "backends/kvm/exits.h"
#include "backends/mock/recorders.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/ways/way_out.h"

namespace ivshmem {
namespace {

constexpr uint32_t kDevice = 3;

class KvmWayOut : public WayOut {
 public:
  KvmWayOut()
      : config_ports_(functions_),
        ports_(*guest_->ports().Claim(
            pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts, config_ports_)) {
  }

  MmioSpace& memory() override { return guest_->memory(); }

  void PlugIn(PciDevice& device) override {
    config_ = *functions_.Claim(pci::EcamOffset(0, kDevice, 0),
                                pci::kEcamFunctionSize, device.config());
  }
  void StopServing() override { config_ = nullptr; }

  uint64_t Read(uint64_t address, uint32_t size) override {
    if (Reaches(address, size)) {
      return guest_->Read(static_cast<uint32_t>(address), size);
    }
    return Exit(address, size, /*write=*/false, 0);
  }
  void Write(uint64_t address, uint64_t value, uint32_t size) override {
    if (Reaches(address, size)) {
      guest_->Write(static_cast<uint32_t>(address),
                    static_cast<uint32_t>(value), size);
    } else {
      Exit(address, size, /*write=*/true, value);
    }
  }

  uint32_t ReadConfig(uint32_t offset, uint32_t size) override {
    return guest_->In(Select(offset), size);
  }
  void WriteConfig(uint32_t offset, uint32_t value, uint32_t size) override {
    guest_->Out(Select(offset), value, size);
  }

  pci::MsiSink& msi() override { return msi_; }
  std::vector<pci::MsiMessage> TakeMessages() override { return msi_.Take(); }

 private:
  static bool Reaches(uint64_t address, uint32_t size) {
    return size <= 4 && address <= std::numeric_limits<uint32_t>::max() - size;
  }

  uint64_t Exit(uint64_t address, uint32_t size, bool write, uint64_t value) {
    kvm_run run = {};
    run.mmio.phys_addr = address;
    run.mmio.len = size;
    run.mmio.is_write = write ? 1 : 0;
    std::memcpy(run.mmio.data, &value, sizeof(value));
    kvm::HandleMmio(run, guest_->memory());
    std::memcpy(&value, run.mmio.data, sizeof(value));
    return value;
  }

  // The data port of the register.
  uint16_t Select(uint32_t offset) {
    guest_->Out(0xcf8, 0x80000000 | kDevice << 11 | (offset & ~3u));
    return static_cast<uint16_t>(0xcfc + offset % 4);
  }

  const std::unique_ptr<KvmGuest> guest_ = KvmGuest::Start();
  mock::MsiRecorder msi_;
  AddressMap functions_;
  pci::ConfigPorts config_ports_;
  const RegistrationPtr ports_;
  RegistrationPtr config_;
};

}  // namespace

std::unique_ptr<WayOut> MakeKvmWayOut() {
  return std::make_unique<KvmWayOut>();
}

}  // namespace ivshmem
