// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_STATUS_DOCUMENT_H_
#define IVSHMEM_SERVER_STATUS_DOCUMENT_H_

#include <cstdint>
#include <string>

#include "server/status.h"

namespace ivshmem::server {

// What the server itself does not know.
struct ProcessStatus {
  std::string socket;
  std::string memory;  // In words: "memfd", "shared memory 'x'".
  uint64_t memory_size = 0;
};

// The status in JSON, on several lines, with a line feed at the end. Fields are
// only ever added; docs/server.md describes them.
std::string StatusDocument(const Status& status, const ProcessStatus& process);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_STATUS_DOCUMENT_H_
