// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/serve.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "server/limits.h"
#include "server/listening_socket.h"
#include "server/server.h"
#include "server/status_document.h"
#include "server/status_socket.h"
#include "tools/ivshmem/daemon.h"
#include "tools/ivshmem/event_log.h"
#include "tools/ivshmem/server_memory.h"
#include "tools/ivshmem/stop.h"
#include "tools/ivshmem/systemd.h"

namespace ivshmem::tool {
namespace {

using server::ListeningSocket;

// Group and others may not learn more of a server than its owner wants.
constexpr mode_t kStatusMode = 0600;

absl::StatusOr<ListeningSocket> OpenSocket(UniqueFd handed_in,
                                           const std::string& path,
                                           mode_t mode) {
  if (!handed_in.valid()) {
    if (!path.empty()) return ListeningSocket::Listen(path, mode);
    return absl::InvalidArgumentError(
        "--socket: expected a path, got none (and no socket from systemd)");
  }
  absl::StatusOr<ListeningSocket> socket =
      ListeningSocket::Adopt(std::move(handed_in));
  if (socket.ok() && !path.empty() && path != socket->path()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "socket: expected '%s', got '%s' from systemd; leave one of them out",
        path, socket->path()));
  }
  return socket;
}

// The signal that asks daemons to read their configuration again: here there is
// none, and nothing ends.
absl::StatusOr<UniqueFd> HoldHangup() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "signalfd");
  return fd;
}

// A server and what belongs to its process, from the start to the end.
class Service {
 public:
  explicit Service(const ServerOptions& options)
      : options_(options), log_(options.verbose) {}

  absl::Status Start();
  absl::Status Run();

 private:
  absl::Status StartServer();
  absl::Status StartStatus(UniqueFd handed_in);
  absl::Status WatchSignals();

  const ServerOptions& options_;
  EventLog log_;
  std::unique_ptr<EventLoop> loop_;
  std::optional<Daemon> daemon_;
  std::optional<Stop> stop_;
  UniqueFd hangups_;
  std::unique_ptr<EventLoop::Watch> hangup_watch_;
  std::optional<ListeningSocket> socket_;
  std::optional<ListeningSocket> status_listener_;
  std::optional<ServerMemory> memory_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<server::StatusSocket> status_socket_;
  std::optional<PidFile> pid_file_;
  Systemd systemd_;
};

absl::Status Service::Start() {
  if (options_.daemon) {
    absl::StatusOr<Daemon> daemon = Daemon::Start();
    if (!daemon.ok()) return daemon.status();
    daemon_ = *std::move(daemon);
  }
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  absl::Status status = WatchSignals();
  if (!status.ok()) return status;

  absl::StatusOr<HandedIn> handed_in = TakeHandedIn();
  if (!handed_in.ok()) return handed_in.status();
  // First of all the socket: who does not get it touches nothing else.
  absl::StatusOr<ListeningSocket> socket =
      OpenSocket(std::move(handed_in->socket), options_.socket, options_.mode);
  if (!socket.ok()) return socket.status();
  socket_.emplace(*std::move(socket));
  absl::StatusOr<ServerMemory> memory =
      ServerMemory::Open(options_, std::move(handed_in->memory));
  if (!memory.ok()) return memory.status();
  memory_.emplace(*std::move(memory));
  if (!memory_->notice().empty()) Say(memory_->notice());

  status = StartServer();
  if (status.ok()) status = StartStatus(std::move(handed_in->status_socket));
  if (!status.ok()) return status;
  if (!options_.pid_file.empty()) {
    absl::StatusOr<PidFile> pid_file = PidFile::Write(options_.pid_file);
    if (!pid_file.ok()) return pid_file.status();
    pid_file_.emplace(*std::move(pid_file));
  }
  status = systemd_.Ready(*loop_);
  if (status.ok() && daemon_.has_value()) status = daemon_->Ready();
  return status;
}

absl::Status Service::StartServer() {
  const absl::StatusOr<int> max_peers =
      server::FitDescriptors(options_.max_peers, options_.vectors);
  if (!max_peers.ok()) return max_peers.status();
  absl::StatusOr<std::unique_ptr<server::Server>> server =
      server::Server::Start(
          *loop_, socket_->fd(), memory_->object().fd(),
          {.vectors = options_.vectors,
           .max_peers = *max_peers,
           .access = options_.access,
           .rest_ids = options_.rest_ids,
           .stall_timeout = options_.stall_timeout,
           .keep_ids = options_.keep_ids,
           .absent_peers = options_.absent_peers,
           .holdings = memory_->TakeHoldings(),
           .save =
               [this](const server::Server::Holdings& holdings) {
                 return memory_->Save(holdings);
               }},
          &log_);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  // What cannot be kept is said now, not when it is too late.
  return server_->Save();
}

absl::Status Service::StartStatus(UniqueFd handed_in) {
  if (options_.status_socket.empty() && !handed_in.valid()) {
    return absl::OkStatus();
  }
  absl::StatusOr<ListeningSocket> listener =
      OpenSocket(std::move(handed_in), options_.status_socket, kStatusMode);
  if (!listener.ok()) return listener.status();
  status_listener_.emplace(*std::move(listener));
  absl::StatusOr<std::unique_ptr<server::StatusSocket>> status_socket =
      server::StatusSocket::Start(
          *loop_, status_listener_->fd(), {.document = [this] {
            return server::StatusDocument(
                server_->status(), {.socket = socket_->path(),
                                    .memory = memory_->description(),
                                    .memory_size = memory_->object().size()});
          }});
  if (!status_socket.ok()) return status_socket.status();
  status_socket_ = *std::move(status_socket);
  return absl::OkStatus();
}

absl::Status Service::WatchSignals() {
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c)
  absl::StatusOr<Stop> stop = Stop::OnSignals();
  if (!stop.ok()) return stop.status();
  stop_.emplace(*std::move(stop));
  absl::Status status = stop_->Watch(*loop_);
  if (!status.ok()) return status;
  absl::StatusOr<UniqueFd> hangups = HoldHangup();
  if (!hangups.ok()) return hangups.status();
  hangups_ = *std::move(hangups);
  auto watch = loop_->NewWatch(hangups_.get(), EPOLLIN, [this](uint32_t) {
    signalfd_siginfo signal;
    if (read(hangups_.get(), &signal, sizeof(signal)) < 0) return;
    if (server_ == nullptr) return;
    const absl::Status saved = server_->Save();
    if (!saved.ok()) log_.OnTrouble(saved);
  });
  if (!watch.ok()) return watch.status();
  hangup_watch_ = *std::move(watch);
  return absl::OkStatus();
}

absl::Status Service::Run() {
  while (!stop_->requested()) {
    loop_->Dispatch(absl::InfiniteDuration());
    systemd_.SetPeers(server_->peers());
  }
  systemd_.Stopping();
  return absl::OkStatus();
}

}  // namespace

absl::Status Serve(const ServerOptions& options) {
  Service service(options);
  absl::Status started = service.Start();
  if (!started.ok()) return started;
  return service.Run();
}

}  // namespace ivshmem::tool
