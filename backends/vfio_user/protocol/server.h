// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SERVER_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SERVER_H_

#include <array>
#include <cstdint>
#include <list>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/protocol/connection.h"
#include "backends/vfio_user/protocol/device_model.h"

namespace ivshmem::vfio_user {

// Serves one device at one listening socket, to one client at a time. Others
// that connect meanwhile are told at once that it is busy: a client that waited
// would take a silent server for a broken one, and QEMU (11.1), into which the
// device is plugged at run time, ends when it is closed without a word. The
// next client finds the device as the last one left it.
//
// A client can make its device's loop wait, if it tries hard (see
// VectorEvents): so each device has a loop of its own where clients are not
// trusted.
//
// Threading: made and destroyed on the loop's thread (inside Dispatch()), or
// while nobody dispatches. `told` is called on the loop's thread.
class Server {
 public:
  struct Options {
    // For a client's first message, and for the rest of one that has begun.
    absl::Duration patience = absl::Seconds(5);
  };

  enum class Event : uint8_t {
    kConnected,
    kLeft,        // As a client should: between two messages.
    kEnded,       // The connection was ended: the status says why.
    kTurnedAway,  // There was a client already.
    kTrouble,     // A connection could not be taken.
    kCount,
  };
  // What happened; not every time is worth a line in a log, as clients decide
  // how often.
  using Told = absl::AnyInvocable<void(Event event, const absl::Status& why)>;

  // `listener`, which stays the caller's, is a listening UNIX stream socket,
  // non-blocking. All outlive the server; `told` may be null. Errors: what the
  // kernel says.
  static absl::StatusOr<std::unique_ptr<Server>> Start(EventLoop& loop,
                                                       int listener,
                                                       DeviceModel& model,
                                                       const Options& options,
                                                       Told told);
  // What the client has sent is answered first.
  ~Server();

  // How often since the start.
  uint64_t count(Event event) const {
    return counts_[static_cast<size_t>(event)];
  }

 private:
  Server(EventLoop& loop, int listener, DeviceModel& model,
         const Options& options, Told told);

  void Accept();
  void Serve(UniqueFd socket);
  void TurnAway(UniqueFd socket);
  void OnEnded(const absl::Status& why);
  void Tell(Event event, const absl::Status& why);

  EventLoop& loop_;
  const int listener_;
  DeviceModel& model_;
  const Options options_;
  Told told_;
  std::array<uint64_t, static_cast<size_t>(Event::kCount)> counts_ = {};
  std::unique_ptr<EventLoop::Watch> watch_;
  std::unique_ptr<EventLoop::Timer> pause_;
  std::unique_ptr<Connection> connection_;
  // Those that have not heard yet that the device is busy; the oldest first.
  std::list<std::unique_ptr<Connection>> turned_away_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_SERVER_H_
