// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_SERVER_LINK_H_
#define IVSHMEM_BACKENDS_LINUX_SERVER_LINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/link_events.h"
#include "backends/linux/link_hand_over.h"
#include "backends/registration.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Joins a device to an ivshmem server, this project's or QEMU's.
//
// A link connects by itself and comes back by itself: when the server goes, the
// device keeps its peers, whose events do not need the server, and the link
// tries again until one answers at the same path. Then the device's peers
// become that server's: those that it has not (yet) named are kept for
// `absent_peers` more, as they may be on their way back too. What a guest
// cannot follow is never done behind its back: another id is an event and a
// count, and another memory ends the link.
//
//   link = ServerLink::Start(loop, {.socket_path = "/run/ivshmem"}, events);
//   link->WaitJoined(timeout);
//   device = PciDevice::Create({.id = link->id()}, link->memory(), host);
//   attachment = link->Attach(device->device());
//
// Threading: everything from any thread, except what is said. Events come from
// the loop's thread. The destructor, from any thread but not from an event,
// leaves no descriptor, thread or handler behind; the attachment goes before
// it.
class ServerLink {
 public:
  struct Options {
    std::string socket_path;
    // What the memory's size must be, in bytes; absent for any.
    std::optional<uint64_t> memory_size;
    // How many of the device's own vectors are kept; further ones are closed.
    int vectors = kMaxVectors;
    // From connecting until version, id and memory have come.
    absl::Duration greeting_deadline = absl::Seconds(5);
    // Whether to try again after a failure or a loss, and how long to wait
    // first: twice as long each time, up to the most, less a random part.
    bool retry = true;
    absl::Duration retry_first = absl::Milliseconds(50);
    absl::Duration retry_most = absl::Seconds(5);
    // How long peers are kept that a re-joined server does not name.
    absl::Duration absent_peers = absl::Seconds(15);
    // Most descriptors that the server can make this process hold for peers. A
    // server that sends more is left.
    int max_descriptors = 16384;
    // Whether this project's server is to know the device again, and to keep
    // its id for it for a time when it has gone. Not worth it for who comes
    // once.
    bool keep_id = true;
    // By which it knows it: 32 lower case hexadecimal digits, the same for no
    // other device. Empty: a random one. For a device that was migrated, the
    // former link's; start this one when that one has ended, as a name that
    // stays taken is given up after three attempts.
    std::string identity;
  };

  enum class Count : uint8_t {
    kJoins,
    kFailures,  // Attempts that failed.
    kLosses,
    kIdChanges,
    kMemoryChanges,
    kPeersJoined,
    kPeersLeft,
    kCount,
  };

  // Begins to connect; `events` may be null. All outlive the link. Errors:
  // InvalidArgument that names the option, what was expected and what came;
  // what the kernel says.
  static absl::StatusOr<std::unique_ptr<ServerLink>> Start(
      EventLoop& loop, const Options& options, LinkEvents* events);

  // Goes on where another link, most often another process's, handed over: with
  // its connection, id, memory and peers; the server and the peers notice
  // nothing. It has joined when this returns, and a device can be attached.
  // `options` are as for Start(); the identity is the other link's. Errors: as
  // Start(), and InvalidArgument that names what was wrong with `from`, what
  // was expected and what came. What came from another process may be anything.
  static absl::StatusOr<std::unique_ptr<ServerLink>> Adopt(
      EventLoop& loop, const Options& options, LinkEvents* events,
      LinkHandOver from);
  ~ServerLink();

  // Ends the link here, so that it can go on elsewhere. When this returns, no
  // event comes any more, and nothing is read: neither what the server says nor
  // the events of the device's own vectors, which keep what peers signal for
  // who reads them next. An attached device keeps its id, its peers and the
  // memory; so it is saved now (Save() takes what the events hold), destroyed
  // if the hypervisor reads events for it (Host::router), and no ring is lost
  // or comes twice:
  //
  //   (vCPUs are paused)
  //   hand_over = link->HandOver();
  //   state = device->Save();
  //   attachment = nullptr; device = nullptr;
  //   (both go to the other process; or Adopt() and Restore() here)
  //
  // From any thread, but not from an event, nor beside Attach(), the end of an
  // attachment, or the destructor. Errors: FailedPrecondition before the first
  // join, or a second time.
  absl::StatusOr<LinkHandOver> HandOver();

  // Waits for the server's greeting. Not from the loop's thread. Errors: why
  // the last attempt failed, at once when there is no other, else when
  // `timeout` has passed.
  absl::Status WaitJoined(absl::Duration timeout);

  // The id that the server gave last; absent before the first join.
  std::optional<PeerId> id() const;

  // The shared memory, mapped for as long as the link lives; null before the
  // first join.
  SharedMemory memory() const;

  // The memory's descriptor, for who hands it on to another process; open for
  // as long as the link lives. -1 before the first join.
  int memory_fd() const;

  // Whether nobody can shrink the memory: an access past a new end would be a
  // SIGBUS.
  bool memory_sealed() const;

  // From now on `device` has the link's id, can ring its peers and is
  // interrupted by them, until the result is destroyed. Peers that it has from
  // elsewhere are left alone. Rings that came before are not lost. Errors:
  // FailedPrecondition before the first join, or with a device attached.
  absl::StatusOr<RegistrationPtr> Attach(Device& device);

  // How often since the link was started.
  uint64_t count(Count count) const;

  // What Options::identity is, or was chosen.
  std::string identity() const;

 private:
  class Worker;
  class Attachment;

  explicit ServerLink(std::unique_ptr<Worker> worker);

  const std::unique_ptr<Worker> worker_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_SERVER_LINK_H_
