// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_TEST_CLIENT_H_
#define IVSHMEM_SERVER_TEST_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"
#include "core/protocol/client.h"
#include "core/protocol/message_reader.h"

namespace ivshmem::server {

// A client for tests: reads only when it is told to, and judges every message
// by the protocol.
class TestClient {
 public:
  // Keeps the descriptors of vectors only if it is to, else closes them.
  enum class Vectors : uint8_t { kKeep, kClose };

  explicit TestClient(UniqueFd socket, Vectors vectors = Vectors::kKeep)
      : vectors_(vectors), socket_(std::move(socket)) {}

  // Reads all that is there, or at most so many messages. Returns how many.
  int Read(int most = -1);

  // Whether the server has closed the connection, and all was read.
  bool closed() const { return closed_; }
  // What the server did that the protocol forbids.
  const absl::Status& error() const { return error_; }
  std::optional<PeerId> id() const { return protocol_.id(); }
  bool joined() const { return protocol_.joined(); }
  int memory() const { return memory_.get(); }

  // How many vectors each peer has, this client among them.
  const std::map<PeerId, int>& peers() const { return peers_; }
  // Of all of them together.
  size_t vectors() const { return known_; }
  // The event of a peer's vector, or of this client's own.
  int event(PeerId peer, Vector vector) const {
    return events_.at({peer, vector}).get();
  }
  const std::vector<protocol::ClientEvent>& told() const { return told_; }

  int fd() const { return socket_.get(); }
  void Close() { socket_.Reset(); }

 private:
  void Take(protocol::MessageReader<UniqueFd>::Message message);

  const Vectors vectors_;
  UniqueFd socket_;
  bool closed_ = false;
  absl::Status error_;
  protocol::MessageReader<UniqueFd> reader_;
  protocol::Client protocol_;
  UniqueFd memory_;
  std::map<PeerId, int> peers_;
  size_t known_ = 0;
  std::map<std::pair<PeerId, Vector>, UniqueFd> events_;
  std::vector<protocol::ClientEvent> told_;
};

// How many descriptors this process has open.
int OpenDescriptors();

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_TEST_CLIENT_H_
