// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_WHOLE_FILE_H_
#define IVSHMEM_SERVER_WHOLE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ivshmem::server {

// All that a file holds; nullopt if there is no such file. Errors:
// InvalidArgument if it is no regular file or holds more than `most` bytes;
// what the kernel says.
absl::StatusOr<std::optional<std::string>> ReadFile(const std::string& path,
                                                    size_t most);

// Puts `content` in the place of the file, or makes it, with permission bits
// `mode` as far as the umask allows. The file `path`.tmp is in between.
absl::Status ReplaceFile(const std::string& path, absl::string_view content,
                         mode_t mode);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_WHOLE_FILE_H_
