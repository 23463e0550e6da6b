// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_ACCESS_H_
#define IVSHMEM_SERVER_ACCESS_H_

#include <sys/types.h>

#include "absl/container/flat_hash_set.h"
#include "backends/linux/unix_socket.h"

namespace ivshmem::server {

// Who may join, besides what the permissions of the socket's file say.
//
// Threading: a value.
struct AccessList {
  absl::flat_hash_set<uid_t> users;
  absl::flat_hash_set<gid_t> groups;

  // Whether `who` is one of the users, or has one of the groups as its
  // effective one (its further groups are not known). Both lists empty:
  // everybody.
  bool Allows(const unix_socket::Credentials& who) const {
    if (users.empty() && groups.empty()) return true;
    return users.contains(who.uid) || groups.contains(who.gid);
  }
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_ACCESS_H_
