// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_HAND_OVER_H_
#define IVSHMEM_BACKENDS_LINUX_HAND_OVER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "backends/linux/link_hand_over.h"
#include "backends/linux/unique_fd.h"

// A device that goes from one process to another of the same machine, as to a
// newer version of its VMM, while its peers ring: bytes and descriptors over a
// stream socket of the UNIX domain.
//
//   old process                          new process
//   (vCPUs are paused)
//   link->HandOver(); device->Save();
//   SendHandOver(socket, ...)            ReceiveHandOver(socket, ...)
//                                        ServerLink::Adopt(), Restore(),
//                                        Attach()
//   (returns)                            ConfirmHandOver(socket)
//   (ends)                               (vCPUs run)
//
// Descriptors of the hypervisor are the VMM's own to hand on.
//
// Threading: plain functions; they wait, and so are no work for an event loop's
// thread.
namespace ivshmem {

struct HandOver {
  std::string device;  // What EncodeState() gave, as a rule.
  LinkHandOver link;
};

struct HandOverLimits {
  size_t most_bytes = size_t{2} << 20;
  // Of the link's, see ServerLink::Options::max_descriptors, and a few more.
  size_t most_descriptors = 16384 + 64;
};

// Sends it, and returns when the other process has confirmed that it goes on.
// `hand_over` is as it was, and keeps its descriptors: on an error the device
// can go on here, when `socket` has been closed (ServerLink::Adopt()). Errors:
// DeadlineExceeded after `timeout`; Unavailable when the other side has closed;
// what the kernel says.
//
// An error after the other side has confirmed is possible, as with any message:
// when DeadlineExceeded came, who must be sure ends the other process first.
absl::Status SendHandOver(int socket, const HandOver& hand_over,
                          absl::Duration timeout);

// Receives one. What comes may be anything: an error then, and nothing else.
// Errors: InvalidArgument that names the field, what was expected and what
// came; ResourceExhausted when this process may not have so many descriptors;
// else as SendHandOver().
absl::StatusOr<HandOver> ReceiveHandOver(int socket,
                                         const HandOverLimits& limits,
                                         absl::Duration timeout);

// Tells the old process that its device goes on here. Errors: Unavailable when
// the old process does not wait any more: the device is its own.
absl::Status ConfirmHandOver(int socket);

// The same without a socket: what of a HandOver are bytes, and the descriptors
// that go with them, which stay the hand-over's.
struct HandOverParts {
  std::string bytes;
  std::vector<int> fds;
};
HandOverParts TakeApart(const HandOver& hand_over);

// Errors: as ReceiveHandOver().
absl::StatusOr<HandOver> PutTogether(absl::string_view bytes,
                                     std::vector<UniqueFd> fds);

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_HAND_OVER_H_
