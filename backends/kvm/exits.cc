// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/exits.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::kvm {

void HandleMmio(kvm_run& run, MmioHandler& memory) noexcept {
  auto& mmio = run.mmio;
  const size_t size = std::min<size_t>(mmio.len, sizeof(mmio.data));
  if (mmio.is_write != 0) {
    memory.Write(mmio.phys_addr, absl::MakeConstSpan(mmio.data, size));
  } else {
    memory.Read(mmio.phys_addr, absl::MakeSpan(mmio.data, size));
  }
}

void HandleIo(kvm_run& run, MmioHandler& ports) noexcept {
  const auto& io = run.io;
  uint8_t* data = reinterpret_cast<uint8_t*>(&run) + io.data_offset;
  for (uint32_t i = 0; i < io.count; ++i, data += io.size) {
    if (io.direction == KVM_EXIT_IO_OUT) {
      ports.Write(io.port, absl::MakeConstSpan(data, io.size));
    } else {
      ports.Read(io.port, absl::MakeSpan(data, io.size));
    }
  }
}

}  // namespace ivshmem::kvm
