// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_PROTO_SAVED_WORLD_H_
#define IVSHMEM_PROTO_SAVED_WORLD_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "proto/device_state.h"

namespace ivshmem {

// For tests: a device of any kind on a mock host, with peers, that can be saved
// to bytes and restored from them at any moment.

inline constexpr uint64_t kMemorySize = 0x1000;
inline constexpr uint64_t kFlatRegisters = 0x40000000;
inline constexpr uint64_t kFlatMemory = 0x60000000;
inline constexpr PeerId kPeer = 5;
inline constexpr int kPeerVectors = 3;

struct Step {
  enum class Kind : uint8_t {
    kConfigRead,
    kConfigWrite,
    kBarRead,
    kBarWrite,
    kSignal,  // A peer's ring: of vector `offset`.
    kSetId,
    kReset,
    kPeerComesOrGoes,
  };
  Kind kind;
  int bar = 0;
  uint64_t offset = 0;
  int size = 4;
  uint64_t value = 0;

  friend std::ostream& operator<<(std::ostream& os, const Step& step) {
    return os << "{" << static_cast<int>(step.kind) << " bar " << step.bar
              << " offset " << step.offset << " size " << step.size << " value "
              << step.value << "}";
  }
};

// What differs between the kinds of PCI devices and the flat one.
class Adapter {
 public:
  virtual ~Adapter() = default;
  // Saves, destroys and restores the device.
  virtual void SaveAndRestore() = 0;
  virtual Device& device() = 0;
  virtual void Access(const Step& step, absl::Span<uint8_t> bytes) = 0;
  virtual void Reset() = 0;
};

class PciAdapter : public Adapter {
 public:
  PciAdapter(mock::Host& host, const PciDevice::Config& config,
             const SharedMemory& memory)
      : config_(config),
        memory_(memory),
        host_{.mmio = &host.space(),
              .mapper = &host.space(),
              .msi = &host.msi(),
              .intx = &host.line(),
              .doorbells = &host.accelerator(),
              .router = &host.router(),
              .executor = &host.executor()},
        pci_(*PciDevice::Create(config_, memory_, host_)) {}

  void SaveAndRestore() override {
    const std::string bytes = EncodeState(pci_->Save());
    pci_.reset();
    const auto saved = DecodeState(bytes);
    ASSERT_TRUE(saved.ok());
    auto pci = PciDevice::Restore(config_, memory_, host_,
                                  std::get<PciDeviceState>(*saved));
    ASSERT_TRUE(pci.ok());
    pci_ = *std::move(pci);
  }

  Device& device() override { return pci_->device(); }
  void Reset() override { pci_->Reset(); }

  void Access(const Step& step, absl::Span<uint8_t> bytes) override {
    switch (step.kind) {
      case Step::Kind::kConfigRead:
        return pci_->ConfigRead(step.offset, bytes);
      case Step::Kind::kConfigWrite:
        return pci_->ConfigWrite(step.offset, bytes);
      case Step::Kind::kBarRead:
        return pci_->bar(step.bar).Read(step.offset, bytes);
      default:
        return pci_->bar(step.bar).Write(step.offset, bytes);
    }
  }

 private:
  const PciDevice::Config config_;
  const SharedMemory memory_;
  const PciDevice::Host host_;
  std::unique_ptr<PciDevice> pci_;
};

class FlatAdapter : public Adapter {
 public:
  FlatAdapter(mock::Host& host, const SharedMemory& memory)
      : memory_(memory),
        host_{.mmio = &host.space(),
              .mapper = &host.space(),
              .irq = &host.pulse(),
              .doorbells = &host.accelerator(),
              .executor = &host.executor()},
        flat_(*FlatDevice::Create(kConfig, memory_, host_)) {}

  void SaveAndRestore() override {
    const std::string bytes = EncodeState(flat_->Save());
    flat_.reset();
    const auto saved = DecodeState(bytes);
    ASSERT_TRUE(saved.ok());
    auto flat = FlatDevice::Restore(kConfig, memory_, host_,
                                    std::get<FlatDeviceState>(*saved));
    ASSERT_TRUE(flat.ok());
    flat_ = *std::move(flat);
  }

  Device& device() override { return flat_->device(); }
  void Reset() override { flat_->Reset(); }

