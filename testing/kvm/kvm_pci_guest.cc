// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/kvm/kvm_pci_guest.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "core/registers.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kEnable = 0x80000000;
constexpr uint16_t kAddressPort = 0xcf8;
constexpr uint16_t kDataPort = 0xcfc;
constexpr uint32_t kTableEntrySize = 16;

kvm::GsiTable::Config Table(const KvmPciGuest::Options& options) {
  kvm::GsiTable::Config config = kvm::GsiTable::Pc();
  if (options.routes.has_value()) {
    config.max_entries =
        static_cast<uint32_t>(config.pins.size()) + *options.routes;
  }
  return config;
}

}  // namespace

KvmPciGuest::KvmPciGuest(const ServerLink::Options& link,
                         const Options& options)
    : guest_(KvmGuest::Start()),
      vm_(guest_->vm()),
      mapper_(vm_, guest_->slots()),
      doorbells_(vm_),
      routes_(vm_, Table(options)),
      router_(vm_, routes_),
      msi_(vm_),
      executor_(*LoopThread::Start("doorbells")),
      config_({.vectors = options.vectors,
               .access = options.access,
               .limits = options.limits}),
      host_({.mmio = &guest_->memory(),
             .mapper = &mapper_,
             .msi = &msi_,
             .doorbells = options.io_event_fd ? &doorbells_ : nullptr,
             .router = options.irqfd ? &router_ : nullptr,
             .executor = &executor_->loop(),
             .timers = &executor_->loop(),
             .clock = options.clock}) {
  auto joined = JoinedLink::Join(link);
  EXPECT_TRUE(joined.ok()) << joined.status();
  if (!joined.ok()) return;
  link_ = *std::move(joined);
  Plug(PciDevice::Create(config_, link_->link().memory(), host_));
  if (device_ == nullptr) return;
  ports_claim_ = *guest_->ports().Claim(pci::ConfigPorts::kPort,
                                        pci::ConfigPorts::kPorts, ports_);
  EXPECT_EQ(Config(pci::kVendorId), 0x11101af4u);
  SetUp();
}

void KvmPciGuest::Plug(absl::StatusOr<std::unique_ptr<PciDevice>> device) {
  EXPECT_TRUE(device.ok()) << device.status();
  if (!device.ok()) return;
  device_ = *std::move(device);
  function_claim_ =
      *functions_.Claim(0, pci::kEcamFunctionSize, device_->config());
  link_->Attach(device_->device());
}

// As PciDevice's comment has it.
void KvmPciGuest::Unplug() {
  function_claim_ = nullptr;
  functions_.Synchronize();
  device_->Reset();
  guest_->memory().Synchronize();
  link_->Detach();
  device_ = nullptr;
}

void KvmPciGuest::SaveAndRestore() {
  const PciDeviceState state = device_->Save();
  link_->Detach();
  function_claim_ = nullptr;
  device_ = nullptr;
  Plug(PciDevice::Restore(config_, link_->link().memory(), host_, state));
}

void KvmPciGuest::SetUp() {
  MoveBar0(kBar0);
  SetConfig(pci::kBar0 + 4, kBar1);
  SetConfig(pci::kBar0 + 8, kBar2);
  SetConfig(pci::kBar0 + 12, 0);
  SetCommand(kDecodeAndMaster);
  EnableMsix();
  Settle();
}

KvmPciGuest::~KvmPciGuest() {
  if (link_ != nullptr) link_->Detach();
}

uint32_t KvmPciGuest::Config(uint32_t offset, uint32_t size) {
  guest_->Out(kAddressPort, kEnable | (offset & ~3u));
  return guest_->In(static_cast<uint16_t>(kDataPort + offset % 4), size);
}

void KvmPciGuest::SetConfig(uint32_t offset, uint32_t value, uint32_t size) {
  guest_->Out(kAddressPort, kEnable | (offset & ~3u));
  guest_->Out(static_cast<uint16_t>(kDataPort + offset % 4), value, size);
}

void KvmPciGuest::EnableMsix() {
  const int vectors = device_->device().config().vectors;
  for (int v = 0; v < vectors && v < kGuestInterrupts; ++v) {
    const uint32_t entry = kBar1 + kTableEntrySize * static_cast<uint32_t>(v);
    guest_->Write(entry, 0xfee00000);
    guest_->Write(entry + 4, 0);
    guest_->Write(entry + 8, kFirstInterrupt + static_cast<uint32_t>(v));
    guest_->Write(entry + 12, 0);
  }
  SetConfig(pci::kMsixControl, pci::kMsixControlEnable, 2);
}

void KvmPciGuest::MaskVector(int vector, bool masked) {
  guest_->Write(kBar1 + kTableEntrySize * static_cast<uint32_t>(vector) + 12,
                masked ? 1 : 0);
}

void KvmPciGuest::Ring(PeerId peer, Vector vector, uint32_t times) {
  guest_->Write(doorbell(), Doorbell{peer, vector}.Encode(), 4, times);
}

void KvmPciGuest::MoveBar0(uint32_t address) {
  SetConfig(pci::kBar0, address);
  bar0_ = address;
}

uint32_t KvmPciGuest::doorbell() const { return bar0_ + kDoorbellOffset; }

bool KvmPciGuest::Knows(PeerId peer, Vector vector) {
  return Becomes([&] {
    return device_->device().peers().Find({peer, vector}) != nullptr;
  });
}

void KvmPciGuest::Settle() {
  link_->Settle();
  // Work may make more work, once.
  for (int i = 0; i < 2; ++i) {
    absl::Notification done;
    executor_->loop().Run([&] { done.Notify(); });
    done.WaitForNotification();
  }
}

}  // namespace ivshmem
