// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/serve.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/memory_object.h"
#include "server/limits.h"
#include "server/listening_socket.h"
#include "server/memory.h"
#include "server/server.h"
#include "tools/ivshmem/stop.h"

namespace ivshmem::tool {

absl::Status Serve(const ServerOptions& options) {
  const absl::StatusOr<int> max_peers =
      server::FitDescriptors(options.max_peers, options.vectors);
  if (!max_peers.ok()) return max_peers.status();
  const auto loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  absl::StatusOr<Stop> stop = Stop::OnSignals();
  if (!stop.ok()) return stop.status();
  const absl::StatusOr<server::ListeningSocket> socket =
      server::ListeningSocket::Listen(options.socket, options.mode);
  if (!socket.ok()) return socket.status();
  const absl::StatusOr<MemoryObject> memory =
      server::OpenMemory(options.memory);
  if (!memory.ok()) return memory.status();
  const auto server =
      server::Server::Start(**loop, socket->fd(), memory->fd(),
                            {.vectors = options.vectors,
                             .max_peers = *max_peers,
                             .access = options.access,
                             .stall_timeout = options.stall_timeout,
                             .keep_ids = options.keep_ids},
                            nullptr);
  if (!server.ok()) return server.status();
  const absl::Status watched = stop->Watch(**loop);
  if (!watched.ok()) return watched;
  while (!stop->requested()) (*loop)->Dispatch(absl::InfiniteDuration());
  return absl::OkStatus();
}

}  // namespace ivshmem::tool
