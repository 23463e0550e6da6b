// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_LISTENING_SOCKET_H_
#define IVSHMEM_SERVER_LISTENING_SOCKET_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::server {

// A listening socket with a name in the file system that this process alone
// serves. A file PATH.lock beside it is locked meanwhile; both are removed with
// the object, if they are still its own.
//
// Threading: a value.
class ListeningSocket {
 public:
  // Listens at `path`, in place of a socket there that nobody serves any more.
  // The file has permission bits `mode`. Errors: AlreadyExists when a process
  // serves it, ours or another's, or when the file is no socket; neither is
  // touched. What the kernel says.
  static absl::StatusOr<ListeningSocket> Listen(const std::string& path,
                                                mode_t mode);

  // One that somebody else made and removes, as systemd. Errors:
  // InvalidArgument if it is no listening UNIX stream socket.
  static absl::StatusOr<ListeningSocket> Adopt(UniqueFd fd);

  ListeningSocket(ListeningSocket&&) = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  // Where clients connect.
  const std::string& path() const { return path_; }

 private:
  ListeningSocket() = default;

  UniqueFd fd_;
  UniqueFd lock_;
  std::string path_;
  // The socket's file as it was made.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_LISTENING_SOCKET_H_
