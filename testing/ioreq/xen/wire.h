// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_WIRE_H_
#define IVSHMEM_TESTING_IOREQ_XEN_WIRE_H_

#include <cstdint>
#include <type_traits>

#include "testing/ioreq/xen/shared_area.h"

// What a test and the process that simulates Xen say to each other: one command
// and one reply at a time on each SOCK_SEQPACKET socket. One socket is for
// hypercalls and the like, one for each vCPU.
namespace ivshmem::xen_simulation {

struct Command {
  enum Kind : uint32_t {
    // Hypercalls. The reply's result is Xen's.
    kCreateServer,
    kDestroyServer,  // server
    kEnableServer,   // server, a: on
    kMapPage,        // server
    kMapRange,       // server, type, a to b
    kUnmapRange,
    kInjectMsi,  // a: address, b: data
    kBind,       // a: handle, b: the domain's port
    kUnbind,
    // A vCPU's access: `request`, of which all but state and port count. With
    // `server` it goes there, claimed or not, as a late one does. The reply has
    // the slot as it was when it was answered. The result is 0; kUnclaimed;
    // -ECANCELED when the server went away; -ETIMEDOUT.
    kAccess,
    // `a` accesses of an echo device, drawn from the seed `b`, until one is not
    // answered: of all kinds, with what they read checked unless `type` is 1;
    // or, with `server`, with anything in them. The reply's value is how many
    // were answered.
    kStorm,
    // Writes `request`, its state too, into a slot that no request is in, and
    // raises its event.
    kPoke,  // server, vcpu
    kPeek,  // The reply has the slot.
    kRaise,
    // The reply's value is how many messages came, a and b of which are the
    // last's address and data. They are forgotten.
    kTakeMessages,
    // The same for the oldest one alone: the value is 1, or 0 without one.
    kTakeMessage,
    // The reply's value is how many requests were answered so far.
    kAnswered,
    // The reply's text is what went against the rules. While no vCPU is at
    // work.
    kReport,
  };

  uint32_t kind = kReport;
  int32_t server = -1;
  int32_t vcpu = 0;
  uint32_t type = 0;
  uint64_t a = 0;
  uint64_t b = 0;
  ioreq_t request = {};
};

// Of kAccess: no server has all of it.
inline constexpr int32_t kUnclaimed = 1;

struct Reply {
  int32_t result = 0;
  uint64_t value = 0;
  uint64_t a = 0;
  uint64_t b = 0;
  ioreq_t request = {};
  char text[512] = {};
};

bool SendBytes(int socket, const void* bytes, uint64_t size);
bool ReceiveBytes(int socket, void* bytes, uint64_t size);

// False when the other end is gone.
template <typename T>
bool Send(int socket, const T& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  return SendBytes(socket, &message, sizeof(message));
}
template <typename T>
bool Receive(int socket, T& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  return ReceiveBytes(socket, &message, sizeof(message));
}

}  // namespace ivshmem::xen_simulation

#endif  // IVSHMEM_TESTING_IOREQ_XEN_WIRE_H_
