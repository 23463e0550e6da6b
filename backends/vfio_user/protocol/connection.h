// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_CONNECTION_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/protocol/device_model.h"
#include "backends/vfio_user/protocol/session.h"
#include "backends/vfio_user/protocol/stream.h"

namespace ivshmem::vfio_user {

// One client, on an event loop.
//
// Requests are answered in order, each reply in one send as far as the socket
// takes it. While a client does not read its replies, nothing is read from it.
// One that says nothing at first, or leaves a message unfinished, is given a
// time.
//
// Threading: made and destroyed on the loop's thread (inside Dispatch()), or
// while nobody dispatches.
class Connection {
 public:
  // Called once, as the last thing that a handler does; it may destroy the
  // connection. `why` is OK when the client has closed between two messages.
  using Ended = absl::AnyInvocable<void(const absl::Status& why)>;

  // All outlive the connection. `patience` is for the first message and for the
  // rest of one that has begun. `busy` as in Session. Errors: what the kernel
  // says.
  static absl::StatusOr<std::unique_ptr<Connection>> Start(
      EventLoop& loop, UniqueFd socket, DeviceModel& model,
      absl::Duration patience, Ended ended, bool busy = false);

  // If the client has closed, handles what it sent before, and ends. For who
  // has heard of the next client first.
  void EndIfClosed();

  // Handles what the client has sent, as far as it reads the answers, and lets
  // it send no more: for who is about to destroy this. `ended` is not called.
  void Finish();

 private:
  Connection(UniqueFd socket, DeviceModel& model, absl::Duration patience,
             Ended ended, bool busy);

  void OnReady(uint32_t events);
  // Reads and answers some messages; an error ends the connection.
  absl::Status Serve();
  absl::Status Flush();
  bool Unsent() const { return sent_ < reply_.bytes.size(); }
  void SetPatience(bool running);
  void End(const absl::Status& why);

  MessageStream stream_;
  Session session_;
  const absl::Duration patience_;
  Ended ended_;
  Reply reply_;
  size_t sent_ = 0;  // Of reply_.
  bool patience_runs_ = false;
  bool over_ = false;
  std::unique_ptr<EventLoop::Timer> timer_;
  std::unique_ptr<EventLoop::Watch> watch_;
  bool writing_ = false;  // Waits for room.
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_CONNECTION_H_
