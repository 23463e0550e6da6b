// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_LINK_H_
#define IVSHMEM_CAPI_LINK_H_

#include <memory>

#include "backends/linux/link_events.h"
#include "backends/linux/server_link.h"
#include "capi/in_use.h"
#include "ivshmem/ivshmem.h"

// Goes from the bottom up.
struct ivshmem_link : private ivshmem::LinkEvents {
  ivshmem_link(ivshmem_loop& on, const ivshmem_link_options& options);

  // Null for an embedder who wants none.
  ivshmem::LinkEvents* events() { return event != nullptr ? this : nullptr; }

  void OnLinkEvent(const ivshmem::LinkEvent& happened) noexcept override;

  ivshmem_loop& loop;
  void (*const event)(void* opaque, const ivshmem_link_event* event);
  void* const opaque;
  ivshmem::capi::InUse::Use loop_use;
  // By devices, and by those who have its memory.
  ivshmem::capi::InUse in_use;
  std::unique_ptr<ivshmem::ServerLink> link;
};

#endif  // IVSHMEM_CAPI_LINK_H_
