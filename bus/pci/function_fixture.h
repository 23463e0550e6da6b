// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_FUNCTION_FIXTURE_H_
#define IVSHMEM_BUS_PCI_FUNCTION_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "bus/pci/function.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {

// A function of the usual shape (registers in BAR 0, MSI-X in BAR 1, memory in
// the 64-bit BAR 2, and a pin besides) with fakes all around it.
class FunctionTest : public ::testing::Test {
 protected:
  static constexpr int kVectors = 3;
  static constexpr uint64_t kMsixTableEntry = 16;

  static FunctionSpec Spec() {
    FunctionSpec spec = {.vendor_id = 0x1af4,
                         .device_id = 0x1110,
                         .revision = 1,
                         .class_code = 0x050000,
                         .subsystem_vendor_id = 0x1af4,
                         .subsystem_id = 0x1100,
                         .msix_vectors = kVectors,
                         .intx = true};
    spec.bars[0] = {.size = 0x100};
    spec.bars[2] = {.size = 0x1000, .is_64bit = true, .prefetchable = true};
    return spec;
  }

  std::unique_ptr<Function> Make(const FunctionSpec& spec) {
    Function::Dependencies dependencies = {.msi = &sink_,
                                           .msix_listener = &listener_,
                                           .intx_source = &source_,
                                           .intx_line = &line_};
    if (spec.bars[0].has_value()) dependencies.bars[0] = &registers_;
    if (spec.bars[2].has_value()) dependencies.bars[2] = &memory_;
    auto function = Function::Create(spec, dependencies);
    EXPECT_TRUE(function.ok()) << function.status();
    return *std::move(function);
  }

  void SetCommand(uint16_t command) {
    WriteConfig<uint16_t>(*function_, kCommand, command);
  }

  void SetMsixControl(uint16_t control) {
    WriteConfig<uint16_t>(*function_, kMsixControl, control);
  }

  // Where firmware may put the BARs, with decode and bus mastering on.
  void Place() {
    WriteConfig<uint32_t>(*function_, kBar0, 0xfebf1000);
    WriteConfig<uint32_t>(*function_, kBar0 + 4, 0xfebf2000);
    WriteConfig<uint32_t>(*function_, kBar0 + 8, 0xc0000000);
    WriteConfig<uint32_t>(*function_, kBar0 + 12, 0x1);
    SetCommand(kCommandMemorySpace | kCommandBusMaster);
  }

  static constexpr MsiMessage MessageOf(int vector) {
    return {.address = 0xfee00000u + 0x1000 * vector, .data = 0x40u + vector};
  }

  // Gives vectors their messages through BAR 1, unmasks them and sets Enable.
  void EnableMsix() {
    for (int vector = 0; vector < kVectors; ++vector) {
      const uint64_t entry = vector * kMsixTableEntry;
      Write<uint64_t>(function_->bar(1), entry, MessageOf(vector).address);
      Write<uint64_t>(function_->bar(1), entry + 8, MessageOf(vector).data);
    }
    SetMsixControl(kMsixControlEnable);
  }

  RecordingMsiSink sink_;
  RecordingListener listener_;
  FakeIntxSource source_;
  RecordingLine line_;
  FakeBar registers_;
  FakeBar memory_;
  std::unique_ptr<Function> function_ = Make(Spec());
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_FUNCTION_FIXTURE_H_