  void Access(const Step& step, absl::Span<uint8_t> bytes) override {
    MmioHandler& handler = step.bar == PciDevice::kMemoryBar
                               ? flat_->block().memory()
                               : flat_->block().registers();
    if (step.kind == Step::Kind::kBarRead) handler.Read(step.offset, bytes);
    if (step.kind == Step::Kind::kBarWrite) handler.Write(step.offset, bytes);
  }

 private:
  static constexpr FlatDevice::Config kConfig = {
      .registers_address = kFlatRegisters,
      .memory_address = kFlatMemory,
      .block = {.vectors = 3, .id = 2}};

  const SharedMemory memory_;
  const FlatDevice::Host host_;
  std::unique_ptr<FlatDevice> flat_;
};

// A device with its host and peers.
class SavedWorld {
 public:
  // `config` is null for the flat device.
  explicit SavedWorld(const PciDevice::Config* config) : memory_(kMemorySize) {
    const SharedMemory memory = {memory_.data(), memory_.size()};
    if (config != nullptr) {
      device_ = std::make_unique<PciAdapter>(host_, *config, memory);
    } else {
      device_ = std::make_unique<FlatAdapter>(host_, memory);
    }
    for (int v = 0; v < device().config().vectors; ++v) {
      own_.push_back(host_.events().Create());
      auto reader = host_.events().Watch(
          own_.back(), mock::Events::Watcher::kReader,
          [this, v] { device().OnPeerInterrupt(static_cast<Vector>(v)); });
      readers_.push_back(*std::move(reader));
    }
    for (int v = 0; v < kPeerVectors; ++v) {
      peers_.push_back(host_.events().Create());
    }
    Connect();
  }

  Device& device() { return device_->device(); }

  void SaveAndRestore() {
    device_->SaveAndRestore();
    Connect();
  }

  // What a read gives.
  std::vector<uint8_t> Do(const Step& step) {
    std::vector<uint8_t> bytes(step.size);
    switch (step.kind) {
      case Step::Kind::kSignal:
        if (!own_.empty()) {
          host_.events().Signal(own_[step.offset % own_.size()]);
        }
        break;
      case Step::Kind::kSetId:
        device().peers().DisconnectAll();
        device().SetId(static_cast<PeerId>(step.value & 3));
        Connect();
        break;
      case Step::Kind::kReset:
        device_->Reset();
        break;
      case Step::Kind::kPeerComesOrGoes:
        peer_is_there_ = !peer_is_there_;
        Connect();
        break;
      default:
        StoreLittleEndian(step.value, absl::MakeSpan(bytes));
        device_->Access(step, absl::MakeSpan(bytes));
        break;
    }
    host_.executor().RunAll();
    return bytes;
  }

  // All that the guest and its peers can see without changing it, but for
  // config space and BARs, which a test reads.
  std::vector<uint64_t> Seen() {
    std::vector<uint64_t> seen = {host_.msi().count(), host_.pulse().count(),
                                  host_.line().level() ? 1u : 0u};
    for (const pci::MsiMessage& message : host_.msi().all()) {
      seen.push_back(message.address);
      seen.push_back(message.data);
    }
    for (const EventHandle event : peers_) {
      seen.push_back(host_.events().count(event));
    }
    for (const uint64_t address :
         {kFlatMemory, kFlatRegisters + kPositionOffset, uint64_t{0xfe000008},
          uint64_t{0xfe010000}, uint64_t{0xfe020000}}) {
      seen.push_back(host_.space().Read32(address));
    }
    return seen;
  }

 private:
  void Connect() {
    device().peers().DisconnectAll();
    const auto connect = [&](PeerId id, const std::vector<EventHandle>& all) {
      for (size_t v = 0; v < all.size(); ++v) {
        device()
            .peers()
            .Connect(
                id, static_cast<Vector>(v),
                std::make_shared<mock::EventNotifier>(host_.events(), all[v]))
            .IgnoreError();
      }
    };
    if (peer_is_there_) connect(kPeer, peers_);
    if (device().id().has_value()) connect(*device().id(), own_);
    host_.executor().RunAll();
  }

  mock::Host host_;
  std::vector<uint8_t> memory_;
  std::vector<EventHandle> own_;
  std::vector<EventHandle> peers_;
  bool peer_is_there_ = true;
  std::unique_ptr<Adapter> device_;
  std::vector<RegistrationPtr> readers_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_PROTO_SAVED_WORLD_H_
