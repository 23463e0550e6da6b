// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_SERVER_END_H_
#define IVSHMEM_TESTING_QEMU_SERVER_END_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"

namespace ivshmem::qemu {

// The server's end of a socket whose other end a QEMU device gets: says what a
// test tells it to. Uses nothing of this project's protocol code, so that
// QEMU's device can be asked by itself. Failures are GoogleTest's.
class ServerEnd {
 public:
  ServerEnd();

  // For Qemu::Options::inherit; DropClient() once QEMU has it.
  int client() const { return client_.get(); }
  void DropClient() { client_.Reset(); }

  // One message: 8 bytes, little-endian; `fd` -1 for none.
  void Send(int64_t number, int fd = -1);

  // Version, id, and the memory.
  void Greet(PeerId id, int memory);

  // New eventfds for `vectors` vectors of `peer`, sent and returned.
  std::vector<UniqueFd> Connect(PeerId peer, int vectors);

 private:
  UniqueFd socket_;
  UniqueFd client_;
};

// An anonymous file of `size` bytes of zeros.
UniqueFd MakeMemory(uint64_t size);

// Signals an eventfd, and takes all its signals: how many there were.
void Kick(const UniqueFd& event);
uint64_t TakeKicks(const UniqueFd& event);

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_SERVER_END_H_
