// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_UNIX_SOCKET_H_
#define IVSHMEM_BACKENDS_LINUX_UNIX_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"

// Stream sockets of the UNIX domain that carry descriptors. All are
// non-blocking and closed on exec. Errors name the path and say what the kernel
// said.
//
// Threading: plain functions over descriptors.
namespace ivshmem::unix_socket {

// Connects to the socket at `path`. With an `own_name`, the socket has that
// abstract name, by which the other side may know it again. Errors: Unavailable
// when nobody listens (NotFound when there is no such file), ResourceExhausted
// when the listener's queue is full and a later try may succeed, AlreadyExists
// when another socket has `own_name`, PermissionDenied, InvalidArgument for a
// path or name that is too long or empty.
absl::StatusOr<UniqueFd> Connect(const std::string& path,
                                 const std::optional<std::string>& own_name);

// Listens at `path`, which must not exist (AlreadyExists). Its file never has
// more permission bits than `mode`, and exactly these, whatever the umask, from
// before the first connection. Needs /proc where the umask takes bits of
// `mode`.
absl::StatusOr<UniqueFd> Listen(const std::string& path, mode_t mode);

// The next connection; an invalid descriptor when none waits (or it has gone
// again). Errors: what the kernel says, as EMFILE: ResourceExhausted.
absl::StatusOr<UniqueFd> Accept(int listener);

struct Credentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Who made the connection, when it was made.
absl::StatusOr<Credentials> PeerCredentials(int socket);

// The abstract name to which the other side is bound; "" if it has none.
std::string PeerName(int socket);

enum class Condition : uint8_t {
  kOk,
  // Nothing to read, or no room in the socket's buffer. Wait for the socket.
  kWouldBlock,
  // The other side has closed.
  kClosed,
  // The user has as many descriptors under way as the kernel allows
  // (ETOOMANYREFS), or the kernel has no memory for the message now (ENOBUFS,
  // ENOMEM). The socket's own state says nothing of when that ends: try later.
  kTooManyInFlight,
};

struct Received {
  Condition condition = Condition::kOk;
  size_t bytes = 0;
  std::vector<UniqueFd> fds;
  // More descriptors came: more than 8, or than this process may have open.
  // They are closed.
  bool fds_lost = false;
};

// Reads at most `buffer.size()` bytes, which is not 0, with the descriptors
// beside them, at most 8: more than any message has, so that who gets 8 knows
// that it is none. Errors: what the kernel says.
absl::StatusOr<Received> Receive(int socket, absl::Span<uint8_t> buffer);

// A message of the ivshmem protocol: `fd` is -1 for none, and stays the
// caller's.
struct Message {
  int64_t number = 0;
  int fd = -1;
};

struct SendResult {
  Condition condition = Condition::kOk;  // Why it ended before all were sent.
  size_t messages = 0;                   // Sent whole.
  // Bytes of the message after these that have gone out, its descriptor with
  // them: the `skip` of the next call. Linux does not split so little, but
  // nothing says that it may not.
  size_t bytes = 0;
};

// Most messages that one SendMessages() sends.
inline constexpr size_t kMaxBatch = 64;

// Sends messages, each by itself (a receiver that reads 8 bytes at a time must
// find its descriptor with them), as many as possible in one system call.
// `skip` is the number of bytes of the first that went out before, less than 8.
// Sends kMaxBatch at most. Never raises SIGPIPE. Errors: what the kernel says,
// if it says it of the first message; later ones end the call with kOk, and the
// next call begins with the one that failed.
absl::StatusOr<SendResult> SendMessages(int socket,
                                        absl::Span<const Message> messages,
                                        size_t skip = 0);

// Makes the buffer that holds what the other side has not read yet this small:
// kernel memory, twice `bytes`, of which a message with a descriptor takes 768.
void SetSendBuffer(int socket, int bytes);

// Bytes of kernel memory that hold what the other side has not read yet: 0 when
// it has read all.
int Unread(int socket);

}  // namespace ivshmem::unix_socket

#endif  // IVSHMEM_BACKENDS_LINUX_UNIX_SOCKET_H_
