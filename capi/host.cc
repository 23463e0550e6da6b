// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/host.h"

#include <cerrno>

#include "absl/strings/str_format.h"
#include "capi/errors.h"
#include "capi/options.h"

namespace ivshmem::capi {
namespace {

constexpr uint32_t kKnownFlags = IVSHMEM_HOST_MISSES_ARE_SWALLOWED |
                                 IVSHMEM_HOST_SIGNALS_STAY |
                                 IVSHMEM_HOST_READ_ONLY_WRITES_TRAP;

int Lonely(const char* what, const char* other) {
  return Fail(EINVAL,
              absl::StrFormat("host.%s: expected it with %s, got one of "
                              "the two",
                              what, other));
}

}  // namespace

int CopyHost(const ivshmem_host* from, ivshmem_host& to) {
  to = {};
  if (from == nullptr) return 0;
  if (const int error = CopyIn(from, "host", to); error != 0) return error;
  if ((to.flags & ~kKnownFlags) != 0 || to.reserved != 0) {
    return Fail(EINVAL,
                absl::StrFormat("host.flags: expected IVSHMEM_HOST_..., got "
                                "%#x, and reserved %#x",
                                to.flags, to.reserved));
  }
  if ((to.map_memory == nullptr) != (to.unmap_memory == nullptr)) {
    return Lonely("map_memory", "unmap_memory");
  }
  if ((to.claim_range == nullptr) != (to.release_range == nullptr)) {
    return Lonely("claim_range", "release_range");
  }
  if ((to.add_ioeventfd == nullptr) != (to.remove_ioeventfd == nullptr)) {
    return Lonely("add_ioeventfd", "remove_ioeventfd");
  }
  const bool binds = to.bind_irq != nullptr || to.bind_irqs != nullptr;
  if (binds != (to.unbind_irq != nullptr)) {
    return Lonely("unbind_irq", "bind_irq or bind_irqs");
  }
  return 0;
}

Executor* Host::Runs(EventLoop* loop) {
  if (host_.run != nullptr) return &executor_;
  return loop;
}

PciDevice::Host Host::ForPci(EventLoop* loop) {
  return {
      .mmio = host_.claim_range != nullptr ? &space_ : nullptr,
      .mapper = host_.map_memory != nullptr ? &mapper_ : nullptr,
      .msi = host_.send_msi != nullptr ? &msi_ : nullptr,
      .intx = host_.set_line != nullptr ? &line_ : nullptr,
      .doorbells = host_.add_ioeventfd != nullptr ? &doorbells_ : nullptr,
      .router = host_.unbind_irq != nullptr ? &router_ : nullptr,
      .executor = Runs(loop),
      .events = host_.event != nullptr ? &events_ : nullptr,
      .timers = loop,
  };
}

FlatDevice::Host Host::ForFlat(EventLoop* loop) {
  return {
      .mmio = host_.claim_range != nullptr ? &space_ : nullptr,
      .mapper = host_.map_memory != nullptr ? &mapper_ : nullptr,
      .irq = host_.pulse != nullptr ? &pulse_ : nullptr,
      .doorbells = host_.add_ioeventfd != nullptr ? &doorbells_ : nullptr,
      .executor = Runs(loop),
      .events = host_.event != nullptr ? &events_ : nullptr,
      .timers = loop,
  };
}

}  // namespace ivshmem::capi
