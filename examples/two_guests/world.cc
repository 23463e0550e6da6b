// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/world.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "examples/two_guests/guests/cortex_m/board.h"
#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/kvm_x86_machine.h"
#include "examples/two_guests/x86_machine.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "proto/text.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kPage = 4096;

uint8_t* AllocateMemory(uint64_t size) {
  void* memory = std::aligned_alloc(kPage, size);
  if (memory != nullptr) std::memset(memory, 0, size);
  return static_cast<uint8_t*>(memory);
}

auto ReportTo(GuestObserver& observer) {
  return [&observer](uint32_t event, uint32_t argument) {
    observer.OnReport(event, argument);
  };
}

}  // namespace

void World::Free::operator()(uint8_t* memory) const { std::free(memory); }

// Something else on the bus, that the guest must pass over: Intel's 440FX.
World::HostBridge::HostBridge() {
  config_.Set32(0x00, 0x12378086);
  config_.Set32(0x08, 0x06000002);
}

void World::HostBridge::Read(uint64_t offset,
                             absl::Span<uint8_t> bytes) noexcept {
  config_.Read(offset, bytes);
}

absl::StatusOr<std::unique_ptr<World>> World::Create(const Config& config,
                                                     GuestObserver& x86,
                                                     GuestObserver& cortex_m) {
  auto world = absl::WrapUnique(new World(config, x86, cortex_m));
  if (auto status = world->Build(x86, cortex_m); !status.ok()) return status;
  return world;
}

World::World(const Config& config, GuestObserver& x86, GuestObserver& cortex_m)
    : config_(config),
      memory_(AllocateMemory(config.devices.region.size)),
      reports_{ReportDevice(config.messages, ReportTo(x86)),
               ReportDevice(config.messages, ReportTo(cortex_m))} {}

