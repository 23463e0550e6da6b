// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/memory.h"

#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unique_fd.h"
#include "capi/descriptor.h"
#include "capi/errors.h"

namespace ivshmem::capi {
namespace {

int Map(absl::StatusOr<MemoryObject> object, uint32_t flags,
        ivshmem_memory** memory) {
  if (!object.ok()) return Fail(object.status());
  if ((flags & IVSHMEM_MEMORY_SEALED) != 0 && !object->sealed()) {
    return Fail(EACCES,
                "fd: expected memory that is sealed against shrinking, got "
                "memory that is not");
  }
  absl::StatusOr<MappedMemory> mapped = object->Map();
  if (!mapped.ok()) return Fail(mapped.status());
  auto made = std::make_shared<Memory>();
  made->object = *std::move(object);
  made->mapped = *std::move(mapped);
  made->view = made->mapped.view();
  *memory = new ivshmem_memory{std::move(made)};
  return 0;
}

int NoPlace() {
  return Fail(EINVAL, "memory: expected a place for the handle, got null");
}

}  // namespace
}  // namespace ivshmem::capi

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

int ivshmem_memory_map_fd(int fd, uint64_t size, uint32_t flags,
                          ivshmem_memory** memory) {
  return Guard([&] {
    if (memory == nullptr) return NoPlace();
    if ((flags & ~IVSHMEM_MEMORY_SEALED) != 0) {
      return Fail(EINVAL,
                  absl::StrFormat("flags: expected IVSHMEM_MEMORY_..., got %#x",
                                  flags));
    }
    absl::StatusOr<UniqueFd> own = Duplicate(fd);
    if (!own.ok()) return Fail(own.status());
    std::optional<uint64_t> wanted;
    if (size != 0) wanted = size;
    return Map(MemoryObject::Adopt(*std::move(own), wanted), flags, memory);
  });
}

int ivshmem_memory_create(uint64_t size, ivshmem_memory** memory) {
  return Guard([&] {
    if (memory == nullptr) return NoPlace();
    return Map(MemoryObject::Memfd(size), 0, memory);
  });
}

int ivshmem_memory_wrap(void* data, uint64_t size, ivshmem_memory** memory) {
  return Guard([&] {
    if (memory == nullptr) return NoPlace();
    if (data == nullptr || size == 0) {
      return Fail(EINVAL,
                  absl::StrFormat("data: expected memory, got %d bytes "
                                  "%s",
                                  size, data == nullptr ? "at null" : ""));
    }
    auto made = std::make_shared<Memory>();
    made->view = {static_cast<uint8_t*>(data), size};
    *memory = new ivshmem_memory{std::move(made)};
    return 0;
  });
}

void* ivshmem_memory_data(const ivshmem_memory* memory) {
  return memory == nullptr ? nullptr : memory->memory->view.data;
}

uint64_t ivshmem_memory_size(const ivshmem_memory* memory) {
  return memory == nullptr ? 0 : memory->memory->view.size;
}

int ivshmem_memory_fd(const ivshmem_memory* memory) {
  if (memory == nullptr) return Fail(EINVAL, "memory: expected one, got null");
  if (!memory->memory->object.has_value()) {
    return Fail(ENOENT,
                "memory: expected an object of the kernel's, got plain "
                "memory");
  }
  return memory->memory->object->fd();
}

void ivshmem_memory_destroy(ivshmem_memory* memory) { delete memory; }
