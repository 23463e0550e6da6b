// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/systemd.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ivshmem::tool {
namespace {

constexpr absl::string_view kMemory = "ivshmem-memory";
constexpr absl::string_view kStatus = "status";

void FreeNames(char** names) {
  if (names == nullptr) return;
  for (char** name = names; *name != nullptr; ++name) std::free(*name);
  std::free(names);
}

}  // namespace

absl::StatusOr<HandedIn> TakeHandedIn() {
  char** names = nullptr;
  constexpr int kForgetAfterwards = 1;
  const int count = sd_listen_fds_with_names(kForgetAfterwards, &names);
  const auto free_names = absl::MakeCleanup([names] { FreeNames(names); });
  if (count < 0) return absl::ErrnoToStatus(-count, "LISTEN_FDS");
  HandedIn handed_in;
  absl::Status error;
  for (int i = 0; i < count; ++i) {
    const absl::string_view name = names[i];
    UniqueFd& place = name == kMemory   ? handed_in.memory
                      : name == kStatus ? handed_in.status_socket
                                        : handed_in.socket;
    if (place.valid()) {
      error = absl::InvalidArgumentError(absl::StrFormat(
          "LISTEN_FDNAMES: expected one socket, one named '%s' and one '%s' at "
          "most, got another '%s'",
          kStatus, kMemory, name));
    }
    place = UniqueFd(SD_LISTEN_FDS_START + i);
  }
  if (!error.ok()) return error;
  return handed_in;
}

bool Systemd::Present() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

absl::Status Systemd::StoreMemory(int memory) {
  const std::string message = absl::StrFormat("FDSTORE=1\nFDNAME=%s", kMemory);
  const int sent = sd_pid_notify_with_fds(0, 0, message.c_str(), &memory, 1);
  if (sent >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(-sent, "NOTIFY_SOCKET: store the memory");
}

absl::Status Systemd::Ready(EventLoop& loop) {
  if (!Present()) return absl::OkStatus();
  auto status = loop.NewTimer([this] {
    status_set_ = false;
    sd_notify(0, absl::StrFormat("STATUS=%d peers", peers_).c_str());
  });
  if (!status.ok()) return status.status();
  status_ = *std::move(status);
  const int sent = sd_notify(0, "READY=1\nSTATUS=0 peers");
  if (sent < 0) return absl::ErrnoToStatus(-sent, "NOTIFY_SOCKET");
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return absl::OkStatus();
  const absl::Duration period = absl::Microseconds(microseconds) / 2;
  auto timer = loop.NewTimer([this, period] {
    sd_notify(0, "WATCHDOG=1");
    watchdog_->Set(period);
  });
  if (!timer.ok()) return timer.status();
  watchdog_ = *std::move(timer);
  watchdog_->Set(period);
  return absl::OkStatus();
}

void Systemd::SetPeers(int peers) {
  if (status_ == nullptr || peers_ == peers) return;
  peers_ = peers;
  if (std::exchange(status_set_, true)) return;
  status_->Set(absl::Seconds(1));
}

void Systemd::Stopping() { sd_notify(0, "STOPPING=1"); }

}  // namespace ivshmem::tool
