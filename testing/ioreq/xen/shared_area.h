// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_SHARED_AREA_H_
#define IVSHMEM_TESTING_IOREQ_XEN_SHARED_AREA_H_

// clang-format off
#include <cstdint>  // Xen's header needs it.
#include <xen/hvm/ioreq.h>
// clang-format on

#include <array>
#include <atomic>

// The memory that the process of the device model and the one that simulates
// Xen really share.
namespace ivshmem::xen_simulation {

inline constexpr int kServers = 8;   // That a domain may have.
inline constexpr int kSlots = 128;   // Of a page.
inline constexpr int kHandles = 16;  // Of event channels, that a domain has.
inline constexpr uint64_t kPage = 4096;

// RAM: frames 0 to 255, with a hole.
inline constexpr uint64_t kFrames = 256;
inline constexpr uint64_t kHole = 200;

// A pair of event channels, between a server and a vCPU.
struct Channel {
  static constexpr uint32_t kPending = 1;
  static constexpr uint32_t kMasked = 2;

  // To the device model: whose handle it is bound to, plus 1; 0 for nobody's.
  std::atomic<uint32_t> handle;
  std::atomic<uint32_t> engine;
  // To the vCPU: how many events there were. A futex.
  std::atomic<uint32_t> vcpu;
};

struct SharedArea {
  alignas(kPage) ioreq_t pages[kServers][kSlots];
  alignas(kPage) Channel channels[kServers][kSlots];
  alignas(kPage) uint8_t ram[kFrames][kPage];
};
static_assert(sizeof(ioreq_t) == 32);
static_assert(sizeof(SharedArea::pages[0]) == kPage);

// The domain's port of a channel, and back; ports are not the vCPUs' numbers.
constexpr uint32_t PortOf(int server, int vcpu) {
  return 1 + 2 * static_cast<uint32_t>(server * kSlots + vcpu);
}
constexpr bool IsPort(uint32_t port) {
  return port % 2 == 1 && port < 2 * kServers * kSlots;
}
constexpr int ServerOf(uint32_t port) {
  return static_cast<int>(port / 2 / kSlots);
}
constexpr int VcpuOf(uint32_t port) {
  return static_cast<int>(port / 2 % kSlots);
}

// What the byte at `offset` of an echo device reads; it wants the complement
// written.
constexpr uint8_t EchoByte(uint64_t offset) {
  return static_cast<uint8_t>(offset * 29 + (offset >> 8) + 3);
}

// Where there are echo devices, 4 KiB each; ports 256.
inline constexpr uint64_t kEchoMemory = 0xd0000000;
inline constexpr uint64_t kEchoPorts = 0xc000;
inline constexpr uint64_t kEchoFunction = 0x00f8;  // Bus 0, device 31.

}  // namespace ivshmem::xen_simulation

#endif  // IVSHMEM_TESTING_IOREQ_XEN_SHARED_AREA_H_
