// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::server {
namespace {

absl::Status WriteAll(int fd, absl::string_view content,
                      const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return absl::ErrnoToStatus(errno, path);
    content.remove_prefix(written);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadFile(const std::string& path,
                                                    size_t most) {
  // A pipe is not waited for.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    return absl::ErrnoToStatus(errno, path);
  }
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a regular file, got something else"));
  }
  std::string content;
  std::array<char, 4096> piece;
  while (true) {
    const ssize_t bytes = read(fd.get(), piece.data(), piece.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return absl::ErrnoToStatus(errno, path);
    if (bytes == 0) return content;
    content.append(piece.data(), bytes);
    if (content.size() > most) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: expected at most %d bytes, got more", path, most));
    }
  }
}

absl::Status ReplaceFile(const std::string& path, absl::string_view content,
                         mode_t mode) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  // One may be left over; in a folder that others can write to, it may be
  // theirs.
  unlink(temporary.c_str());
  const UniqueFd fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, temporary);
  absl::Status status = WriteAll(fd.get(), content, temporary);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, path);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace ivshmem::server
