// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_MESSAGE_H_
#define IVSHMEM_CORE_PROTOCOL_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>

// The protocol between an ivshmem server and its clients (specification, "The
// ivshmem Client-Server Protocol"). Only the server speaks. A message is one
// signed number of 64 bits, little-endian, and at most one handle beside it (on
// Linux a file descriptor that carries an event or the memory).
namespace ivshmem::protocol {

inline constexpr size_t kMessageBytes = 8;

// The version that this library speaks; the first message.
inline constexpr int64_t kVersion = 0;

// The number of the message that carries the shared memory.
inline constexpr int64_t kMemory = -1;

using MessageBytes = std::array<uint8_t, kMessageBytes>;

constexpr MessageBytes Encode(int64_t number) {
  MessageBytes bytes{};
  auto rest = static_cast<uint64_t>(number);
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>(rest);
    rest >>= 8;
  }
  return bytes;
}

constexpr int64_t Decode(const MessageBytes& bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < kMessageBytes; ++i) {
    number |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  }
  return static_cast<int64_t>(number);
}

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_MESSAGE_H_
