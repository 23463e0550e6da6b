// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_EMULATION_RANGES_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_EMULATION_RANGES_H_

#include <linux/acrn.h>

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace ivshmem::acrn {

// What <linux/acrn.h> lacks of the hypervisor's types: an MMIO write to memory
// that is write-protected.
inline constexpr uint32_t kRequestTypeWriteProtect = 3;

// Some of a VM's 65536 I/O ports.
struct PortRange {
  enum class Access : uint8_t {
    kNone,  // Reads are all ones, writes are ignored; no handler is called.
    kRead,  // Writes are ignored.
    kReadWrite,
  };

  uint16_t base = 0;
  uint32_t length = 0;
  Access access = Access::kReadWrite;
};

// Which of a VM's accesses the hypervisor emulates itself, as ACRN's has it:
// ranges of memory and of I/O ports with their handlers. All are registered
// before the VM is launched and stay.
//
// Threading: one thread until Launch() has returned; then any, several at once.
class EmulationRanges {
 public:
  // What Emulate() returns when nobody here is concerned.
  static constexpr int kNobody = -19;  // -ENODEV

  // Carries out `request`, which lies wholly in the range: its `mmio_request`
  // is an access of 1, 2, 4 or 8 bytes that reads or writes; what a read reads
  // is put there. `data` is what was registered. Returns 0, kNobody to let the
  // access go on as if the range were not there, or another negative errno.
  using MmioHandler = int (*)(acrn_io_request& request, void* data);
  // An access of 1, 2 or 4 bytes, which lies wholly in the range. What it
  // returns is masked to the size.
  using PortReader = uint32_t (*)(uint16_t port, int size, void* data);
  using PortWriter = void (*)(uint16_t port, int size, uint32_t value,
                              void* data);

  EmulationRanges() { traps_.fill(0xff); }

  // [start, end). Where ranges overlap, the one that was registered first
  // counts. Errors: InvalidArgument (ACRN's -EINVAL) for a null handler, an end
  // that is not above the start, and when the VM has been launched.
  absl::Status RegisterMmio(uint64_t start, uint64_t end, MmioHandler handler,
                            void* data);

  // A null reader reads all ones; a null writer ignores writes. Errors:
  // InvalidArgument for a range without ports, or past the last one, and when
  // the VM has been launched.
  absl::Status RegisterPorts(const PortRange& range, PortReader reader,
                             PortWriter writer, void* data);

  // The VM accesses `length` ports from `base` itself, without an exit. Errors:
  // as of RegisterPorts().
  absl::Status AllowPorts(uint16_t base, uint32_t length);

  // What AllowPorts() has left, as x86 processors take it: a bit for each port,
  // the lowest first; those that are set cause exits.
  const std::array<uint8_t, 0x10000 / 8>& io_bitmap() const { return traps_; }

  // The VM runs from now on.
  void Launch() { launched_ = true; }

  // Has the first range that `request` touches carry it out: 0 when it was
  // done, and what a read reads is in `request`, masked to its size; kNobody;
  // -EIO when the access does not lie wholly in that range; -EINVAL for an
  // unknown type or direction, a size that is none, or a port past the last
  // one; or what the handler says.
  int Emulate(acrn_io_request& request) const;

 private:
  struct MmioRange {
    uint64_t start;
    uint64_t end;
    MmioHandler handler;
    void* data;
  };
  struct Ports {
    PortRange range;
    PortReader reader;
    PortWriter writer;
    void* data;
  };

  int EmulateMmio(acrn_io_request& request) const;
  int EmulatePorts(acrn_pio_request& access) const;
  absl::Status CheckPorts(uint16_t base, uint32_t length) const;

  bool launched_ = false;
  std::vector<MmioRange> mmio_;
  std::vector<Ports> ports_;
  std::array<uint8_t, 0x10000 / 8> traps_;
};

// Puts the all ones that nobody's read reads into `request`, whose type and
// direction are valid.
void AnswerForNobody(acrn_io_request& request);

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_EMULATION_RANGES_H_
