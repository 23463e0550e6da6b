// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_VFIO_USER_CLIENT_H_
#define IVSHMEM_TESTING_VFIO_USER_CLIENT_H_

#include <linux/vfio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/linux/unique_fd.h"

namespace ivshmem::vfio_user {

// A vfio-user client, as a VMM has one, from the protocol's description and
// <linux/vfio.h>: it shares nothing with the server.
//
// Threading: one thread. It waits for each answer, at most 20 seconds.
class Client {
 public:
  struct Message {
    uint16_t id = 0;
    uint16_t command = 0;
    uint32_t flags = 0;
    uint32_t error = 0;
    std::vector<uint8_t> payload;
    std::vector<UniqueFd> fds;
    // Bytes of the first read, which asked for the header alone and waited.
    size_t header_bytes = 0;
  };

  // QEMU's proposal, as it sends it.
  static const std::string& QemusCapabilities();

  // Tries until somebody listens at `path`.
  explicit Client(const std::string& path);
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }

  // Says VERSION and waits for a good answer: the JSON, without its zero byte.
  std::string Greet(uint16_t minor = 0,
                    const std::string& capabilities = QemusCapabilities());

  // Sends bytes as they are.
  bool SendBytes(const std::vector<uint8_t>& bytes,
                 const std::vector<int>& fds = {});
  static std::vector<uint8_t> Bytes(uint16_t id, uint16_t command,
                                    uint32_t flags,
                                    const std::vector<uint8_t>& payload);
  // The next message; nullopt when the server has closed (or said nothing for
  // too long, which fails the test).
  std::optional<Message> Receive();

  // Sends a request and waits for its answer. nullopt when the server closed.
  std::optional<Message> Ask(uint16_t command,
                             const std::vector<uint8_t>& payload,
                             const std::vector<int>& fds = {});
  // A request that wants no answer.
  void Tell(uint16_t command, const std::vector<uint8_t>& payload);

  // Each expects a good answer of the right size.
  vfio_device_info GetInfo();
  vfio_region_info GetRegionInfo(uint32_t index, UniqueFd* fd = nullptr);
  vfio_irq_info GetIrqInfo(uint32_t index);
  uint64_t Read(uint32_t region, uint64_t offset, uint32_t size);
  void Write(uint32_t region, uint64_t offset, uint64_t value, uint32_t size);
  // The answer's errno.
  uint32_t SetIrqs(uint32_t flags, uint32_t index, uint32_t start,
                   uint32_t count, const std::vector<int>& fds = {},
                   const std::vector<uint8_t>& data = {});
  void Reset();

  static std::vector<uint8_t> Access(uint32_t region, uint64_t offset,
                                     uint32_t count,
                                     const std::vector<uint8_t>& data = {});

 private:
  UniqueFd socket_;
  uint16_t next_id_ = 0;
};

// vfio-user's commands.
enum : uint16_t {
  VERSION = 1,
  DMA_MAP = 2,
  DMA_UNMAP = 3,
  GET_INFO = 4,
  GET_REGION_INFO = 5,
  GET_REGION_IO_FDS = 6,
  GET_IRQ_INFO = 7,
  SET_IRQS = 8,
  REGION_READ = 9,
  REGION_WRITE = 10,
  RESET = 13,
  WRITE_MULTI = 15,
};

inline constexpr uint32_t kNoReplyFlag = 0x10;
inline constexpr uint32_t kErrorFlag = 0x20;

// Little pieces of payload.
class Payload {
 public:
  template <typename T>
  Payload& Add(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
    }
    return *this;
  }
  Payload& U32(uint32_t value) { return Add(value); }
  Payload& U64(uint64_t value) { return Add(value); }
  operator std::vector<uint8_t>() const { return bytes_; }  // NOLINT

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_TESTING_VFIO_USER_CLIENT_H_
