// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/acrn_guest.h"

#include <cstring>
#include <utility>

#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using acrn_simulation::Command;
using acrn_simulation::Reply;

constexpr uint16_t kDecodeAndMaster =
    pci::kCommandMemorySpace | pci::kCommandBusMaster;
constexpr uint64_t kEntrySize = 16;

}  // namespace

AcrnGuest::AcrnGuest(const Options& options) : options_(options) {
  auto vm = SimulatedVm::Start(options.vcpus);
  EXPECT_TRUE(vm.ok()) << vm.status();
  if (!vm.ok()) return;
  vm_ = *std::move(vm);
  msi_.emplace(*vm_);
  router_.emplace(*vm_);
  doorbells_.emplace(*vm_);
  segments_.emplace(*vm_);
  dispatcher_ = std::make_unique<ioreq::Dispatcher>(nullptr, nullptr);
  Serve();
}

AcrnGuest::~AcrnGuest() {
  StopServing();
  EXPECT_EQ(vm_->Violations(), "");
}

void AcrnGuest::Serve() {
  auto transport = acrn::Transport::Create(
      *vm_, {.vmid = 3, .vcpus = options_.vcpus, .page = vm_->page()});
  ASSERT_TRUE(transport.ok()) << transport.status();
  transport_ = *std::move(transport);
  auto engine =
      ioreq::Engine::Start(*transport_, *dispatcher_, options_.engine);
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
}

void AcrnGuest::StopServing() {
  engine_ = nullptr;
  transport_ = nullptr;
}

void AcrnGuest::Plug(PciDevice& device, int number) {
  const uint64_t offset = pci::EcamOffset(0, number, 0);
  for (const auto& [space, base] :
       {std::pair(ioreq::Space::kPciConfig, offset),
        std::pair(ioreq::Space::kMemory, kEcam + offset)}) {
    auto claim = dispatcher_->space(space).Claim(base, pci::kEcamFunctionSize,
                                                 device.config());
    ASSERT_TRUE(claim.ok()) << claim.status();
    claims_.push_back(*std::move(claim));
  }
}

acrn_io_request AcrnGuest::Do(acrn_io_request request, int vcpu) {
  Command command = {.kind = Command::kAccess,
                     .vcpu = static_cast<uint32_t>(vcpu),
                     .flag = options_.polling ? 1u : 0u};
  std::memcpy(command.data, &request, sizeof(request));
  const Reply reply = vm_->Call(command);
  EXPECT_EQ(reply.result, 0) << vm_->Violations();
  std::memcpy(&request, reply.data, sizeof(request));
  return request;
}

uint64_t AcrnGuest::Read(uint64_t address, uint64_t size, int vcpu) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_MMIO;
  request.reqs.mmio_request.address = address;
  request.reqs.mmio_request.size = size;
  // What nobody fills in would be seen.
  request.reqs.mmio_request.value = 0xa5a5a5a5a5a5a5a5;
  return Do(request, vcpu).reqs.mmio_request.value;
}

void AcrnGuest::Write(uint64_t address, uint64_t value, uint64_t size,
                      int vcpu) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_MMIO;
  request.reqs.mmio_request.direction = ACRN_IOREQ_DIR_WRITE;
  request.reqs.mmio_request.address = address;
  request.reqs.mmio_request.size = size;
  request.reqs.mmio_request.value = value;
  Do(request, vcpu);
}

uint32_t AcrnGuest::In(uint16_t port, uint64_t size) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PORTIO;
  request.reqs.pio_request.address = port;
  request.reqs.pio_request.size = size;
  request.reqs.pio_request.value = 0xa5a5a5a5;
  return Do(request).reqs.pio_request.value;
}

void AcrnGuest::Out(uint16_t port, uint32_t value, uint64_t size) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PORTIO;
  request.reqs.pio_request.direction = ACRN_IOREQ_DIR_WRITE;
  request.reqs.pio_request.address = port;
  request.reqs.pio_request.size = size;
  request.reqs.pio_request.value = value;
  Do(request);
}

