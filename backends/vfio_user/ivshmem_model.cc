// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/ivshmem_model.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "backends/linux/event_fd.h"
#include "backends/vfio_user/protocol/wire.h"
#include "bus/access.h"
#include "bus/pci/msix.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/peer_table.h"
#include "core/registers.h"

namespace ivshmem::vfio_user {
namespace {

constexpr uint64_t kConfigSize = 256;
constexpr uint64_t kEntrySize = 16;
constexpr uint32_t kMasked = 1;  // In an entry's control.

absl::Status Check(const IvshmemModel::Options& options,
                   const IvshmemModel::Memory& memory, bool restored) {
  const PciDevice::Config& config = options.device;
  if (restored && options.observer != nullptr) {
    return absl::InvalidArgumentError(
        "observer: expected none of a device that is restored, got one");
  }
  if (config.interrupts != InterruptMode::kMsix &&
      config.interrupts != InterruptMode::kNone) {
    return absl::InvalidArgumentError(
        "interrupts: expected MSI-X or none of a device for vfio-user, got "
        "INTx or a line");
  }
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (memory.view.size % page != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory.size: expected a multiple of the page (%d), got %d", page,
        memory.view.size));
  }
  return absl::OkStatus();
}

int VectorsOf(const PciDevice::Config& config) {
  if (config.interrupts == InterruptMode::kNone) return 0;
  return config.vectors != 0 ? config.vectors : config.dialect.default_vectors;
}

// The BARs that the device is made with.
pci::BarSpecs Bars(const PciDevice::Config& config, uint64_t memory_size,
                   int vectors) {
  pci::BarSpecs bars;
  bars[PciDevice::kRegisterBar] =
      pci::BarSpec{.size = config.dialect.block_size};
  if (vectors != 0) {
    bars[PciDevice::kMsixBar] =
        pci::BarSpec{.size = pci::MsixLayout::For(vectors).bar_size};
  }
  bars[PciDevice::kMemoryBar] =
      pci::BarSpec{.size = memory_size, .is_64bit = true, .prefetchable = true};
  return bars;
}

// What the BARs' registers hold, so that the BARs are where BarHandlers has
// them.
std::array<uint32_t, pci::kBars> Registers(const pci::BarSpecs& bars,
                                           uint64_t memory_size) {
  const auto addresses = BarHandlers::Addresses(memory_size);
  std::array<uint32_t, pci::kBars> registers = {};
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (!bars[i].has_value()) continue;
    registers[i] = static_cast<uint32_t>(addresses[i]);
    if (bars[i]->is_64bit) {
      registers[i + 1] = static_cast<uint32_t>(addresses[i] >> 32);
    }
  }
  return registers;
}

// The state of a device here, of one that was elsewhere: its vectors are
// masked until a client gives them events.
pci::MsixState Masked(pci::MsixState vectors) {
  for (size_t i = 0; i < vectors.size(); ++i) {
    const pci::MsiMessage message =
        VectorEvents::MessageOf(static_cast<int>(i));
    vectors[i].address = message.address;
    vectors[i].data = message.data;
    vectors[i].control = kMasked;
  }
  return vectors;
}

}  // namespace

absl::StatusOr<std::unique_ptr<IvshmemModel>> IvshmemModel::Create(
    const Options& options, const Memory& memory) {
  return Make(options, memory, nullptr);
}

absl::StatusOr<std::unique_ptr<IvshmemModel>> IvshmemModel::Restore(
    const Options& options, const Memory& memory, const PciDeviceState& state) {
  return Make(options, memory, &state);
}

IvshmemModel::IvshmemModel(const Options& options, const Memory& memory,
                           int vectors)
    : memory_(memory),
      vectors_(vectors),
      specs_(Bars(options.device, memory.view.size, vectors)),
      observer_(options.observer),
      bars_(BarHandlers::Addresses(memory.view.size)),
      events_(vectors),
      file_(memory.fd),
      config_(specs_, Registers(specs_, memory.view.size)) {}

absl::StatusOr<std::unique_ptr<IvshmemModel>> IvshmemModel::Make(
    const Options& options, const Memory& memory, const PciDeviceState* state) {
  absl::Status status = Check(options, memory, state != nullptr);
  if (!status.ok()) return status;
  auto model = absl::WrapUnique(
      new IvshmemModel(options, memory, VectorsOf(options.device)));
  PciDevice::Config config = options.device;
  config.bar_addresses = {};
  const PciDevice::Host host = {
      .mmio = &model->bars_, .msi = &model->events_, .events = options.events};
  absl::StatusOr<std::unique_ptr<PciDevice>> pci;
  if (state == nullptr) {
    pci = PciDevice::Create(config, memory.view, host);
  } else {
    PciDeviceState here = *state;
    status = model->config_.Import(here.function);
    if (!status.ok()) return status;
    here.function.msix = Masked(std::move(here.function.msix));
    here.hidden_bars = {};
    pci = PciDevice::Restore(config, memory.view, host, here);
  }
  if (!pci.ok()) return pci.status();
  model->pci_ = *std::move(pci);
  MmioHandler* config_space = &model->pci_->config();
  if (model->observer_ != nullptr) {
    model->observer_->Start(model->pci_->device());
    config_space = &model->observer_->Wrap(kConfigRegion, *config_space);
  }
  model->config_.Attach(*config_space);
  if (state == nullptr) model->Place();
  return model;
}

