// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/mock/recorders.h"
#include "testing/ioreq/xen/simulated_domain.h"
#include "testing/ioreq/xen/wire.h"
#include "testing/ioreq/xen/xen_guest.h"
#include "testing/ways/way_out.h"

namespace ivshmem {
namespace {

constexpr int kDevice = 3;

// Xen sends messages. What a device writes elsewhere, it keeps itself.
class Sink : public pci::MsiSink {
 public:
  explicit Sink(pci::MsiSink& xen) : xen_(xen) {}

  void Send(const pci::MsiMessage& message) noexcept override {
    constexpr uint64_t kWindow = 0xfee00000;
    constexpr uint64_t kWindowSize = 1 << 20;
    if (message.address - kWindow < kWindowSize) {
      xen_.Send(message);
    } else {
      others_.Send(message);
    }
  }
  std::vector<pci::MsiMessage> TakeOthers() { return others_.Take(); }

 private:
  pci::MsiSink& xen_;
  mock::MsiRecorder others_;
};

class XenWayOut : public WayOut {
 public:
  MmioSpace& memory() override {
    return guest_.server().space(ioreq::Space::kMemory);
  }
  void PlugIn(PciDevice& device) override {
    guest_.server().Plug(device, kDevice);
  }
  // Claims go with the server, which the device's own outlive.
  void StopServing() override { guest_.server().Stop(); }

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

  pci::MsiSink& msi() override { return sink_; }
  std::vector<pci::MsiMessage> TakeMessages() override {
    std::vector<pci::MsiMessage> messages = sink_.TakeOthers();
    while (true) {
      const xen_simulation::Reply reply =
          guest_.domain().Call({.kind = xen_simulation::Command::kTakeMessage});
      if (reply.value == 0) return messages;
      messages.push_back(
          {.address = reply.a, .data = static_cast<uint32_t>(reply.b)});
    }
  }

 private:
  XenGuest guest_;
  Sink sink_{guest_.server().msi()};
};

}  // namespace

std::unique_ptr<WayOut> MakeXenWayOut() {
  return std::make_unique<XenWayOut>();
}

}  // namespace ivshmem
