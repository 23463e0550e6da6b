// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_STREAM_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/protocol/session.h"
#include "backends/vfio_user/protocol/wire.h"

namespace ivshmem::vfio_user {

// Messages over a UNIX stream socket, which never waits.
//
// A message is read in two steps, its header and its payload, and no byte
// further: a read that took the end of one message and the beginning of the
// next would get the next one's descriptors as if they were its own.
//
// Threading: one thread.
class MessageStream {
 public:
  enum class State : uint8_t {
    kWhole,    // A message is there.
    kNothing,  // Nothing has come of the next message.
    kPart,     // A part of it has come.
    kEnd,      // The other side has closed, between two messages.
  };

  // `socket` is connected.
  explicit MessageStream(UniqueFd socket) : socket_(std::move(socket)) {}

  // Closes the socket so that the other side finds its end, and no reset,
  // whatever it has sent: QEMU (11.1) ends with an assertion on a reset.
  ~MessageStream();
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;

  int fd() const { return socket_.get(); }

  // Reads on. Errors: the session refuses the header; more descriptors came
  // than a message may have, or not with its first bytes; the other side has
  // closed within a message; what the kernel says.
  absl::StatusOr<State> Read(const Session& session);

  // Lets nothing more come than what has been sent; then comes the end.
  void StopReceiving();

  // The message that is there; taken by this.
  struct Message {
    Header header;
    absl::Span<const uint8_t> payload;  // Until the next Read().
    std::vector<UniqueFd> fds;
  };
  Message Take();

  // Sends as much as the socket takes, descriptors and all in one piece as far
  // as it goes: from byte `sent` on, which it moves. Errors: Unavailable when
  // the other side reads no more, what the kernel says.
  absl::Status Send(const Reply& reply, size_t& sent);

 private:
  // Fills `part` from `filled` on: kWhole when it is full.
  absl::StatusOr<State> Fill(absl::Span<uint8_t> part, size_t& filled);

  const UniqueFd socket_;
  Header header_;
  size_t header_filled_ = 0;
  bool sized_ = false;  // The header was let pass.
  std::vector<uint8_t> payload_;
  size_t payload_size_ = 0;
  size_t payload_filled_ = 0;
  std::vector<UniqueFd> fds_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_STREAM_H_
