// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/accesses.h"

#include <algorithm>
#include <vector>

namespace ivshmem::conformance {
namespace {

using script::Access;
using script::Aims;

uint64_t Fit(uint64_t value, uint64_t size) {
  return size >= 8 ? value : value & ((uint64_t{1} << 8 * size) - 1);
}

// Of the sizes that a CPU makes and of those that it does not.
void AnySize(Access& access) {
  const uint32_t size = *rc::gen::weightedElement<uint32_t>({{20, 4},
                                                             {4, 8},
                                                             {3, 1},
                                                             {3, 2},
                                                             {1, 3},
                                                             {1, 5},
                                                             {1, 7},
                                                             {1, 12},
                                                             {1, 64}});
  if (size != 4) access.set_size(size);
}

uint64_t SizeOf(const Access& access) {
  return access.has_size() ? access.size() : 4;
}

void Value(uint64_t value, Access& access) {
  access.set_value(Fit(value, SizeOf(access)));
}

// A number that fits a range of `limit` bytes, or just not.
uint64_t NearEnd(uint64_t limit) {
  return limit - 8 + *rc::gen::inRange<uint64_t>(0, 10);
}

uint64_t RegisterOffset() {
  switch (*rc::gen::weightedElement<int>({{12, 0}, {4, 1}, {1, 2}, {1, 3}})) {
    case 0:
      return *rc::gen::element<uint64_t>(0, 4, 8, 12);
    case 1:
      return *rc::gen::inRange<uint64_t>(0, 20);
    case 2:
      return NearEnd(16);
    default:
      return NearEnd(256);
  }
}

uint64_t Doorbell(const Aims& aims) {
  return uint64_t{*AnyId()} << 16 | *AnyVector(aims);
}

// In the table, in the pending bits, or anywhere.
uint64_t MsixOffset(const Aims& aims) {
  switch (*rc::gen::weightedElement<int>({{8, 0}, {3, 1}, {1, 2}, {1, 3}})) {
    case 0:
      return 16 * *rc::gen::inRange<uint64_t>(0, aims.vectors + 1) +
             *rc::gen::element<uint64_t>(0, 4, 8, 12);
    case 1:
      return aims.pending + 4 * *rc::gen::inRange<uint64_t>(0, 5);
    case 2:
      return *rc::gen::inRange<uint64_t>(0, 64);
    default:
      return NearEnd(0x1000);
  }
}

void Command(Access& access) {
  access.set_config(4);
  access.set_size(*rc::gen::element(2, 1, 4));
  Value(*rc::gen::weightedElement<uint64_t>({{8, 0x006},
                                             {2, 0x002},
                                             {2, 0x004},
                                             {1, 0x000},
                                             {1, 0x001},
                                             {1, 0x005},
                                             {3, 0x406},
                                             {1, 0x107},
                                             {1, 0xffff}}),
        access);
}

void MsixControl(Access& access) {
  const bool byte = *rc::gen::arbitrary<bool>();
  access.set_config(byte ? 0x43 : 0x42);
  access.set_size(byte ? 1 : 2);
  const uint64_t value = *rc::gen::weightedElement<uint64_t>(
      {{6, 0x8000}, {3, 0xc000}, {1, 0x0000}, {1, 0x4000}, {1, 0xffff}});
  access.set_value(byte ? value >> 8 : value);
}

// Named registers, those that only store among them, or any.
uint64_t AnyConfigOffset() {
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      return *rc::gen::element<uint64_t>(0x3c, 0x0c, 0x04, 0x06, 0x34, 0x42);
    case 1:
      return 4 * *rc::gen::inRange<uint64_t>(0, 20);
    default:
      return *rc::gen::inRange<uint64_t>(0, 262);
  }
}

// Where the device has room, in another of its ranges, where software asks for
// the size, or nowhere.
uint64_t BarAddress(const Aims& aims, int bar) {
  switch (*rc::gen::weightedElement<int>(
      {{8, 0}, {4, 1}, {2, 2}, {2, 3}, {1, 4}})) {
    case 0:
      return aims.homes[bar];
    case 1:
      return aims.others[bar];
    case 2:
      return ~uint64_t{0};
    case 3:
      return aims.homes[*rc::gen::inRange(0, 3)] +
             0x100 * *rc::gen::inRange<uint64_t>(0, 17);
    default:
      return *rc::gen::element<uint64_t>(0, 0xff000000ff000000,
                                         0xfffffffffffff000, 0xffffe000);
  }
}

void Bar(const Aims& aims, Access& access) {
  const int bar = *rc::gen::inRange(0, 3);
  access.set_config(0x10 + 4 * bar);
  if (bar == 2 && *rc::gen::arbitrary<bool>()) access.set_size(8);
  uint64_t value = BarAddress(aims, bar);
  if (bar == 2 && !access.has_size() && *rc::gen::arbitrary<bool>()) {
    access.set_config(0x1c);
    value >>= 32;
  }
  Value(value, access);
}

uint64_t MemoryOffset(const Aims& aims) {
  return *rc::gen::arbitrary<bool>() ? *rc::gen::inRange<uint64_t>(0, 16)
                                     : NearEnd(aims.memory);
}

void Address(const Aims& aims, Access& access) {
  const int bar = *rc::gen::inRange(0, 3);
  const uint64_t base = *rc::gen::weightedElement<uint64_t>(
      {{6, aims.homes[bar]}, {2, aims.others[bar]}, {1, 0}});
  access.set_address(base + *rc::gen::weightedElement<int64_t>({{4, 0},
                                                                {2, 4},
                                                                {2, 12},
                                                                {1, -1},
                                                                {1, -4},
                                                                {1, 0x100},
                                                                {1, 0xfe},
                                                                {1, 0x800},
                                                                {1, 0xffc}}));
}

}  // namespace

