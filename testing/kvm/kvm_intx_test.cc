// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The device as it was before MSI-X (revision 0), with INTx, on two guests.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backends/address_map.h"
#include "backends/kvm/irq_lines.h"
#include "backends/kvm/memory_slots.h"
#include "backends/linux/loop_thread.h"
#include "backends/registration.h"
#include "bus/interrupt_lines.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "testing/kvm/ioapic.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem {
namespace {

enum class Line : uint8_t { kFollowing, kResampled };

// A guest whose driver acknowledges an interrupt by reading Status, which
// clears it and lowers the line.
class IntxGuest {
 public:
  static constexpr uint32_t kBar0 = 0xe0000000;
  static constexpr int kPin = 17;
  static constexpr int kNumber = 3;

  IntxGuest(Switchboard& switchboard, const SharedMemory& memory, Line line) {
    if (line == Line::kFollowing) {
      line_ = std::make_unique<kvm::IrqLine>(guest_->vm(), kPin);
    } else {
      auto resampled =
          kvm::ResampledLine::Create(guest_->vm(), kPin, loop_->loop());
      EXPECT_TRUE(resampled.ok()) << resampled.status();
      line_ = *std::move(resampled);
    }
    device_ = *PciDevice::Create(
        {.dialect = kRevision0, .interrupts = InterruptMode::kIntx}, memory,
        {.mmio = &guest_->memory(), .mapper = &mapper_, .intx = line_.get()});
    port_ = *switchboard.Bind("r", memory.size, device_->device());
    claims_.push_back(
        *functions_.Claim(0, pci::kEcamFunctionSize, device_->config()));
    claims_.push_back(*guest_->ports().Claim(pci::ConfigPorts::kPort,
                                             pci::ConfigPorts::kPorts, ports_));
    SetConfig(pci::kBar0, kBar0);
    SetCommand(0);
    ioapic_.Connect(kPin, kNumber, Ioapic::Trigger::kLevel);
    guest_->AcknowledgeAt(kBar0 + kStatusOffset);
  }

  PeerId id() const { return port_->id(); }
  KvmGuest& guest() { return *guest_; }

  uint32_t Config(uint32_t offset, uint32_t size) {
    guest_->Out(0xcf8, 0x80000000 | (offset & ~3u));
    return guest_->In(static_cast<uint16_t>(0xcfc + offset % 4), size);
  }
  void SetConfig(uint32_t offset, uint32_t value, uint32_t size = 4) {
    guest_->Out(0xcf8, 0x80000000 | (offset & ~3u));
    guest_->Out(static_cast<uint16_t>(0xcfc + offset % 4), value, size);
  }
  // With decode.
  void SetCommand(uint16_t bits) {
    SetConfig(pci::kCommand, pci::kCommandMemorySpace | bits, 2);
  }

  void Set(uint32_t offset, uint32_t value) {
    guest_->Write(kBar0 + offset, value);
  }
  void Ring(PeerId peer) { Set(kDoorbellOffset, Doorbell{peer, 0}.Encode()); }

  // Handled by the time of the guest's next command.
  uint32_t Interrupts() {
    guest_->Read(0x20000);
    return guest_->interrupts(kNumber);
  }
  bool InterruptsBecome(uint32_t count) {
    return guest_->InterruptsBecome(kNumber, count) && Interrupts() == count;
  }

 private:
  const std::unique_ptr<KvmGuest> guest_ = KvmGuest::Start();
  const std::unique_ptr<LoopThread> loop_ = *LoopThread::Start();
  Ioapic ioapic_{*guest_};
  kvm::MemorySlots mapper_{guest_->vm(), guest_->slots()};
  std::unique_ptr<LineSink> line_;
  AddressMap functions_;
  pci::ConfigPorts ports_{functions_};
  std::vector<RegistrationPtr> claims_;
  std::unique_ptr<PciDevice> device_;
  std::unique_ptr<Switchboard::Port> port_;
};

class KvmIntx : public ::testing::TestWithParam<Line> {
 protected:
  static constexpr uint64_t kSize = 0x10000;

  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_TRUE(switchboard_.AddRegion("r", shared()).ok());
    a_.emplace(switchboard_, shared(), GetParam());
    b_.emplace(switchboard_, shared(), GetParam());
  }

  SharedMemory shared() { return {memory_.get(), kSize}; }

  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  const std::unique_ptr<uint8_t, Free> memory_{
      static_cast<uint8_t*>(std::aligned_alloc(4096, kSize))};
  Switchboard switchboard_;
  std::optional<IntxGuest> a_;
  std::optional<IntxGuest> b_;
};

INSTANTIATE_TEST_SUITE_P(Lines, KvmIntx,
                         ::testing::Values(Line::kFollowing, Line::kResampled),
                         [](const auto& info) {
                           return info.param == Line::kFollowing ? "Following"
                                                                 : "Resampled";
                         });

// It says that it interrupts by INTA, and has no MSI-X.
TEST_P(KvmIntx, IsRevision0) {
  EXPECT_EQ(a_->Config(pci::kRevision, 1), 0u);
  EXPECT_EQ(a_->Config(pci::kInterruptPin, 1), 1u);
  EXPECT_EQ(a_->Config(pci::kStatus, 2) & pci::kStatusCapabilities, 0u);
}

// Each rings the other, whose driver acknowledges: one interrupt for each.
TEST_P(KvmIntx, RingsArrive) {
  a_->Set(kMaskOffset, 1);
  b_->Set(kMaskOffset, 1);
  for (uint32_t i = 1; i <= 50; ++i) {
    a_->Ring(b_->id());
    ASSERT_TRUE(b_->InterruptsBecome(i)) << i;
    b_->Ring(a_->id());
    ASSERT_TRUE(a_->InterruptsBecome(i)) << i;
  }
}

// While Mask keeps the line down, Status tells; with Mask open, the line goes
// up.
// Clause: intx-level
TEST_P(KvmIntx, MaskKeepsTheLineDown) {
  a_->Ring(b_->id());
  EXPECT_EQ(b_->Interrupts(), 0u);
  EXPECT_EQ(b_->Config(pci::kStatus, 2) & pci::kStatusInterrupt, 0u);
  b_->Set(kMaskOffset, 1);
  EXPECT_TRUE(b_->InterruptsBecome(1));
}

// A driver that polls takes the interrupt away by reading Status.
// Clause: status-clears
TEST_P(KvmIntx, StatusIsClearedByReading) {
  a_->Ring(b_->id());
  EXPECT_EQ(b_->guest().Read(IntxGuest::kBar0 + kStatusOffset), 1u);
  EXPECT_EQ(b_->guest().Read(IntxGuest::kBar0 + kStatusOffset), 0u);
  b_->Set(kMaskOffset, 1);
  EXPECT_EQ(b_->Interrupts(), 0u);
}

// The command register keeps the line down as well; the status register tells
// that the function would interrupt.
TEST_P(KvmIntx, InterruptDisable) {
  b_->Set(kMaskOffset, 1);
  b_->SetCommand(pci::kCommandInterruptDisable);
  a_->Ring(b_->id());
  EXPECT_EQ(b_->Interrupts(), 0u);
  EXPECT_EQ(b_->Config(pci::kStatus, 2) & pci::kStatusInterrupt,
            pci::kStatusInterrupt);
  b_->SetCommand(0);
  EXPECT_TRUE(b_->InterruptsBecome(1));
}

}  // namespace
}  // namespace ivshmem
