// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/memory_object.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace ivshmem {
namespace {

constexpr char kHugePages[] = "/sys/kernel/mm/hugepages";
constexpr uint64_t kSmallestHugePage = uint64_t{64} << 10;

// Since Linux 6.3, and demanded where vm.memfd_noexec is 2.
constexpr unsigned kMfdNoexecSeal = 0x8;

// Times that an object is looked for and then made, while others make and
// remove it.
constexpr int kTries = 16;

absl::Status CheckSize(uint64_t size, uint64_t page, absl::string_view name) {
  if (size == 0 || size % page != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: expected a size that is a multiple of %d bytes, its page, got %d",
        name, page, size));
  }
  if (size > uint64_t{std::numeric_limits<off_t>::max()}) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: expected a size of at most %d bytes, got %d", name,
                        std::numeric_limits<off_t>::max(), size));
  }
  return absl::OkStatus();
}

uint64_t SmallPage() { return sysconf(_SC_PAGESIZE); }

// What the object `fd` consists of, in bytes.
uint64_t PageOf(int fd) {
  struct statfs filesystem;
  if (fstatfs(fd, &filesystem) == 0 && filesystem.f_type == HUGETLBFS_MAGIC) {
    return filesystem.f_bsize;
  }
  return SmallPage();
}

absl::Status CheckMemory(const struct stat& status, absl::string_view name) {
  if (S_ISREG(status.st_mode)) return absl::OkStatus();
  const char* kind = S_ISDIR(status.st_mode)    ? "a directory"
                     : S_ISSOCK(status.st_mode) ? "a socket"
                     : S_ISFIFO(status.st_mode) ? "a pipe"
                     : S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)
                         ? "a device"
                         : "no file";
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected memory (a file or shared memory object), got %s", name,
      kind));
}

absl::Status CheckExactSize(const struct stat& status, uint64_t size,
                            absl::string_view name) {
  if (static_cast<uint64_t>(status.st_size) == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected an object of %d bytes, got one of %d", name,
                      size, status.st_size));
}

// The sizes of huge pages that the kernel has: "2097152, 1073741824".
std::string HugePages() {
  std::vector<uint64_t> sizes;
  std::error_code error;
  for (std::filesystem::directory_iterator it(kHugePages, error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    absl::string_view kilobytes = name;
    uint64_t size = 0;
    if (absl::ConsumePrefix(&kilobytes, "hugepages-") &&
        absl::ConsumeSuffix(&kilobytes, "kB") &&
        absl::SimpleAtoi(kilobytes, &size)) {
      sizes.push_back(size << 10);
    }
  }
  return sizes.empty() ? "none" : absl::StrJoin(sizes, ", ");
}

absl::Status SetSize(int fd, uint64_t size, absl::string_view name) {
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(
      errno, absl::StrFormat("%s: set the size to %d bytes", name, size));
}

// Opens a name with these flags and more; -1 and errno, as open().
using Open = absl::FunctionRef<int(int flags)>;
// Without O_NONBLOCK, opening a device may wait, as a line for its carrier.
constexpr int kOpenFlags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
constexpr mode_t kOwnerOnly = 0600;

struct Opened {
  UniqueFd fd;
  bool created = false;
};

absl::StatusOr<Opened> OpenOrCreate(Open open, absl::string_view name) {
  for (int i = 0; i < kTries; ++i) {
    UniqueFd existing(open(kOpenFlags));
    if (existing.valid()) return Opened{std::move(existing), false};
    if (errno != ENOENT) return absl::ErrnoToStatus(errno, name);
    UniqueFd created(open(kOpenFlags | O_CREAT | O_EXCL));
    if (created.valid()) return Opened{std::move(created), true};
    if (errno != EEXIST) return absl::ErrnoToStatus(errno, name);
  }
  return absl::UnavailableError(absl::StrFormat(
      "%s: expected an object or none, got a symbolic link to nothing, or one "
      "that is made and removed all the time",
      name));
}

// Gives the object its size, if it has none yet; returns its state after that.
absl::StatusOr<struct stat> Settle(int fd, uint64_t size,
                                   absl::string_view name) {
  struct stat status;
  if (fstat(fd, &status) != 0) return absl::ErrnoToStatus(errno, name);
  absl::Status usable = CheckMemory(status, name);
  if (usable.ok()) usable = CheckSize(size, PageOf(fd), name);
  if (usable.ok() && status.st_size == 0) {
    usable = SetSize(fd, size, name);
    // Another who did the same may have come in between.
    if (usable.ok() && fstat(fd, &status) != 0) {
      usable = absl::ErrnoToStatus(errno, name);
    }
  }
  if (usable.ok()) usable = CheckExactSize(status, size, name);
  if (!usable.ok()) return usable;
  return status;
}

}  // namespace

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : view_(std::exchange(other.view_, {})) {}

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  MappedMemory taken(std::move(other));
  std::swap(view_, taken.view_);
  return *this;
}

MappedMemory::~MappedMemory() {
  if (view_.data != nullptr) munmap(view_.data, view_.size);
}