absl::Status World::Build(GuestObserver& x86, GuestObserver& cortex_m) {
  if (memory_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a region of ", memory().size, " bytes"));
  }
  if (auto status =
          switchboard_.AddRegion(config_.devices.region.name, memory());
      !status.ok()) {
    return status;
  }
  if (auto status = BuildX86(x86); !status.ok()) return status;
  if (auto status = BuildCortexM(cortex_m); !status.ok()) return status;
  for (const Side side : {kSideX86, kSideCortexM}) {
    Device& device =
        side == kSideX86 ? pci_device_->device() : flat_device_->device();
    auto port = switchboard_.Bind(
        config_.devices.region.name, memory().size, device,
        side == kSideX86 ? config_.devices.pc_id : config_.devices.board_id);
    if (!port.ok()) return port.status();
    ports_[side] = *std::move(port);
  }
  if (recorder_ != nullptr) recorder_->Start(pci_device_->device());
  if (!config_.short_cuts || helper_ == nullptr) return absl::OkStatus();
  auto carriers =
      EventCarriers::Create(pci_device_->device(), flat_device_->device(),
                            helper_->loop(), [this] { x86_->EndSlice(); });
  if (!carriers.ok()) return carriers.status();
  carriers_ = *std::move(carriers);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PcMachine>> World::MakePc() {
  if (config_.engine == Engine::kUnicorn) {
    return X86Machine::Create(config_.x86_image);
  }
  auto helper = LoopThread::Start("helper");
  if (!helper.ok()) return helper.status();
  helper_ = *std::move(helper);
  return KvmX86Machine::Create(config_.x86_image, helper_->loop());
}

absl::Status World::BuildX86(GuestObserver& observer) {
  auto machine = MakePc();
  if (!machine.ok()) return machine.status();
  x86_ = *std::move(machine);

  x86_mmio_ = std::make_unique<TappedSpace>(
      x86_->mmio(), observer, [this](uint64_t base) { return BarName(base); });
  MmioSpace* mmio = x86_mmio_.get();
  DeviceEvents* events = &observer;
  if (config_.record) {
    if (auto status = BuildRecorder(observer); !status.ok()) return status;
    mmio = recorded_mmio_.get();
    events = recorder_.get();
  }
  // No executor: what the machine does not run meanwhile does not wait for it.
  const bool short_cuts = config_.short_cuts;
  auto* doorbells = short_cuts ? x86_->doorbells() : nullptr;
  auto* router = short_cuts ? x86_->router() : nullptr;
  auto device = PciDevice::Create(config_.devices.pc.device, memory(),
                                  {.mmio = mmio,
                                   .mapper = &x86_->memory(),
                                   .msi = &x86_->msi(),
                                   .doorbells = doorbells,
                                   .router = router,
                                   .events = events});
  if (!device.ok()) return device.status();
  pci_device_ = *std::move(device);

  MmioHandler* config = &pci_device_->config();
  if (recorder_ != nullptr) {
    recorded_config_ = recorder_->Wrap(script::Access::kConfig, *config);
    config = recorded_config_.get();
  }
  config_tap_ = std::make_unique<Tap>("config", *config, observer);
  const PciDeviceConfig& at = config_.devices.pc;
  absl::StatusOr<RegistrationPtr> claims[] = {
      functions_.Claim(0, pci::kEcamFunctionSize, host_bridge_),
      functions_.Claim(pci::EcamOffset(0, at.slot, at.function),
                       pci::kEcamFunctionSize, *config_tap_),
      x86_->ports().Claim(pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts,
                          config_ports_),
      x86_->ports().Claim(X86_REPORT_PORT, kReportSize, reports_[kSideX86])};
  for (absl::StatusOr<RegistrationPtr>& claim : claims) {
    if (!claim.ok()) return claim.status();
    x86_claims_.push_back(*std::move(claim));
  }
  return absl::OkStatus();
}

absl::Status World::BuildRecorder(GuestObserver& observer) {
  config::World world;
  if (auto status = ParseText(config_.devices.text, world); !status.ok()) {
    return status;
  }
  recorder_ = std::make_unique<script::Recorder>(
      world, config_.devices.pc_name,
      script::Recorder::Options{.next = &observer});
  recorded_mmio_ = std::make_unique<script::RecordedSpace>(
      *x86_mmio_, *recorder_, [this](uint64_t base) {
        return pci_device_->function().BarAddress(PciDevice::kRegisterBar) ==
                       base
                   ? script::Access::kRegisters
                   : script::Access::kMsix;
      });
  return absl::OkStatus();
}

absl::Status World::BuildCortexM(GuestObserver& observer) {
  auto machine = CortexMMachine::Create(config_.cortex_m_image);
  if (!machine.ok()) return machine.status();
  cortex_m_ = *std::move(machine);

  cortex_m_mmio_ = std::make_unique<TappedSpace>(
      cortex_m_->mmio(), observer, [](uint64_t) { return "registers"; });
  auto device = FlatDevice::Create(
      config_.devices.board.device, memory(),
      {.mmio = cortex_m_mmio_.get(),
       .mapper = &cortex_m_->memory(),
       .irq = &cortex_m_->irq(static_cast<int>(*config_.devices.board.irq)),
       .events = &observer});
  if (!device.ok()) return device.status();
  flat_device_ = *std::move(device);

  auto report = cortex_m_->mmio().Claim(CORTEX_M_REPORT_ADDRESS, kReportSize,
                                        reports_[kSideCortexM]);
  if (!report.ok()) return report.status();
  cortex_m_claim_ = *std::move(report);
  return absl::OkStatus();
}

std::string World::BarName(uint64_t base) const {
  for (int bar = 0; bar < pci::kBars; ++bar) {
    if (pci_device_->function().BarAddress(bar) == base) {
      return absl::StrCat("bar", bar);
    }
  }
  return "bar?";
}

Machine& World::machine(Side side) {
  if (side == kSideX86) return *x86_;
  return *cortex_m_;
}

void World::Deliver() {
  if (carriers_ != nullptr) carriers_->Deliver();
}

}  // namespace ivshmem::two_guests
