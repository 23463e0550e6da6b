// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/server.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"

namespace ivshmem::xen {

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    DeviceModel& device_model, ForeignMemory& memory) {
  const int id = device_model.CreateServer();
  if (id < 0) return CallError(id, "creating an I/O request server");
  auto server = absl::WrapUnique(new Server(device_model, memory, id));

  ForeignMemory::ServerPage page;
  const int mapped = memory.MapServerPage(id, &page);
  if (mapped < 0) {
    return CallError(
        mapped,
        absl::StrFormat("mapping the page of I/O request server %d", id));
  }
  server->page_ = page;

  const int enabled = device_model.EnableServer(id, true);
  if (enabled < 0) {
    return CallError(enabled,
                     absl::StrFormat("enabling I/O request server %d", id));
  }
  server->enabled_ = true;
  return server;
}

Server::~Server() {
  Disable();
  if (page_.data != nullptr) memory_.UnmapServerPage(page_);
  device_model_.DestroyServer(id_);
}

void Server::Disable() noexcept {
  if (std::exchange(enabled_, false)) device_model_.EnableServer(id_, false);
}

}  // namespace ivshmem::xen
