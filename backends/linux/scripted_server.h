// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_SCRIPTED_SERVER_H_
#define IVSHMEM_BACKENDS_LINUX_SCRIPTED_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"
#include "core/protocol/message.h"

namespace ivshmem {

// A server for tests that says exactly what a test tells it to, right or wrong.
// Failures are reported as GoogleTest's.
class ScriptedServer {
 public:
  // Listens at a path of its own.
  ScriptedServer();
  ~ScriptedServer();

  const std::string& path() const { return path_; }

  // Goes, or comes again at the same path.
  void StopListening();
  void Listen();

  // Whether a client comes within `wait`. It replaces the one before.
  bool AcceptWithin(absl::Duration wait);
  // The client's abstract name.
  std::string client_name() const;

  void Send(int64_t number, std::optional<int> fd = std::nullopt);
  // The same with all the descriptors beside one message.
  void SendAll(int64_t number, const std::vector<int>& fds);
  void SendBytes(const void* bytes, size_t size);
  // The first `size` bytes of a message, with a descriptor.
  void SendPart(const protocol::MessageBytes& message, size_t size, int fd);
  // Version, id and memory.
  void Greet(PeerId id, int memory);
  // New events for `vectors` vectors of `peer`, sent and returned.
  std::vector<std::shared_ptr<EventFd>> Connect(PeerId peer, int vectors);
  void Hangup() { client_.Reset(); }

  // Whether the client closes within `wait`.
  bool ClosedWithin(absl::Duration wait);

 private:
  void Send(const void* bytes, size_t size, const std::vector<int>& fds);

  const std::string directory_;
  const std::string path_;
  UniqueFd listener_;
  UniqueFd client_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_SCRIPTED_SERVER_H_
