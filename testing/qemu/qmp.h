// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_QMP_H_
#define IVSHMEM_TESTING_QEMU_QMP_H_

#include <deque>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"
#include "testing/qemu/line_socket.h"

namespace ivshmem::qemu {

// A client of QEMU's monitor protocol: plugs and unplugs devices, asks, quits.
//
// Threading: one thread at a time.
class Qmp {
 public:
  // `socket` is connected to a monitor; each function waits at most `timeout`.
  Qmp(UniqueFd socket, absl::Duration timeout);

  // Greets. Once, before all else.
  absl::Status Negotiate();

  // Runs a command and returns its "return". Errors: QEMU's own, as
  // FailedPrecondition; DeadlineExceeded; Unavailable when QEMU has gone.
  absl::StatusOr<nlohmann::json> Execute(
      absl::string_view command,
      const nlohmann::json& arguments = nlohmann::json::object());

  // Waits for an event, as "DEVICE_DELETED", unless one has come already, and
  // returns all of it. Each event is returned once.
  absl::StatusOr<nlohmann::json> WaitFor(absl::string_view event);

 private:
  // The next message.
  absl::StatusOr<nlohmann::json> Receive(absl::Time deadline);
  // The next one that is no event; events are kept.
  absl::StatusOr<nlohmann::json> Answer();

  LineSocket lines_;
  const absl::Duration timeout_;
  std::deque<nlohmann::json> events_;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_QMP_H_
