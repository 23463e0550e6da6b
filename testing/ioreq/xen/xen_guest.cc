// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/xen/xen_guest.h"

#include <utility>

#include "bus/pci/config_ports.h"
#include "gtest/gtest.h"

namespace ivshmem {

using xen_simulation::Command;
using xen_simulation::EchoByte;
using xen_simulation::kUnclaimed;
using xen_simulation::Reply;

XenServer::XenServer(SimulatedDomain& domain,
                     const ioreq::Engine::Options& options)
    : hypervisor_(domain.Open()), memory_(*hypervisor_), msi_(*hypervisor_) {
  auto transport = xen::Transport::Open(*hypervisor_);
  EXPECT_TRUE(transport.ok()) << transport.status();
  if (!transport.ok()) return;
  transport_ = *std::move(transport);
  dispatcher_ =
      std::make_unique<ioreq::Dispatcher>(transport_->claims(), &memory_);
  auto engine = ioreq::Engine::Start(*transport_, *dispatcher_, options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  if (engine.ok()) engine_ = *std::move(engine);
}

XenServer::~XenServer() {
  EXPECT_TRUE(engine_ == nullptr || engine_->status().ok());
  engine_ = nullptr;
  claims_.clear();
}

void XenServer::Plug(PciDevice& device, int number) {
  auto claim = space(ioreq::Space::kPciConfig)
                   .Claim(pci::EcamOffset(0, number, 0), pci::kEcamFunctionSize,
                          device.config());
  ASSERT_TRUE(claim.ok()) << claim.status();
  claims_.push_back(*std::move(claim));
}

void EchoDevice::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  for (uint8_t& byte : bytes) byte = EchoByte(offset++);
  ++reads;
}

void EchoDevice::Write(uint64_t offset,
                       absl::Span<const uint8_t> bytes) noexcept {
  for (const uint8_t byte : bytes) {
    if (byte != static_cast<uint8_t>(~EchoByte(offset++))) ++wrong;
  }
  ++writes;
}

XenGuest::XenGuest(int vcpus, const ioreq::Engine::Options& options) {
  auto domain = SimulatedDomain::Start(vcpus);
  EXPECT_TRUE(domain.ok()) << domain.status();
  if (!domain.ok()) return;
  domain_ = *std::move(domain);
  server_ = std::make_unique<XenServer>(*domain_, options);
}

XenGuest::~XenGuest() {
  server_ = nullptr;
  EXPECT_EQ(domain_->Violations(), "");
}

std::vector<RegistrationPtr> XenGuest::ClaimEcho(MmioHandler& handler) {
  struct Place {
    ioreq::Space space;
    uint64_t base;
    uint64_t size;
  };
  std::vector<RegistrationPtr> claims;
  for (const Place& place :
       {Place{ioreq::Space::kMemory, xen_simulation::kEchoMemory, 0x1000},
        Place{ioreq::Space::kPorts, xen_simulation::kEchoPorts, 0x100},
        Place{ioreq::Space::kPciConfig,
              xen_simulation::kEchoFunction * pci::kEcamFunctionSize,
              pci::kEcamFunctionSize}}) {
    auto claim =
        server_->space(place.space).Claim(place.base, place.size, handler);
    EXPECT_TRUE(claim.ok()) << claim.status();
    if (claim.ok()) claims.push_back(*std::move(claim));
  }
  return claims;
}

Reply XenGuest::Do(const ioreq_t& request, int vcpu, int late) {
  return domain_->Call({.kind = Command::kAccess,
                        .server = late,
                        .vcpu = vcpu,
                        .request = request});
}

uint64_t XenGuest::Value(const ioreq_t& request, int vcpu) {
  const Reply reply = Do(request, vcpu);
  if (reply.result == kUnclaimed) {
    return request.size >= 8 ? ~uint64_t{0}
                             : (uint64_t{1} << (8 * request.size)) - 1;
  }
  EXPECT_EQ(reply.result, 0) << domain_->Violations();
  return reply.request.data;
}

uint64_t XenGuest::Read(uint64_t address, uint32_t size, int vcpu) {
  // What nobody fills in would be seen.
  return Value(XenRequest(IOREQ_TYPE_COPY, IOREQ_READ, address, size,
                          0xa5a5a5a5a5a5a5a5),
               vcpu);
}

void XenGuest::Write(uint64_t address, uint64_t value, uint32_t size,
                     int vcpu) {
  Value(XenRequest(IOREQ_TYPE_COPY, IOREQ_WRITE, address, size, value), vcpu);
}

uint64_t XenGuest::In(uint16_t port, uint32_t size) {
  return Value(XenRequest(IOREQ_TYPE_PIO, IOREQ_READ, port, size, 0xa5a5a5a5),
               0);
}

void XenGuest::Out(uint16_t port, uint64_t value, uint32_t size) {
  Value(XenRequest(IOREQ_TYPE_PIO, IOREQ_WRITE, port, size, value), 0);
}

uint32_t XenGuest::Config(int number, uint32_t offset, uint32_t size) {
  return static_cast<uint32_t>(Value(
      XenRequest(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ,
                 uint64_t{8} * static_cast<uint64_t>(number) << 32 | offset,
                 size, 0xa5a5a5a5),
      0));
}

void XenGuest::SetConfig(int number, uint32_t offset, uint32_t value,
                         uint32_t size) {
  Value(XenRequest(IOREQ_TYPE_PCI_CONFIG, IOREQ_WRITE,
                   uint64_t{8} * static_cast<uint64_t>(number) << 32 | offset,
                   size, value),
        0);
}

ioreq_t XenRequest(uint8_t type, uint8_t direction, uint64_t address,
                   uint32_t size, uint64_t data) {
  ioreq_t request = {};
  request.type = type;
  request.dir = direction & 1;
  request.addr = address;
  request.size = size;
  request.count = 1;
  request.data = data;
  return request;
}

}  // namespace ivshmem
