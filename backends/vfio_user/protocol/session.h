// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SESSION_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/protocol/device_model.h"
#include "backends/vfio_user/protocol/version.h"
#include "backends/vfio_user/protocol/wire.h"

namespace ivshmem::vfio_user {

// What is said to a client, in one piece: nothing, or one message.
struct Reply {
  std::vector<uint8_t> bytes;
  std::vector<BorrowedFd> fds;  // With the first byte.
  // The connection ends when it has gone out.
  bool last = false;
};

// A server's half of a conversation with one client, without a socket: requests
// in, replies out.
//
// A client may do anything. What no guest can bring about and makes no sense
// gets an error reply; what leaves the stream in doubt or tries the server's
// limits ends the connection: messages of impossible sizes, that are no
// requests, with descriptors where none belong, before VERSION or with a second
// one. Reads and writes of known regions always succeed, as clients' guests can
// reach any offset (and Cloud Hypervisor waits for ever when one fails): what
// is outside of the region reads as zeros and is not written.
//
// Threading: one thread, the model's.
class Session {
 public:
  // `model` outlives the session. `busy`: the model has another client; this
  // one is told so in the answer to its VERSION (EBUSY), and that is all.
  explicit Session(DeviceModel& model, bool busy = false)
      : model_(model), busy_(busy) {}

  // How many bytes the payload of the message has that `header` begins. Errors:
  // the connection ends.
  absl::StatusOr<size_t> PayloadSize(const Header& header) const;

  // Handles a message that PayloadSize() has let pass. `reply` is emptied
  // first. Descriptors that are not used are closed. Errors: the connection
  // ends.
  absl::Status Handle(const Header& header, absl::Span<const uint8_t> payload,
                      std::vector<UniqueFd> fds, Reply& reply);

 private:
  using Payload = absl::Span<const uint8_t>;

  // Each appends what follows the header and returns 0, or returns an errno.
  int Answer(Command command, Payload payload, std::vector<UniqueFd> fds,
             Reply& reply);
  int AnswerVersion(Payload payload, Reply& reply);
  int AnswerInfo(Payload payload, Reply& reply) const;
  int AnswerRegionInfo(Payload payload, Reply& reply) const;
  int AnswerIoFds(Payload payload, Reply& reply) const;
  int AnswerIrqInfo(Payload payload, Reply& reply) const;
  int AnswerSetIrqs(Payload payload, std::vector<UniqueFd> fds);
  int AnswerRead(Payload payload, Reply& reply);
  int AnswerWrite(Payload payload, Reply& reply);
  int AnswerWriteMulti(Payload payload, Reply& reply);

  void Write(const RegionAccess& access, Payload data);

  DeviceModel& model_;
  const bool busy_;
  std::optional<Agreement> agreement_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SESSION_H_
