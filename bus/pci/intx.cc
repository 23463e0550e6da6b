// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/intx.h"

#include <atomic>

namespace ivshmem::pci {

void Intx::Settle() noexcept {
  // The settler orders a store before the kick that follows it, so that the
  // round made for that kick sees it.
  settler_.Kick([this] {
    const bool level =
        !disabled_.load(std::memory_order_relaxed) && source_.IntxLevel();
    if (level == level_) return;
    level_ = level;
    if (line_ != nullptr) line_->SetLevel(level);
  });
}

}  // namespace ivshmem::pci
