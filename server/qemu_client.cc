// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/qemu_client.h"

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ivshmem::server {

bool MayBeQemu(pid_t pid) {
  if (pid <= 0) return true;
  std::ifstream comm(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  if (!std::getline(comm, name)) return true;
  return absl::StartsWith(name, "qemu");
}

}  // namespace ivshmem::server
