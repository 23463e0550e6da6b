// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/ivshmem_device.h"

#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

constexpr uint16_t kVendor = 0x1af4;
constexpr uint16_t kDevice = 0x1110;

constexpr uint64_t kPosition = 8;
constexpr uint64_t kDoorbell = 12;

// Where a PC has nothing: below the I/O APIC, and in RAM that no firmware uses
// because none runs.
constexpr uint64_t kBars = 0xc0000000;
constexpr uint64_t kBarsOfOne = 0x10000000;
constexpr uint64_t kMessages = 0x100000;
constexpr uint64_t kMessagesOfOne = 4 * kMaxVectors;

}  // namespace

std::unique_ptr<IvshmemDevice> IvshmemDevice::SetUp(Qtest& qtest, int index) {
  const std::vector<PciFunction> all =
      PciFunction::FindAll(qtest, kVendor, kDevice);
  if (index >= static_cast<int>(all.size())) {
    ADD_FAILURE() << "QEMU has " << all.size() << " ivshmem devices, not "
                  << index + 1;
    return nullptr;
  }
  auto device =
      std::unique_ptr<IvshmemDevice>(new IvshmemDevice(all[index], index));
  if (device->end_of_bars_ > kBars + kBarsOfOne * (index + 1)) {
    ADD_FAILURE() << "the memory is too large for the PCI hole";
    return nullptr;
  }
  return device;
}

IvshmemDevice::IvshmemDevice(const PciFunction& function, int index)
    : function_(function),
      end_of_bars_(function_.PlaceBars(kBars + kBarsOfOne * index)),
      msix_(function_),
      messages_(kMessages + kMessagesOfOne * index) {
  if (msix_.vectors() == 0) return;
  for (int vector = 0; vector < msix_.vectors(); ++vector) {
    msix_.Set(
        vector,
        {.address = messages_ + 4 * vector, .data = 1u + vector, .control = 1});
  }
  msix_.SetControl(/*enable=*/true, /*function_mask=*/false);
}

uint64_t IvshmemDevice::Read(uint64_t offset, int size) {
  return function_.qtest().Read(size, function_.bar(0) + offset);
}

void IvshmemDevice::Write(uint64_t offset, uint64_t value, int size) {
  function_.qtest().Write(size, function_.bar(0) + offset, value);
}

uint32_t IvshmemDevice::Position() {
  return static_cast<uint32_t>(Read(kPosition));
}

void IvshmemDevice::Ring(PeerId peer, Vector vector) {
  Write(kDoorbell, static_cast<uint32_t>(peer) << 16 | vector);
}

bool IvshmemDevice::PendingWithin(Vector vector, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (function_.qtest().status().ok()) {
    if (msix_.Pending(vector)) return true;
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Microseconds(100));
  }
  return false;
}

std::vector<Vector> IvshmemDevice::Pending() {
  function_.qtest().Settle();
  std::vector<std::string> commands;
  for (int vector = 0; vector < msix_.vectors(); vector += 32) {
    commands.push_back(msix_.PendingCommand(vector));
  }
  const std::vector<uint64_t> words = function_.qtest().Run(commands);
  std::vector<Vector> pending;
  for (int vector = 0; vector < msix_.vectors(); ++vector) {
    if ((words[vector / 32] >> (vector % 32) & 1) != 0) {
      pending.push_back(static_cast<Vector>(vector));
    }
  }
  return pending;
}

bool IvshmemDevice::Take(Vector vector) {
  const uint64_t message = messages_ + 4 * vector;
  const std::vector<uint64_t> answers = function_.qtest().Run(
      {msix_.MaskCommand(vector, false), msix_.MaskCommand(vector, true),
       command::Read(4, message), command::Write(4, message, 0)});
  EXPECT_TRUE(answers[2] == 0 || answers[2] == 1u + vector)
      << "vector " << vector << " sent " << answers[2];
  return answers[2] != 0;
}

std::vector<uint8_t> IvshmemDevice::ReadMemory(uint64_t offset, uint64_t size) {
  return function_.qtest().ReadBlock(function_.bar(2) + offset, size);
}

void IvshmemDevice::WriteMemory(uint64_t offset,
                                absl::Span<const uint8_t> bytes) {
  function_.qtest().WriteBlock(function_.bar(2) + offset, bytes);
}

}  // namespace ivshmem::qemu
