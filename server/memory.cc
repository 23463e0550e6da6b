// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::server {
namespace {

absl::StatusOr<MemoryObject> OpenIn(const std::string& directory,
                                    uint64_t size) {
  std::string path = absl::StrCat(directory, "/ivshmem.XXXXXX");
  const UniqueFd made(mkstemp(path.data()));
  if (!made.valid()) return absl::ErrnoToStatus(errno, path);
  const auto remove = absl::MakeCleanup([&path] { unlink(path.c_str()); });
  return MemoryObject::File(path, size);
}

}  // namespace

uint64_t RoundUpToBar(uint64_t size) {
  constexpr uint64_t kMost = uint64_t{1} << 63;
  return size > kMost ? 0 : absl::bit_ceil(size);
}

absl::StatusOr<MemoryObject> OpenMemory(const MemorySpec& spec) {
  if (!absl::has_single_bit(spec.size)) {
    const uint64_t next = RoundUpToBar(spec.size);
    return absl::InvalidArgumentError(absl::StrFormat(
        "size: expected a power of two, as a PCI BAR has, got %d%s", spec.size,
        next == 0 ? ""
                  : absl::StrFormat("; the next power of two is %d", next)));
  }
  switch (spec.kind) {
    case MemorySpec::Kind::kShm:
      return MemoryObject::Shm(spec.name, spec.size);
    case MemorySpec::Kind::kFile:
      return MemoryObject::File(spec.name, spec.size);
    case MemorySpec::Kind::kDirectory:
      return OpenIn(spec.name, spec.size);
    case MemorySpec::Kind::kMemfd:
      break;
  }
  return MemoryObject::Memfd(spec.size, spec.huge_page);
}

void RemoveShm(const MemorySpec& spec, const MemoryObject& object) {
  if (spec.kind != MemorySpec::Kind::kShm) return;
  const UniqueFd there(shm_open(spec.name.c_str(), O_RDONLY, 0));
  struct stat status;
  if (!there.valid() || fstat(there.get(), &status) != 0) return;
  if (MemoryObject::Identity{status.st_dev, status.st_ino} ==
      object.identity()) {
    shm_unlink(spec.name.c_str());
  }
}

}  // namespace ivshmem::server