uint32_t AcrnGuest::Config(int number, uint32_t offset, uint32_t size) {
  Out(0xcf8, 0x80000000 | static_cast<uint32_t>(number) << 11 | (offset & ~3u));
  return In(static_cast<uint16_t>(0xcfc + offset % 4), size);
}

void AcrnGuest::SetConfig(int number, uint32_t offset, uint32_t value,
                          uint32_t size) {
  Out(0xcf8, 0x80000000 | static_cast<uint32_t>(number) << 11 | (offset & ~3u));
  Out(static_cast<uint16_t>(0xcfc + offset % 4), value, size);
}

std::vector<pci::MsiMessage> AcrnGuest::TakeMessages() {
  const Reply reply = vm_->Call({.kind = Command::kTakeMessages});
  EXPECT_LE(reply.value, sizeof(reply.data) / sizeof(acrn_msi_entry));
  std::vector<pci::MsiMessage> messages;
  for (uint64_t i = 0; i < reply.value && i < 16; ++i) {
    acrn_msi_entry entry;
    std::memcpy(&entry, reply.data + i * sizeof(entry), sizeof(entry));
    messages.push_back({.address = entry.msi_addr,
                        .data = static_cast<uint32_t>(entry.msi_data)});
  }
  return messages;
}

AcrnDevice::AcrnDevice(AcrnGuest& guest, int number, const SharedMemory& memory,
                       PciDevice::Host host)
    : guest_(guest), number_(number) {
  host.mmio = &guest.dispatcher().space(ioreq::Space::kMemory);
  host.msi = &guest.msi();
  auto device = PciDevice::Create(
      {.dialect = kAcrn, .subsystem_id = 7, .multi_function = true}, memory,
      host);
  EXPECT_TRUE(device.ok()) << device.status();
  if (!device.ok()) return;
  pci_ = *std::move(device);
  guest.Plug(*pci_, number);
}

void AcrnDevice::PlaceBars() {
  guest_.SetConfig(number_, pci::kBar0, static_cast<uint32_t>(bar0()));
  guest_.SetConfig(number_, pci::kBar0 + 4, static_cast<uint32_t>(bar1()));
  guest_.SetConfig(number_, pci::kBar0 + 8, static_cast<uint32_t>(bar2()));
  guest_.SetConfig(number_, pci::kBar0 + 12,
                   static_cast<uint32_t>(bar2() >> 32));
  guest_.SetConfig(number_, pci::kCommand, kDecodeAndMaster, 2);
}

pci::MsiMessage AcrnDevice::Message(int vector) const {
  return {.address = 0xfee00000,
          .data = static_cast<uint32_t>(0x20 + 16 * number_ + vector)};
}

void AcrnDevice::EnableMsix() {
  for (int v = 0; v < device().config().vectors; ++v) {
    const uint64_t entry = bar1() + kEntrySize * static_cast<uint64_t>(v);
    guest_.Write(entry, Message(v).address, 8);
    guest_.Write(entry + 8, Message(v).data);
    MaskVector(v, false);
  }
  guest_.SetConfig(number_, pci::kMsixControl, pci::kMsixControlEnable, 2);
}

void AcrnDevice::MaskVector(int vector, bool masked) {
  guest_.Write(bar1() + kEntrySize * static_cast<uint64_t>(vector) + 12,
               masked ? 1 : 0);
}

uint32_t AcrnDevice::Register(uint64_t offset, int vcpu) {
  return static_cast<uint32_t>(guest_.Read(bar0() + offset, 4, vcpu));
}

void AcrnDevice::Ring(PeerId peer, Vector vector, int vcpu) {
  guest_.Write(bar0() + kDoorbellOffset, Doorbell{peer, vector}.Encode(), 4,
               vcpu);
}

}  // namespace ivshmem
