// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Bytes that say they are a saved device, in either form: an error that names
// the field and nothing else, or a device that gives the same state back and
// works.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/pci/registers.h"
#include "core/dialect.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "fuzz/require.h"
#include "proto/device_state.h"

namespace ivshmem {
namespace {

constexpr uint64_t kMostMemory = 0x10000;

// Errors are the sender's, and the host has heard nothing.
void CheckRefused(const absl::Status& status, mock::Host& host) {
  Require(absl::IsInvalidArgument(status) && !status.message().empty(),
          "the error names the field");
  Require(host.log().Take().empty(), "the host has heard nothing");
}

void Use(PciDevice& device, absl::Span<const uint8_t> bytes) {
  uint8_t buffer[8];
  for (size_t i = 0; i < 200 && i < bytes.size(); ++i) {
    const uint8_t byte = bytes[i];
    const absl::Span<uint8_t> piece(buffer, size_t{1} << byte % 4);
    device.ConfigRead(byte, piece);
    device.bar(byte % 3).Read(byte * 4, piece);
    device.bar(byte % 2).Write(byte, piece);
    if (byte % 8 == 0) device.ConfigWrite(byte / 2, piece);
    device.device().OnPeerInterrupt(byte % 4);
  }
  device.Reset();
}

void RestorePci(const PciDeviceState& state, absl::Span<const uint8_t> bytes) {
  mock::Host host;
  const auto dialect = FindDialect(state.device.dialect);
  PciDevice::Config config = {
      .dialect = dialect.value_or(kRevision1),
      .interrupts = state.device.interrupts,
      .vectors = state.device.vectors,
      .subsystem_vendor_id = state.function.subsystem_vendor_id,
      .subsystem_id = state.function.subsystem_id,
      .multi_function =
          (state.function.header_type & pci::kHeaderTypeMultiFunction) != 0,
      .access = state.memory.access,
      .role = state.memory.role};
  std::vector<uint8_t> memory(
      state.memory.size <= kMostMemory ? state.memory.size : kMostMemory);
  auto device = PciDevice::Restore(config, {memory.data(), memory.size()},
                                   {.mmio = &host.space(),
                                    .mapper = &host.space(),
                                    .msi = &host.msi(),
                                    .intx = &host.line(),
                                    .doorbells = &host.accelerator(),
                                    .router = &host.router(),
                                    .executor = &host.executor()},
                                   state);
  if (!device.ok()) return CheckRefused(device.status(), host);
  PciDeviceState again = (*device)->Save();
  // What the host refuses depends on what else is where.
  again.hidden_bars = state.hidden_bars;
  // What was pending and can be delivered has been.
  Require(again.function.msix.size() == state.function.msix.size(), "vectors");
  for (size_t v = 0; v < again.function.msix.size(); ++v) {
    const bool was = state.function.msix[v].pending;
    Require(was || !again.function.msix[v].pending, "nothing new is pending");
    again.function.msix[v].pending = was;
  }
  Require(again == state, "the device is what was saved");
  Use(**device, bytes);
  host.executor().RunAll();
}

void RestoreFlat(const FlatDeviceState& state) {
  mock::Host host;
  const FlatDevice::Config config = {
      .registers_address = state.registers_address,
      .memory_address = state.memory_address,
      .block = {.vectors = state.device.vectors, .access = state.memory.access},
      .role = state.memory.role};
  std::vector<uint8_t> memory(
      state.memory.size <= kMostMemory ? state.memory.size : kMostMemory);
  FlatDevice::Host with = {.mmio = &host.space(),
                           .mapper = &host.space(),
                           .doorbells = &host.accelerator(),
                           .executor = &host.executor()};
  if (state.device.interrupts == InterruptMode::kLine) with.irq = &host.pulse();
  auto device =
      FlatDevice::Restore(config, {memory.data(), memory.size()}, with, state);
  if (!device.ok()) {
    // Ranges that overlap are the host's to refuse.
    if (!absl::IsAlreadyExists(device.status())) {
      CheckRefused(device.status(), host);
    }
    return;
  }
  Require((*device)->Save() == state, "the device is what was saved");
  (*device)->device().OnPeerInterrupt(0);
  (*device)->Reset();
  host.executor().RunAll();
}

void Run(absl::string_view bytes) {
  absl::StatusOr<SavedDevice> saved = DecodeState(bytes);
  if (!saved.ok()) saved = DecodeStateText(bytes);
  if (!saved.ok()) {
    Require(absl::IsInvalidArgument(saved.status()) &&
                !saved.status().message().empty(),
            "the error says what is wrong");
    return;
  }
  const std::string encoded = EncodeState(*saved);
  const auto again = DecodeState(encoded);
  Require(again.ok() && *again == *saved, "the same state in its own bytes");
  if (const auto* pci = std::get_if<PciDeviceState>(&*saved)) {
    RestorePci(*pci,
               {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  } else {
    RestoreFlat(std::get<FlatDeviceState>(*saved));
  }
}

}  // namespace
}  // namespace ivshmem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