rc::Gen<uint32_t> AnyId() {
  return rc::gen::weightedElement<uint32_t>({{4, script::kFavouriteIds[0]},
                                             {3, 0},
                                             {3, 1},
                                             {2, script::kFavouriteIds[1]},
                                             {1, 3},
                                             {1, 300},
                                             {1, 65535}});
}

rc::Gen<uint32_t> AnyVector(const Aims& aims) {
  const uint32_t vectors = std::max(aims.vectors, 1);
  return rc::gen::weightedOneOf<uint32_t>(
      {{6, rc::gen::inRange<uint32_t>(0, 2)},
       {4, rc::gen::inRange<uint32_t>(0, vectors)},
       {1, rc::gen::element<uint32_t>(2, vectors, 63, 64, 255, 256, 257, 2047,
                                      2048, 65535)}});
}

rc::Gen<uint64_t> AnyValue(uint64_t size) {
  return rc::gen::map(rc::gen::weightedOneOf<uint64_t>(
                          {{3, rc::gen::inRange<uint64_t>(0, 4)},
                           {1, rc::gen::just(~uint64_t{0})},
                           {3, rc::gen::inRange<uint64_t>(0, ~uint64_t{0})}}),
                      [size](uint64_t value) { return Fit(value, size); });
}

void Ring(const Aims& aims, Access& access) {
  access.set_registers(12);
  access.set_value(Doorbell(aims));
}

void WriteRegisters(const Aims& aims, Access& access) {
  AnySize(access);
  access.set_registers(RegisterOffset());
  uint64_t value = *AnyValue(8);
  if (*rc::gen::arbitrary<bool>()) {
    value = Doorbell(aims);
    // The high half of what also hits IVPosition.
    if (access.registers() == 8) value <<= 32;
  }
  Value(value, access);
}

void ReadRegisters(Access& access) {
  AnySize(access);
  access.set_registers(RegisterOffset());
}

void WriteMsix(const Aims& aims, Access& access) {
  AnySize(access);
  access.set_msix(MsixOffset(aims));
  uint64_t value = 0;
  switch (access.msix() % 16) {
    case 12:
      // More often unmasked than not.
      value = *rc::gen::weightedElement<uint64_t>(
          {{6, 0}, {4, 1}, {1, 2}, {1, 0xffffffff}});
      break;
    case 8:
      value = *AnyValue(4) | *rc::gen::inRange<uint64_t>(0, 2) << 32;
      break;
    default:
      value = *AnyValue(8);
  }
  Value(value, access);
}

void ReadMsix(const Aims& aims, Access& access) {
  AnySize(access);
  access.set_msix(MsixOffset(aims));
}

void WriteConfig(const Aims& aims, Access& access) {
  switch (*rc::gen::weightedElement<int>({{6, 0}, {6, 1}, {6, 2}, {3, 3}})) {
    case 0:
      return Command(access);
    case 1:
      return MsixControl(access);
    case 2:
      return Bar(aims, access);
    default:
      AnySize(access);
      access.set_config(AnyConfigOffset());
      Value(*AnyValue(8), access);
  }
}

void ReadConfig(Access& access) {
  AnySize(access);
  access.set_config(AnyConfigOffset());
}

void WriteMemory(const Aims& aims, Access& access) {
  AnySize(access);
  access.set_memory(MemoryOffset(aims));
  Value(*AnyValue(8), access);
}

void ReadMemory(const Aims& aims, Access& access) {
  AnySize(access);
  access.set_memory(MemoryOffset(aims));
}

void WriteAddress(const Aims& aims, Access& access) {
  AnySize(access);
  Address(aims, access);
  Value(*rc::gen::arbitrary<bool>() ? Doorbell(aims) : *AnyValue(8), access);
}

void ReadAddress(const Aims& aims, Access& access) {
  AnySize(access);
  Address(aims, access);
}

}  // namespace ivshmem::conformance
