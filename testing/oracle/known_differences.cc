// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/oracle/known_differences.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "testing/qemu/qemu.h"

namespace ivshmem::qemu {
namespace {

// --- What a step is about --------------------------------------------------

struct Range {
  uint64_t begin = 0;
  uint64_t size = 0;

  bool Overlaps(const Range& other) const {
    return begin < other.begin + other.size && other.begin < begin + size;
  }
  bool Contains(const Range& other) const {
    return other.begin >= begin && other.begin + other.size <= begin + size;
  }
};

const script::Access* AccessOf(const script::Step& step) {
  if (step.has_read()) return &step.read();
  if (step.has_write()) return &step.write();
  return nullptr;
}

uint64_t SizeOf(const script::Access& access) {
  return access.has_size() ? access.size() : 4;
}

// Where in the guest's address space the step's access is; nullopt for another
// step, config space, a BAR that is not decoded.
std::optional<Range> PlaceOf(const Case& it) {
  const script::Access* const access = AccessOf(it.step);
  if (access == nullptr || access->has_config()) return {};
  if (access->has_address()) return Range{access->address(), SizeOf(*access)};
  const int bar = access->has_registers() ? 0 : access->has_msix() ? 1 : 2;
  if (!it.before.bars[bar]) return {};
  const uint64_t offset = access->has_registers() ? access->registers()
                          : access->has_msix()    ? access->msix()
                                                  : access->memory();
  return Range{*it.before.bars[bar] + offset, SizeOf(*access)};
}

std::vector<Range> BarsOf(const Case& it) {
  std::vector<Range> bars;
  for (size_t bar = 0; bar < it.before.bars.size(); ++bar) {
    if (!it.before.bars[bar]) continue;
    bars.push_back({*it.before.bars[bar], it.before.sizes[bar]});
  }
  return bars;
}

// How many BARs the access touches.
int64_t BarsTouched(const Case& it, const Range& place) {
  const std::vector<Range> bars = BarsOf(it);
  return std::count_if(bars.begin(), bars.end(), [&place](const Range& bar) {
    return bar.Overlaps(place);
  });
}

// The values that the step writes to the doorbell, one for each naturally
// aligned piece of it.
std::vector<Doorbell> DoorbellsOf(const Case& it) {
  std::vector<Doorbell> doorbells;
  const std::optional<Range> place = PlaceOf(it);
  if (!it.step.has_write() || !place || !it.before.bars[0]) return doorbells;
  uint64_t offset = place->begin - *it.before.bars[0];
  uint64_t left = place->size;
  uint64_t value = it.step.write().value();
  while (left > 0) {
    const uint64_t aligned =
        std::min<uint64_t>(4, offset == 0 ? 4 : offset & -offset);
    const uint64_t piece = std::min(aligned, std::bit_floor(left));
    if ((offset & ~uint64_t{3}) == kDoorbellOffset) {
      doorbells.push_back(Doorbell::Decode(
          static_cast<uint32_t>(value & ((uint64_t{1} << 8 * piece) - 1))));
    }
    value = piece == 8 ? 0 : value >> 8 * piece;
    offset += piece;
    left -= piece;
  }
  return doorbells;
}

using Rings = std::multiset<std::pair<uint32_t, uint32_t>>;

Rings RingsOf(const script::Outcome& outcome) {
  Rings rings;
  for (const script::Ring& ring : outcome.effects.rings()) {
    rings.emplace(ring.peer(), ring.vector());
  }
  return rings;
}

uint64_t Ones(uint64_t size) {
  return size >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
}

// --- The differences -------------------------------------------------------

// The bits of the access that are in BARs.
uint64_t InBars(const Case& it, const Range& place) {
  uint64_t bits = 0;
  for (uint64_t byte = 0; byte < place.size; ++byte) {
    if (BarsTouched(it, {place.begin + byte, 1}) == 0) continue;
    bits |= uint64_t{0xff} << 8 * byte;
  }
  return bits;
}

bool OtherThingsInTheMachine(const Case& it) {
  const std::optional<Range> place = PlaceOf(it);
  if (!it.step.has_read() || !place) return false;
  const uint64_t in_bars = InBars(it, *place);
  return (*it.ours.gives & in_bars) == (*it.qemu.gives & in_bars) &&
         (*it.ours.gives | in_bars | ~Ones(place->size)) == ~uint64_t{0};
}

// RAM, the I/O APIC, the HPET, what is for the CPU's APIC, the ROM.
bool BarsOnTopOfSomething(const Case& it) {
  constexpr Range kMachine[] = {{0, Qemu::kRamSize},
                                {0xfec00000, 0x1000},
                                {0xfed00000, 0x400},
                                {0xfee00000, 0x100000},
                                {0xfffc0000, 0x40000}};
  const std::optional<Range> place = PlaceOf(it);
  if (!place) return false;
  const int64_t bars = BarsTouched(it, *place);
  return bars > 1 ||
         (bars == 1 && std::any_of(std::begin(kMachine), std::end(kMachine),
                                   [&place](const Range& range) {
                                     return range.Overlaps(*place);
                                   }));
}

bool ConfigSpaceIsMemory(const Case& it) {
  constexpr uint64_t kHeader = 0x40;
  constexpr uint64_t kCapability = 12;
  if (!it.step.has_read() || !it.step.read().has_config()) return false;
  const uint64_t offset = it.step.read().config();
  return offset >= kHeader + (it.vectors > 0 ? kCapability : 0) &&
         it.ours.gives == 0;
}

// Aligned dwords in an access of eight bytes that is not aligned itself.
bool OddlyInMsix(const Case& it) {
  const std::optional<Range> place = PlaceOf(it);
  return place && it.before.bars[1] && place->size == 8 &&
         place->begin % 8 != 0 &&
         Range{*it.before.bars[1], it.before.sizes[1]}.Overlaps(*place);
}

bool OddReadOfMsix(const Case& it) {
  return it.step.has_read() && OddlyInMsix(it);
}

bool OddWriteOfMsix(const Case& it) {
  return it.step.has_write() && OddlyInMsix(it);
}

// Whether QEMU takes it for one of these 256.
bool IsCut(const Doorbell& doorbell, const Case& it) {
  return doorbell.vector > 0xff && (doorbell.vector & 0xff) < it.vectors;
}

bool VectorIsCut(const Case& it) {
  Rings expected = RingsOf(it.ours);
  for (const Doorbell& doorbell : DoorbellsOf(it)) {
    if (IsCut(doorbell, it)) {
      expected.emplace(doorbell.peer, doorbell.vector & 0xff);
    }
  }
  return expected != RingsOf(it.ours) && expected == RingsOf(it.qemu);
}

bool OwnVectorIsCut(const Case& it) {
  const std::vector<Doorbell> doorbells = DoorbellsOf(it);
  return std::any_of(doorbells.begin(), doorbells.end(),
                     [&it](const Doorbell& doorbell) {
                       return doorbell.peer == it.id && IsCut(doorbell, it);
                     });
}

bool SurplusVectors(const Case& it) {
  const Rings ours = RingsOf(it.ours);
  Rings expected;
  for (const auto& ring : ours) {
    if (ring.second < static_cast<uint32_t>(it.vectors)) expected.insert(ring);
  }
  return expected != ours && expected == RingsOf(it.qemu);
}

// The step may let an interrupt out, or would.
bool NoBusMaster(const Case& it) {
  if ((it.before.command & pci::kCommandBusMaster) != 0) return false;
  if ((it.before.msix_control & pci::kMsixControlEnable) == 0) return false;
  if (it.step.has_interrupt()) return true;
  if (!it.step.has_write()) return false;
  if (it.step.write().has_config()) {
    return (it.step.write().config() & ~uint64_t{3}) == pci::kMsixCapability;
  }
  for (const Doorbell& doorbell : DoorbellsOf(it)) {
    if (doorbell.peer == it.id) return true;
  }
  const std::optional<Range> place = PlaceOf(it);
  return place && it.before.bars[1] &&
         Range{*it.before.bars[1], it.before.sizes[1]}.Overlaps(*place);
}

constexpr KnownDifference kKnown[] = {
    {.name = "BARs on top of something",
     .reason =
         "Which of two things at one address answers is the machine's to "
         "say. Here the one that was there first; in QEMU it is another's "
         "order.",
     .explains = BarsOnTopOfSomething,
     .lasts = true,
     .example = R"(
       steps { write { registers: 0 value: 5 } }
       steps { write { config: 16 value: 0xfe010000 } }
       steps { read { address: 0xfe010000 } })"},
    {.name = "other things in the machine",
     .reason = "Where a PC has nothing QEMU reads 0, and it has RAM and ROM. "
               "Hosts here have nothing but the device, and that reads ones.",
     .explains = OtherThingsInTheMachine,
     .example = "steps { read { address: 0xd0000000 } }"},
    {.name = "config space is memory",
     .reason = "QEMU lets a guest keep what it likes in the bytes of config "
               "space that mean nothing. Here they read 0.",
     .explains = ConfigSpaceIsMemory,
     .example = R"(
       steps { write { config: 76 value: 5 } }
       steps { read { config: 76 } })"},
    {.name = "odd read of MSI-X",
     .reason = "Software is to use aligned dwords and quadwords for MSI-X (PCI "
               "Local Bus 3.0, 6.8.2); others read 0 and write nothing here. "
               "QEMU cuts an access into aligned pieces and does those of 4 "
               "bytes.",
     .explains = OddReadOfMsix,
     .example = "steps { read { msix: 4 size: 8 } }"},
    {.name = "odd write of MSI-X",
     .reason = "As for reads.",
     .explains = OddWriteOfMsix,
     .lasts = true,
     .example = R"(
       steps { write { msix: 6 size: 8 value: 0x5555555555555555 } }
       steps { read { msix: 8 } })"},
    {.name = "a vector is cut to 8 bits",
     .reason = "QEMU's slow path looks at 8 of the vector's 16 bits, so that "
               "256 rings vector 0. A fault, not copied.",
     .explains = VectorIsCut,
     .example = "steps { write { registers: 12 value: 0x20100 } }"},
    {.name = "a vector of its own is cut to 8 bits",
     .reason = "As for those of peers; what a device rings itself may stay "
               "pending.",
     .explains = OwnVectorIsCut,
     .lasts = true,
     .example = "steps { write { registers: 12 value: 0x10100 } }"},
    {.name = "a peer has more vectors",
     .reason =
         "QEMU closes the vectors of peers that it has not itself, as the "
         "specification has clients do. Here they can be rung: peers of "
         "one region may have different numbers of vectors.",
     .explains = SurplusVectors,
     .example = R"(
       steps { peer_joins { id: 5 vectors: 3 } }
       steps { write { registers: 12 value: 0x50002 } })"},
    {.name = "no bus master",
     .reason =
         "QEMU loses an interrupt that comes while the function is no bus "
         "master. Here it stays pending, as when it is masked.",
     .explains = NoBusMaster,
     .lasts = true,
     .example = R"(
       steps { write { config: 4 size: 2 value: 2 } }
       steps { interrupt { vector: 1 } }
       steps { read { msix: 0x800 } })"},
};

}  // namespace

absl::Span<const KnownDifference> KnownDifferences() { return kKnown; }

}  // namespace ivshmem::qemu
