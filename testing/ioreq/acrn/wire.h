// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_WIRE_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_WIRE_H_

#include <cstddef>
#include <cstdint>

#include "backends/linux/unique_fd.h"

// What a test and the process that simulates ACRN say to each other: one
// command and one reply at a time on each SOCK_SEQPACKET socket.
namespace ivshmem::acrn_simulation {

struct Command {
  enum Kind : uint32_t {
    // An ioctl: `number` is its request, `data` what the argument points to, or
    // `value` the argument. The eventfd or memory that the argument means comes
    // as a descriptor. The reply has the result and `data` again.
    kIoctl,
    // The guest's access of `vcpu`: `data` is an acrn_io_request, of which type
    // and union count. `flag`: the vCPU polls. The reply has the slot as it was
    // at the end, `value` is whether there was an exit, and the result is 0, or
    // -ETIMEDOUT for a request that nobody answers.
    kAccess,
    // `number` accesses of `vcpu` of all kinds, sane or not, drawn from the
    // seed `value`, around the addresses in `data` (8 of them). The reply's
    // value is how many were answered.
    kStorm,
    // Puts `data` into the slot of `vcpu` as it is, its state last.
    kPoke,
    // The reply has the slot of `vcpu`.
    kPeek,
    // The reply's value is how many messages there were; `data` is the first 16
    // of them (acrn_msi_entry), which are forgotten.
    kTakeMessages,
    // The next `value` ioctls of request `number` fail with errno `vcpu`.
    kFail,
    // The reply's data is a text: what went against the rules; its value is how
    // many requests went through the page, its result how many of them were
    // notified by ioctl.
    kReport,
  };

  uint32_t kind = kIoctl;
  uint32_t vcpu = 0;
  uint32_t flag = 0;
  uint64_t number = 0;
  uint64_t value = 0;
  alignas(8) uint8_t data[256] = {};
};

struct Reply {
  int32_t result = 0;
  uint64_t value = 0;
  alignas(8) uint8_t data[256] = {};
};

// Sends all of `message`, with a descriptor if there is one. False when the
// other end is gone.
bool Send(int socket, const void* message, size_t size, int fd = -1);

// Receives a message of exactly that size, and the descriptor that came with
// it. False when the other end is gone.
bool Receive(int socket, void* message, size_t size, UniqueFd* fd = nullptr);

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_WIRE_H_
