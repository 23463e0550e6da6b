// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/memory_segments.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.
#include <unistd.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ivshmem::acrn {
namespace {

absl::Status CheckAligned(absl::string_view field, uint64_t value) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (value % page == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected a multiple of the page size, %d, as ACRN maps only whole "
      "pages; got %#x",
      field, page, value));
}

class Segment : public Registration {
 public:
  Segment(Hsm& hsm, const acrn_vm_memmap& map) : hsm_(hsm), map_(map) {}

  ~Segment() override {
    // The kernel takes nothing away that is called RAM; of this it looks only
    // at the place, and what was mapped there is not asked.
    map_.type = ACRN_MEMMAP_MMIO;
    map_.attr = 0;
    map_.service_vm_pa = 0;
    hsm_.Ioctl(ACRN_IOCTL_UNSET_MEMSEG, &map_);
  }

 private:
  Hsm& hsm_;
  acrn_vm_memmap map_;
};

}  // namespace

absl::StatusOr<RegistrationPtr> MemorySegments::Map(uint64_t base,
                                                    const SharedMemory& memory,
                                                    MemoryAccess access) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data);
  for (const absl::Status& status :
       {CheckAligned("guest-physical address", base),
        CheckAligned("memory.size", memory.size),
        CheckAligned("memory.data", address)}) {
    if (!status.ok()) return status;
  }
  if (memory.size == 0) {
    return absl::InvalidArgumentError("memory.size: expected some, got 0");
  }
  acrn_vm_memmap map = {};
  map.type = ACRN_MEMMAP_RAM;
  map.attr = ACRN_MEM_TYPE_WB | ACRN_MEM_ACCESS_READ |
             (access == MemoryAccess::kReadWrite ? ACRN_MEM_ACCESS_WRITE : 0);
  map.user_vm_pa = base;
  map.vma_base = address;
  map.len = memory.size;
  const int result = hsm_.Ioctl(ACRN_IOCTL_SET_MEMSEG, &map);
  if (result < 0) {
    return IoctlError(
        result, absl::StrFormat("mapping %#x bytes at %#x", memory.size, base));
  }
  return std::make_unique<Segment>(hsm_, map);
}

}  // namespace ivshmem::acrn