MemoryObject::MemoryObject(UniqueFd fd, const struct stat& status, bool created)
    : fd_(std::move(fd)),
      size_(status.st_size),
      identity_{status.st_dev, status.st_ino},
      created_(created) {
  const int seals = fcntl(fd_.get(), F_GET_SEALS);  // -1 where there are none.
  sealed_ = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

absl::StatusOr<MemoryObject> MemoryObject::Memfd(uint64_t size,
                                                 uint64_t huge_page) {
  if (huge_page != 0 &&
      (!std::has_single_bit(huge_page) || huge_page < kSmallestHugePage)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "huge_page: expected a power of two of at least %d bytes, got %d",
        kSmallestHugePage, huge_page));
  }
  const absl::Status checked =
      CheckSize(size, huge_page != 0 ? huge_page : SmallPage(), "memfd");
  if (!checked.ok()) return checked;

  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_page != 0) {
    flags |= MFD_HUGETLB | (std::countr_zero(huge_page) << MFD_HUGE_SHIFT);
  }
  UniqueFd fd(memfd_create("ivshmem", flags | kMfdNoexecSeal));
  if (!fd.valid() && errno == EINVAL) {
    fd.Reset(memfd_create("ivshmem", flags));
  }
  if (!fd.valid() && huge_page != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrFormat(
                   "huge_page: expected one of the sizes in %s (%s), got %d",
                   kHugePages, HugePages(), huge_page));
  }
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "new memfd");
  const absl::Status set = SetSize(fd.get(), size, "memfd");
  if (!set.ok()) return set;
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
      0) {
    return absl::ErrnoToStatus(errno, "memfd: seal it");
  }
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return absl::ErrnoToStatus(errno, "memfd");
  return MemoryObject(std::move(fd), status, /*created=*/true);
}

absl::StatusOr<MemoryObject> MemoryObject::Shm(absl::string_view name,
                                               uint64_t size) {
  const std::string path = absl::StrCat("/", absl::StripPrefix(name, "/"));
  if (path.size() < 2 || path.size() > NAME_MAX + 1 || path == "/." ||
      path == "/.." || path.find('/', 1) != path.npos ||
      path.find('\0') != path.npos) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "shm name: expected 1 to %d characters without a slash after the "
        "first, got '%s'",
        NAME_MAX, absl::CEscape(name)));
  }
  return Named(
      [&path](int flags) { return shm_open(path.c_str(), flags, kOwnerOnly); },
      [&path] { shm_unlink(path.c_str()); }, size,
      absl::StrFormat("shared memory '%s'", path));
}

absl::StatusOr<MemoryObject> MemoryObject::File(const std::string& path,
                                                uint64_t size) {
  const std::string name = absl::StrFormat("file '%s'", absl::CEscape(path));
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": expected a path, without zero bytes"));
  }
  return Named(
      [&path](int flags) { return open(path.c_str(), flags, kOwnerOnly); },
      [&path] { unlink(path.c_str()); }, size, name);
}

absl::StatusOr<MemoryObject> MemoryObject::Named(
    absl::FunctionRef<int(int flags)> open, absl::FunctionRef<void()> unlink,
    uint64_t size, absl::string_view name) {
  absl::StatusOr<Opened> opened = OpenOrCreate(open, name);
  if (!opened.ok()) return opened.status();
  const absl::StatusOr<struct stat> status =
      Settle(opened->fd.get(), size, name);
  if (!status.ok()) {
    if (opened->created) unlink();
    return status.status();
  }
  return MemoryObject(std::move(opened->fd), *status, opened->created);
}

absl::StatusOr<MemoryObject> MemoryObject::Adopt(UniqueFd fd,
                                                 std::optional<uint64_t> size) {
  constexpr absl::string_view kName = "memory";
  const int flags = fcntl(fd.get(), F_GETFL);
  struct stat status;
  if (flags < 0 || fstat(fd.get(), &status) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: expected an object, got descriptor %d, which is not open", kName,
        fd.get()));
  }
  absl::Status usable = CheckMemory(status, kName);
  if (!usable.ok()) return usable;
  if ((flags & O_ACCMODE) != O_RDWR) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: expected an object open for reading and writing, got flags %#o",
        kName, flags));
  }
  usable = CheckSize(status.st_size, PageOf(fd.get()), kName);
  if (usable.ok() && size.has_value()) {
    usable = CheckExactSize(status, *size, kName);
  }
  if (!usable.ok()) return usable;
  if (fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "memory: set FD_CLOEXEC");
  }
  return MemoryObject(std::move(fd), status, /*created=*/false);
}

absl::StatusOr<MappedMemory> MemoryObject::Map() const {
  void* data =
      mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (data != MAP_FAILED) {
    return MappedMemory({.data = static_cast<uint8_t*>(data), .size = size_});
  }
  const int error = errno;
  std::string what = absl::StrFormat("map %d bytes of memory", size_);
  const uint64_t page = PageOf(fd_.get());
  if (error == ENOMEM && page != SmallPage()) {
    absl::StrAppendFormat(&what,
                          ": expected %d free huge pages of %d bytes (see %s)",
                          size_ / page, page, kHugePages);
  }
  return absl::ErrnoToStatus(error, what);
}

}  // namespace ivshmem
