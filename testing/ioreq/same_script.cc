// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/same_script.h"

#include <cstddef>
#include <random>
#include <utility>

#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/registers.h"

namespace ivshmem {
namespace {

using Kind = GuestAccess::Kind;

constexpr uint64_t kPage = 0x1000;
constexpr uint64_t kPlaces[] = {0xe0000000, 0xe0010000, 0xe0020000};
constexpr uint64_t kBar1 = 0xe0100000;
constexpr uint64_t kPendingBits = 0x800;  // In BAR1.
constexpr uint64_t kBar2 = 0xe1000000;
constexpr uint64_t kNothing = 0xd0000000;
constexpr uint64_t kNoPorts = 0x500;
constexpr uint32_t kDecodeAndMaster =
    pci::kCommandMemorySpace | pci::kCommandBusMaster;

class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  void SetUp() {
    for (uint32_t offset = 0; offset < 0x100; offset += 4) Config(offset);
    for (uint32_t bar = 0; bar < 6; ++bar) Size(pci::kBar0 + 4 * bar);
    Size(0x30);  // The ROM's.
    Place(kPlaces[0]);
    SetConfig(pci::kBar0 + 4, kBar1);
    SetConfig(pci::kBar0 + 8, kBar2);
    SetConfig(pci::kBar0 + 12, 0);
    SetConfig(pci::kCommand, kDecodeAndMaster, 2);
    for (uint64_t v = 0; v < kScriptVectors; ++v) {
      const uint64_t words[] = {0xfee00000, 0, 0x40 + v, 0};
      for (uint64_t i = 0; i < 4; ++i) {
        Write(kBar1 + 16 * v + 4 * i, words[i], 4);
      }
    }
    SetConfig(pci::kMsixControl, pci::kMsixControlEnable, 2);
    for (uint64_t offset = 0; offset < 0x20; ++offset) {
      for (const uint32_t size : {1, 2, 4, 8}) Read(bar0_ + offset, size);
    }
    for (uint64_t peer = 0; peer < 4; ++peer) {
      for (uint64_t vector = 0; vector < 3; ++vector) Ring(peer, vector);
    }
  }

  void Any() {
    const uint32_t size = 1u << Below(4);
    switch (Below(12)) {
      case 0: {
        const uint32_t width = 1u << Below(3);
        Add(Kind::kConfig, false, width, Below(0x100) & ~(width - 1), 0);
        break;
      }
      case 1:  // Past BARs and command, which Place() and Size() write.
        SetConfig(0x28 + 4 * static_cast<uint32_t>(Below(6)),
                  static_cast<uint32_t>(random_()));
        break;
      case 2:
        Read(kScriptEcam + pci::EcamOffset(0, kScriptDevice, 0) + Below(kPage),
             size);
        break;
      case 3:
        AnyAt(bar0_, 0x108, size);  // Also past its end.
        break;
      case 4:
      case 5:
        Ring(Below(4), Below(3));
        break;
      case 6:  // Masks, messages' data.
        AnyAt(kBar1, 0x40, size);
        Read(kBar1 + kPendingBits, 4);
        break;
      case 7:
        Write(kBar1 + 16 * Below(2) + 12, Below(2), 4);
        break;
      case 8:
        AnyAt(kBar2, kScriptMemorySize, size);
        break;
      case 9:
        AnyAt(kNothing, kPage, size);
        break;
      case 10: {
        const uint32_t width = 1u << Below(3);
        Add(Kind::kPorts, Below(2) != 0, width, kNoPorts + Below(0x40),
            random_());
        break;
      }
      default:
        if (Below(4) == 0) {
          Place(kPlaces[Below(3)]);
        } else if (Below(3) == 0) {
          Size(pci::kBar0);
          Place(bar0_);
        } else {
          AnyAt(kPlaces[Below(3)], 0x100, size);
        }
    }
  }

  std::vector<GuestAccess> Take() { return std::move(script_); }
  size_t size() const { return script_.size(); }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }

  void Add(Kind kind, bool write, uint32_t size, uint64_t address,
           uint64_t value) {
    if (size < 8) value &= (uint64_t{1} << 8 * size) - 1;
    if (address % kPage + size > kPage) address -= size;
    script_.push_back({kind, write, size, address, write ? value : 0});
  }
  void Read(uint64_t address, uint32_t size) {
    Add(Kind::kMemory, false, size, address, 0);
  }
  void Write(uint64_t address, uint64_t value, uint32_t size) {
    Add(Kind::kMemory, true, size, address, value);
  }
  void AnyAt(uint64_t base, uint64_t range, uint32_t size) {
    Add(Kind::kMemory, Below(2) != 0, size, base + Below(range), random_());
  }
  void Config(uint32_t offset) { Add(Kind::kConfig, false, 4, offset, 0); }
  void SetConfig(uint32_t offset, uint64_t value, uint32_t size = 4) {
    Add(Kind::kConfig, true, size, offset, value);
  }
  // With decode off, or the BAR would be at the end of memory for a moment.
  void Size(uint32_t bar) {
    SetConfig(pci::kCommand, pci::kCommandBusMaster, 2);
    SetConfig(bar, 0xffffffff);
    Config(bar);
  }
  void Place(uint64_t address) {
    bar0_ = address;
    SetConfig(pci::kBar0, address);
    SetConfig(pci::kCommand, kDecodeAndMaster, 2);
    Config(pci::kBar0);
  }
  void Ring(uint64_t peer, uint64_t vector) {
    Write(bar0_ + kDoorbellOffset, peer << 16 | vector, 4);
  }

  std::mt19937_64 random_;
  std::vector<GuestAccess> script_;
  uint64_t bar0_ = kPlaces[0];
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const GuestAccess& access) {
  constexpr const char* kNames[] = {"memory", "port", "config"};
  return out << (access.write ? "write " : "read ")
             << kNames[static_cast<int>(access.kind)] << std::hex << " 0x"
             << access.address << " value 0x" << access.value << std::dec
             << " size " << access.size;
}

std::vector<GuestAccess> GuestScript(uint64_t seed, int count) {
  Writer writer(seed);
  writer.SetUp();
  const size_t end = writer.size() + static_cast<size_t>(count);
  while (writer.size() < end) writer.Any();
  return writer.Take();
}

}  // namespace ivshmem
