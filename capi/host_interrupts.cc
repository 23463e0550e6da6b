// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/host_interrupts.h"

#include <optional>

namespace ivshmem::capi {

void HostEvents::OnEvent(const DeviceEvent& event) noexcept {
  using Kind = DeviceEvent::Kind;
  ivshmem_event out = {};
  out.struct_size = sizeof(out);
  out.kind = static_cast<uint32_t>(event.kind);
  out.peer = event.doorbell.peer;
  out.vector = event.doorbell.vector;
  out.address = event.address;
  const bool ring = event.kind == Kind::kRing;
  const bool interrupt = event.kind == Kind::kInterrupt;
  if (ring) out.result = static_cast<uint32_t>(event.ring);
  if (interrupt) out.result = static_cast<uint32_t>(event.interrupt);
  const std::string text(event.text);
  out.text = text.c_str();
  std::optional<Inside> inside;
  if (!ring && !interrupt) inside.emplace(device_);
  host_.event(host_.opaque, &out);
}

}  // namespace ivshmem::capi
