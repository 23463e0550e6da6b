// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/ioreq_host/guest.h"

#include <cstring>
#include <iostream>

#include "absl/strings/str_format.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"

namespace ivshmem::ioreq_host {
namespace {

using Kind = ioreq::Request::Kind;
using Direction = ioreq::Request::Direction;

constexpr int kFirst = 3;  // The devices' numbers on the bus: 3 and 4.
constexpr int kSecond = 4;
constexpr uint32_t kIds = 0x11101af4;
constexpr uint64_t kMessageAddress = 0xfee00000;

uint64_t Bar0(int number) { return 0xe0000000 + 0x10000ull * number; }
uint64_t Bar1(int number) { return 0xe1000000 + 0x10000ull * number; }
uint64_t Bar2(int number) { return 0x100000000ull * number; }
uint64_t Config(int number, int offset) {
  return pci::EcamOffset(0, number, 0) + offset;
}
uint32_t MessageData(int number) { return 0x20 + number; }

}  // namespace

absl::StatusOr<uint64_t> Guest::Read(Kind kind, uint64_t address,
                                     uint64_t size) {
  return hypervisor_.Access({.kind = kind,
                             .direction = Direction::kRead,
                             .address = address,
                             .size = size});
}

absl::Status Guest::Write(Kind kind, uint64_t address, uint64_t value,
                          uint64_t size) {
  return hypervisor_
      .Access({.kind = kind,
               .direction = Direction::kWrite,
               .address = address,
               .size = size,
               .value = value})
      .status();
}

absl::Status Guest::Expect(const char* what, uint64_t address, uint64_t value) {
  const absl::StatusOr<uint64_t> read = Read(Kind::kMemory, address, 4);
  if (!read.ok()) return read.status();
  if (*read == value) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat("%s at %#x read %#x, not %#x",
                                             what, address, *read, value));
}

absl::Status Guest::Find() {
  int found = 0;
  for (int number = 0; number < 8; ++number) {
    const absl::StatusOr<uint64_t> ids =
        Read(Kind::kPciConfig, Config(number, pci::kVendorId), 4);
    if (!ids.ok()) return ids.status();
    if (*ids != kIds) continue;
    std::cout << absl::StrFormat(
        "guest: config requests: 00:%02x.0 is 1af4:1110\n", number);
    ++found;
  }
  if (found == 2) return absl::OkStatus();
  return absl::InternalError(
      absl::StrFormat("%d devices on the bus, not 2", found));
}

absl::Status Guest::PlaceBars(int number) {
  struct Value {
    int offset;
    uint64_t value;
    uint64_t size;
  };
  for (const Value& write :
       {Value{pci::kBar0, Bar0(number), 4},
        Value{pci::kBar0 + 4, Bar1(number), 4},
        Value{pci::kBar0 + 8, Bar2(number) & 0xffffffff, 4},
        Value{pci::kBar0 + 12, Bar2(number) >> 32, 4},
        Value{pci::kCommand, pci::kCommandMemorySpace | pci::kCommandBusMaster,
              2}}) {
    absl::Status status = Write(Kind::kPciConfig, Config(number, write.offset),
                                write.value, write.size);
    if (!status.ok()) return status;
  }
  std::cout << absl::StrFormat(
      "guest: 00:%02x.0: registers at %#x, MSI-X at %#x, memory at %#x\n",
      number, Bar0(number), Bar1(number), Bar2(number));
  return absl::OkStatus();
}

absl::Status Guest::EnableMsix(int number) {
  const uint64_t entry = Bar1(number);  // Of vector 0.
  absl::Status status = Write(Kind::kMemory, entry, kMessageAddress, 8);
  status.Update(Write(Kind::kMemory, entry + 8, MessageData(number), 4));
  status.Update(Write(Kind::kMemory, entry + 12, 0, 4));  // Unmasked.
  status.Update(Write(Kind::kPciConfig, Config(number, pci::kMsixControl),
                      pci::kMsixControlEnable, 2));
  return status;
}

absl::Status Guest::Exchange(uint32_t round) {
  // As another guest would put it there.
  const uint32_t written = 0x5eed0000 ^ round;
  std::memcpy(memory_.data + 64, &written, sizeof(written));
  absl::Status status = Write(Kind::kMemory, Bar0(kFirst) + kDoorbellOffset,
                              Doorbell{.peer = 2, .vector = 0}.Encode(), 4);
  if (!status.ok()) return status;
  const Hypervisor::Messages messages = hypervisor_.TakeMessages();
  if (messages.count != 1 || messages.last.address != kMessageAddress ||
      messages.last.data != MessageData(kSecond)) {
    return absl::InternalError(absl::StrFormat(
        "the doorbell gave %d messages, the last %#x at %#x", messages.count,
        messages.last.data, messages.last.address));
  }
  status = Expect("shared memory", Bar2(kSecond) + 64, written);
  if (!status.ok() || round > 0) return status;
  std::cout << absl::StrFormat(
      "guest: 00:%02x.0: rings peer 2, vector 0\n"
      "guest: 00:%02x.0: interrupted by MSI %#x, reads %#x in the shared "
      "memory\n",
      kFirst, kSecond, messages.last.data, written);
  return absl::OkStatus();
}

absl::Status Guest::Run(const std::function<bool()>& enough) {
  absl::Status status = Find();
  for (const int number : {kFirst, kSecond}) {
    if (status.ok()) status = PlaceBars(number);
    if (status.ok()) status = EnableMsix(number);
    if (!status.ok()) return status;
    const uint64_t id = number == kFirst ? 1 : 2;
    status = Expect("IVPosition", Bar0(number) + kPositionOffset, id);
    if (!status.ok()) return status;
    std::cout << absl::StrFormat("guest: 00:%02x.0: IVPosition is %d\n", number,
                                 id);
  }
  uint32_t rounds = 0;
  do {
    status = Exchange(rounds++);
  } while (status.ok() && !enough());
  if (status.ok()) {
    std::cout << absl::StrFormat("guest: rang and was interrupted %d times\n",
                                 rounds);
  }
  return status;
}

}  // namespace ivshmem::ioreq_host
