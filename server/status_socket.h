// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_STATUS_SOCKET_H_
#define IVSHMEM_SERVER_STATUS_SOCKET_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "server/acceptor.h"

namespace ivshmem::server {

// Writes a document to everybody who connects, and closes. Serves a few readers
// at a time and waits for each for some seconds; others are closed unserved.
//
// Threading: the loop's thread.
class StatusSocket {
 public:
  static constexpr int kMostReaders = 8;

  struct Options {
    absl::AnyInvocable<std::string()> document;
    absl::Duration patience = absl::Seconds(5);
  };

  // The listening socket `listener` is the caller's, who closes it after this.
  static absl::StatusOr<std::unique_ptr<StatusSocket>> Start(EventLoop& loop,
                                                             int listener,
                                                             Options options);

 private:
  struct Reader {
    UniqueFd connection;
    std::string document;
    size_t written = 0;
    std::unique_ptr<EventLoop::Watch> watch;
    std::unique_ptr<EventLoop::Timer> patience;
  };

  StatusSocket(EventLoop& loop, Options options);

  void Connected(UniqueFd connection);
  // Returns false when there is no more to write, or nobody to read it.
  static bool Write(Reader& reader);
  absl::Status Wait(uint64_t number, Reader& reader);

  EventLoop& loop_;
  Options options_;
  uint64_t last_reader_ = 0;
  absl::btree_map<uint64_t, std::unique_ptr<Reader>> readers_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_STATUS_SOCKET_H_
