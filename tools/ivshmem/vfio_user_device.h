// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_VFIO_USER_DEVICE_H_
#define IVSHMEM_TOOLS_IVSHMEM_VFIO_USER_DEVICE_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/linux/link_events.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/protocol/server.h"
#include "core/dialect.h"
#include "server/listening_socket.h"
#include "tools/ivshmem/device_recording.h"

namespace ivshmem::tool {

// A device that is served at a socket, on a thread of its own: its client can
// hold up nobody else's.
//
// Threading: one thread, not the device's.
class VfioUserDevice : private LinkEvents {
 public:
  struct Options {
    std::string path;
    mode_t mode = 0600;
    // The ivshmem server that it joins. Empty: `memory` alone is shared.
    std::string server;
    std::optional<vfio_user::IvshmemModel::Memory> memory;
    Dialect dialect = kRevision1;
    int vectors = 0;  // 0: the dialect's default.
    // Files; empty for none.
    std::string record;
    std::string state;
    // Whether clients that come and go are worth a line.
    bool verbose = false;
  };

  // Returns when clients can connect. Errors name the option.
  static absl::StatusOr<std::unique_ptr<VfioUserDevice>> Start(Options options);
  ~VfioUserDevice() override;

  // No client is served any more; the files are written. Errors: of the files;
  // DeadlineExceeded when the device's thread does not answer, after which the
  // object cannot be destroyed.
  absl::Status Stop();

 private:
  explicit VfioUserDevice(Options options);

  absl::Status Open();
  absl::Status Join();
  absl::Status MakeModel();
  absl::Status Save();
  // Runs it on the device's thread.
  absl::Status OnLoop(std::function<absl::Status()> work);

  void OnLinkEvent(const LinkEvent& event) noexcept override;
  void OnServerEvent(vfio_user::Server::Event event, const absl::Status& why);
  // A line, if not too many came before it.
  void Say(absl::string_view line) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  std::optional<server::ListeningSocket> socket_;
  std::unique_ptr<LoopThread> thread_;
  std::unique_ptr<ServerLink> link_;
  std::unique_ptr<DeviceRecording> recording_;
  std::unique_ptr<vfio_user::IvshmemModel> model_;
  RegistrationPtr attachment_;
  std::unique_ptr<vfio_user::Server> server_;
  absl::Mutex mutex_;
  // Lines in this stretch of time.
  absl::Time stretch_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_VFIO_USER_DEVICE_H_
