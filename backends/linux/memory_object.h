// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_MEMORY_OBJECT_H_
#define IVSHMEM_BACKENDS_LINUX_MEMORY_OBJECT_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "backends/linux/unique_fd.h"
#include "core/shared_memory.h"

namespace ivshmem {

// A MemoryObject in this process's address space; unmapped with it. Moves keep
// the address.
//
// Where the object is not sealed, whoever has it open can shrink it, and an
// access past its new end raises SIGBUS.
//
// Threading: a value; the memory is anybody's.
class MappedMemory {
 public:
  MappedMemory() = default;
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;
  ~MappedMemory();

  SharedMemory view() const { return view_; }

 private:
  friend class MemoryObject;
  explicit MappedMemory(SharedMemory view) : view_(view) {}

  SharedMemory view_;
};

// The memory that peers share, as an object of the kernel's with a descriptor.
// Of exactly the size that was asked for, in bytes; any size that is a multiple
// of the object's page is fine here (a device wants a power of two).
//
// All errors name what was wrong, what was expected and what came.
//
// Threading: a value, const after it was made.
class MemoryObject {
 public:
  // What tells one object from another, whatever it is called.
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;

    friend bool operator==(const Identity&, const Identity&) = default;
  };

  // Anonymous memory, sealed: nobody can shrink or grow it. `huge_page` is 0 or
  // the size of the huge pages that it consists of, as 2 MiB; whether there are
  // enough of them shows when it is mapped.
  static absl::StatusOr<MemoryObject> Memfd(uint64_t size,
                                            uint64_t huge_page = 0);

  // POSIX shared memory `name` ("/x" or "x"; no other slash). One that exists
  // is taken with what it holds, if it has that size or no size yet. A new one
  // is its owner's alone (mode 0600).
  static absl::StatusOr<MemoryObject> Shm(absl::string_view name,
                                          uint64_t size);

  // A file, on hugetlbfs too. As Shm() for the rest. Errors: InvalidArgument
  // for what is no regular file; a pipe or device is not waited for.
  static absl::StatusOr<MemoryObject> File(const std::string& path,
                                           uint64_t size);

  // What came from elsewhere, as a server. Errors: InvalidArgument if it is not
  // memory that can be shared, has no size, or another than `size` where that
  // is given.
  static absl::StatusOr<MemoryObject> Adopt(UniqueFd fd,
                                            std::optional<uint64_t> size = {});

  // The whole object, shared, cached as any memory (write-back). Errors: what
  // the kernel says, as ResourceExhausted when it lacks huge pages.
  absl::StatusOr<MappedMemory> Map() const;

  int fd() const { return fd_.get(); }
  uint64_t size() const { return size_; }
  Identity identity() const { return identity_; }
  // Whether nobody can shrink it any more.
  bool sealed() const { return sealed_; }
  // Whether it did not exist before.
  bool created() const { return created_; }

 private:
  MemoryObject(UniqueFd fd, const struct stat& status, bool created);

  // Takes the object that a name stands for, or makes it.
  static absl::StatusOr<MemoryObject> Named(
      absl::FunctionRef<int(int flags)> open, absl::FunctionRef<void()> unlink,
      uint64_t size, absl::string_view name);

  UniqueFd fd_;
  uint64_t size_;
  Identity identity_;
  bool sealed_ = false;
  bool created_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_MEMORY_OBJECT_H_