PciDeviceState IvshmemModel::Save() const {
  PciDeviceState state = pci_->Save();
  config_.Export(state.function);
  return state;
}

void IvshmemModel::Place() {
  config_.Place();
  for (int vector = 0; vector < vectors_; ++vector) {
    Mask(vector, !events_.Has(vector));
  }
}

DeviceModel::Region IvshmemModel::region(uint32_t index) const {
  if (index == kConfigRegion) return {.size = kConfigSize};
  if (index >= kBars || !specs_[index].has_value()) return {};
  Region region = {.size = specs_[index]->size};
  if (index == PciDevice::kMemoryBar) region.fd = memory_.fd;
  return region;
}

void IvshmemModel::Read(uint32_t region, uint64_t offset,
                        absl::Span<uint8_t> bytes) noexcept {
  if (region == kConfigRegion) {
    config_.Read(offset, bytes);
    return;
  }
  if (MmioHandler* handler = Handler(region, offset); handler != nullptr) {
    handler->Read(offset, bytes);
  } else {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  }
}

void IvshmemModel::Write(uint32_t region, uint64_t offset,
                         absl::Span<const uint8_t> bytes) noexcept {
  if (region == kConfigRegion) {
    config_.Write(offset, bytes);
  } else if (MmioHandler* handler = Handler(region, offset);
             handler != nullptr) {
    handler->Write(offset, bytes);
  }
}

MmioHandler* IvshmemModel::Handler(uint32_t region, uint64_t offset) {
  if (region >= kBars) return nullptr;
  // The table is ours.
  if (region == PciDevice::kMsixBar && offset < vectors_ * kEntrySize) {
    return nullptr;
  }
  if (region == PciDevice::kMemoryBar && !memory_.sealed) return &file_;
  return Observed(region);
}

MmioHandler* IvshmemModel::Observed(uint32_t bar) {
  MmioHandler* const handler = bars_.bar(bar);
  if (observer_ == nullptr || handler == nullptr) return handler;
  if (observed_[bar] == nullptr) {
    observed_[bar] = &observer_->Wrap(bar, *handler);
  }
  return observed_[bar];
}

std::vector<DeviceModel::IoEvent> IvshmemModel::IoEvents(uint32_t region,
                                                         size_t most) {
  std::vector<IoEvent> events;
  // A device without an id does not ring.
  if (region != PciDevice::kRegisterBar || !device().id().has_value()) {
    return events;
  }
  for (PeerTable::Connection& connection : device().peers().Connections()) {
    const EventHandle event = connection.notifier->event();
    if (!event.valid()) continue;
    if (events.size() == most) break;
    events.push_back({.offset = kDoorbellOffset,
                      .size = sizeof(uint32_t),
                      .value = connection.doorbell.Encode(),
                      .event = {.fd = static_cast<int>(event.value),
                                .owner = std::move(connection.notifier)}});
  }
  return events;
}

void IvshmemModel::Reset() {
  pci_->Reset();
  events_.Reset();
  Place();
}

void IvshmemModel::ClientLeft() { DropEvents(kMsixIrq, 0, vectors_); }

std::optional<uint32_t> IvshmemModel::count(uint32_t irq) const {
  if (irq == kErrorIrq) return std::nullopt;
  return irq == kMsixIrq ? vectors_ : 0;
}

absl::Status IvshmemModel::SetEvents(uint32_t /*irq*/, uint32_t start,
                                     std::vector<UniqueFd> events) {
  std::vector<std::shared_ptr<EventFd>> adopted;
  for (UniqueFd& fd : events) {
    absl::StatusOr<std::shared_ptr<EventFd>> event =
        EventFd::Adopt(std::move(fd));
    if (!event.ok()) return event.status();
    adopted.push_back(*std::move(event));
  }
  int vector = static_cast<int>(start);
  for (const std::shared_ptr<EventFd>& event : adopted) {
    events_.Set(vector, event);
    // Sends what is pending.
    Mask(vector, false);
    ++vector;
  }
  return absl::OkStatus();
}

void IvshmemModel::DropEvents(uint32_t /*irq*/, uint32_t start,
                              uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const auto vector = static_cast<int>(start + i);
    Mask(vector, true);
    events_.Set(vector, nullptr);
  }
}

void IvshmemModel::Trigger(uint32_t /*irq*/, uint32_t vector) {
  events_.Trigger(static_cast<int>(vector));
}

void IvshmemModel::Mask(int vector, bool masked) {
  MmioHandler* const table = Observed(PciDevice::kMsixBar);
  const pci::MsiMessage message = VectorEvents::MessageOf(vector);
  const uint64_t entry = vector * kEntrySize;
  std::array<uint8_t, sizeof(uint64_t)> half;
  StoreLittleEndian(message.address, absl::MakeSpan(half));
  table->Write(entry, half);
  StoreLittleEndian(uint64_t{masked ? kMasked : 0} << 32 | message.data,
                    absl::MakeSpan(half));
  table->Write(entry + sizeof(uint64_t), half);
}

}  // namespace ivshmem::vfio_user
