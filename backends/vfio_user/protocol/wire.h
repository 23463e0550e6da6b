// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_WIRE_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "absl/types/span.h"

// What vfio-user's messages look like (docs/interop/vfio-user.rst, version
// 0.x): in the host's byte order, without padding. Sizes are of the payload,
// which is all that follows the header.
namespace ivshmem::vfio_user {

enum class Command : uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kGetInfo = 4,
  kGetRegionInfo = 5,
  kGetRegionIoFds = 6,
  kGetIrqInfo = 7,
  kSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kReset = 13,
  kWriteMulti = 15,
};

struct Header {
  uint16_t id = 0;  // The sender's; a reply has the request's.
  uint16_t command = 0;
  uint32_t size = 0;  // Of the whole message.
  uint32_t flags = 0;
  uint32_t error = 0;  // An errno, of a reply with kError.

  static constexpr uint32_t kTypeBits = 0xf;
  static constexpr uint32_t kRequest = 0;
  static constexpr uint32_t kReply = 1;
  static constexpr uint32_t kNoReply = 0x10;
  static constexpr uint32_t kError = 0x20;
};

struct Version {  // Then JSON that ends in a zero byte.
  uint16_t major = 0;
  uint16_t minor = 0;
};

struct DmaMap {
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t size = 0;
};

struct DmaUnmap {
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint64_t address = 0;
  uint64_t size = 0;
};

struct DeviceInfo {
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint32_t regions = 0;
  uint32_t irqs = 0;

  static constexpr uint32_t kReset = 1 << 0;
  static constexpr uint32_t kPci = 1 << 1;
};

struct RegionInfo {
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint32_t index = 0;
  uint32_t capabilities = 0;
  uint64_t size = 0;
  uint64_t offset = 0;  // In the file that comes with the reply.

  static constexpr uint32_t kRead = 1 << 0;
  static constexpr uint32_t kWrite = 1 << 1;
  static constexpr uint32_t kMmap = 1 << 2;
};

struct RegionIoFds {  // In a reply, then `count` IoFds.
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint32_t index = 0;
  uint32_t count = 0;
};

struct IoFd {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint32_t fd_index = 0;
  uint32_t type = 0;  // 0: an ioeventfd.
  uint32_t flags = 0;
  uint32_t padding = 0;
  uint64_t datamatch = 0;

  static constexpr uint32_t kDatamatch = 1 << 0;  // As KVM_IOEVENTFD's.
};

struct IrqInfo {
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint32_t index = 0;
  uint32_t count = 0;

  static constexpr uint32_t kEventfd = 1 << 0;
};

struct SetIrqs {  // Then `count` bytes, if kBool.
  uint32_t argsz = 0;
  uint32_t flags = 0;
  uint32_t index = 0;
  uint32_t start = 0;
  uint32_t count = 0;

  static constexpr uint32_t kNone = 1 << 0;
  static constexpr uint32_t kBool = 1 << 1;
  static constexpr uint32_t kEventfd = 1 << 2;
  static constexpr uint32_t kMask = 1 << 3;
  static constexpr uint32_t kUnmask = 1 << 4;
  static constexpr uint32_t kTrigger = 1 << 5;
};

struct RegionAccess {  // Then `count` bytes, in a write and a read's reply.
  uint64_t offset = 0;
  uint32_t region = 0;
  uint32_t count = 0;
};

struct MultiWrite {
  uint64_t offset = 0;
  uint32_t region = 0;
  uint32_t count = 0;
  uint8_t data[8] = {};
};

static_assert(sizeof(Header) == 16 && sizeof(Version) == 4 &&
              sizeof(DmaMap) == 32 && sizeof(DmaUnmap) == 24 &&
              sizeof(DeviceInfo) == 16 && sizeof(RegionInfo) == 32 &&
              sizeof(RegionIoFds) == 16 && sizeof(IoFd) == 40 &&
              sizeof(IrqInfo) == 16 && sizeof(SetIrqs) == 20 &&
              sizeof(RegionAccess) == 16 && sizeof(MultiWrite) == 24);

// What one message may carry.
inline constexpr size_t kMostFds = 16;
inline constexpr uint32_t kMostData = 1 << 20;
inline constexpr uint32_t kMostMessage =
    sizeof(Header) + sizeof(RegionAccess) + kMostData;

// PCI's regions and interrupts, by VFIO's numbers.
inline constexpr uint32_t kRegions = 9;
inline constexpr uint32_t kConfigRegion = 7;
inline constexpr uint32_t kIrqs = 5;
inline constexpr uint32_t kMsixIrq = 2;
inline constexpr uint32_t kErrorIrq = 3;

// The T that `bytes` begin with; nullopt when they are too few.
template <typename T>
std::optional<T> Load(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

template <typename T>
void Append(const T& value, std::vector<uint8_t>& bytes) {
  const auto* from = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof(T));
}

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_WIRE_H_
