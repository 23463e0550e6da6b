// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/link.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "capi/device.h"
#include "capi/errors.h"
#include "capi/inside.h"
#include "capi/loop.h"
#include "capi/memory.h"
#include "capi/milliseconds.h"
#include "capi/options.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

namespace {

constexpr uint32_t kKnownFlags = IVSHMEM_LINK_NO_RETRY | IVSHMEM_LINK_FORGET_ID;

int NoLink() { return Fail(EINVAL, "link: expected one, got null"); }

void Set(uint32_t milliseconds, absl::Duration& duration) {
  if (milliseconds != 0) duration = absl::Milliseconds(milliseconds);
}

absl::StatusOr<ServerLink::Options> ToOptions(
    const ivshmem_link_options& options) {
  if ((options.flags & ~kKnownFlags) != 0 || options.reserved != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "flags: expected bits of %#x, got %#x, and reserved %#x", kKnownFlags,
        options.flags, options.reserved));
  }
  if (options.socket_path == nullptr) {
    return absl::InvalidArgumentError(
        "socket_path: expected the server's socket, got null");
  }
  if (options.vectors > kMaxVectors) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "vectors: expected 0..%d, got %d", kMaxVectors, options.vectors));
  }
  if (options.max_descriptors > INT32_MAX) {
    return absl::InvalidArgumentError(
        absl::StrFormat("max_descriptors: expected 0..%d, got %d", INT32_MAX,
                        options.max_descriptors));
  }
  ServerLink::Options to = {.socket_path = options.socket_path};
  if (options.memory_size != 0) to.memory_size = options.memory_size;
  if (options.vectors != 0) to.vectors = static_cast<int>(options.vectors);
  Set(options.greeting_deadline_ms, to.greeting_deadline);
  Set(options.retry_first_ms, to.retry_first);
  Set(options.retry_most_ms, to.retry_most);
  Set(options.absent_peers_ms, to.absent_peers);
  if (options.max_descriptors != 0) {
    to.max_descriptors = static_cast<int>(options.max_descriptors);
  }
  to.retry = (options.flags & IVSHMEM_LINK_NO_RETRY) == 0;
  to.keep_id = (options.flags & IVSHMEM_LINK_FORGET_ID) == 0;
  if (options.identity != nullptr) to.identity = options.identity;
  return to;
}

struct Counter {
  const char* name;
  ServerLink::Count of;
};

// By the IVSHMEM_LINK_COUNT_..., to whose end new ones are added.
constexpr std::array<Counter, 7> kCounters = {{
    {"joins", ServerLink::Count::kJoins},
    {"failures", ServerLink::Count::kFailures},
    {"losses", ServerLink::Count::kLosses},
    {"id_changes", ServerLink::Count::kIdChanges},
    {"memory_changes", ServerLink::Count::kMemoryChanges},
    {"peers_joined", ServerLink::Count::kPeersJoined},
    {"peers_left", ServerLink::Count::kPeersLeft},
}};

}  // namespace

ivshmem_link::ivshmem_link(ivshmem_loop& on,
                           const ivshmem_link_options& options)
    : loop(on),
      event(options.event),
      opaque(options.opaque),
      loop_use(on.in_use) {}

void ivshmem_link::OnLinkEvent(const LinkEvent& happened) noexcept {
  ivshmem_link_event out = {};
  out.struct_size = sizeof(out);
  out.kind = static_cast<uint32_t>(happened.kind);
  out.peer = happened.peer;
  out.old_peer = happened.old_peer;
  const std::string text(happened.text);
  out.text = text.c_str();
  const Inside inside(this);
  event(opaque, &out);
}

int ivshmem_link_start(ivshmem_loop* loop, const ivshmem_link_options* from,
                       ivshmem_link** link) {
  return Guard([&] {
    if (loop == nullptr) return Fail(EINVAL, "loop: expected one, got null");
    if (link == nullptr) return NoLink();
    ivshmem_link_options options;
    const int error = CopyIn(from, "options", options);
    if (error != 0) return error;
    const absl::StatusOr<ServerLink::Options> checked = ToOptions(options);
    if (!checked.ok()) return Fail(checked.status());
    auto made = std::make_unique<ivshmem_link>(*loop, options);
    auto started = ServerLink::Start(loop->events(), *checked, made->events());
    if (!started.ok()) return Fail(started.status());
    made->link = *std::move(started);
    *link = made.release();
    return 0;
  });
}

int ivshmem_link_wait_joined(ivshmem_link* link, int64_t timeout_ms) {
  return Guard([&] {
    if (link == nullptr) return NoLink();
    if (link->loop.inside()) {
      return Fail(EDEADLK,
                  "link: expected to wait outside of its loop, got a "
                  "call from inside");
    }
    return Result(link->link->WaitJoined(Milliseconds(timeout_ms)));
  });
}

int ivshmem_link_id(const ivshmem_link* link) {
  if (link == nullptr) return Guard(NoLink);
  const std::optional<PeerId> id = link->link->id();
  return id.has_value() ? *id : -ENOENT;
}

int ivshmem_link_memory(ivshmem_link* link, ivshmem_memory** memory) {
  return Guard([&] {
    if (link == nullptr) return NoLink();
    if (memory == nullptr) {
      return Fail(EINVAL, "memory: expected a place for the handle, got null");
    }
    const SharedMemory view = link->link->memory();
    if (view.data == nullptr) {
      return Fail(ENOENT,
                  "link: expected one that has joined, got one that "
                  "has not");
    }
    auto made = std::make_shared<Memory>();
    made->link = InUse::Use(link->in_use);
    made->view = view;
    *memory = new ivshmem_memory{std::move(made)};
    return 0;
  });
}

int ivshmem_link_memory_sealed(const ivshmem_link* link) {
  if (link == nullptr) return Guard(NoLink);
  return link->link->memory_sealed() ? 1 : 0;
}

int ivshmem_link_attach(ivshmem_link* link, ivshmem_device* device) {
  return Guard([&] {
    if (link == nullptr) return NoLink();
    if (device == nullptr) return NoDevice();
    if (device->joined() || device->own_vectors->any() ||
        device->own_vectors->served()) {
      return Fail(EBUSY,
                  "device: expected one that has its own vectors from "
                  "nowhere yet, got one with a link, a switchboard or "
                  "descriptors");
    }
    const Inside inside(device);
    // What is called back may not destroy it meanwhile.
    InUse::Use use(link->in_use);
    absl::StatusOr<RegistrationPtr> attached =
        link->link->Attach(device->core());
    if (!attached.ok()) return Fail(attached.status());
    device->link = std::move(use);
    device->attachment = *std::move(attached);
    return 0;
  });
}

int ivshmem_link_detach(ivshmem_device* device) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    if (device->attachment == nullptr) {
      return Fail(ENOENT,
                  "device: expected one that is attached to a link, "
                  "got one that is not");
    }
    const Inside inside(device);
    device->attachment = nullptr;
    device->link = InUse::Use();
    return 0;
  });
}

uint64_t ivshmem_link_count(const ivshmem_link* link, uint32_t counter) {
  if (link == nullptr || counter >= kCounters.size()) return 0;
  return link->link->count(kCounters[counter].of);
}

const char* ivshmem_link_counter_name(uint32_t counter) {
  return counter < kCounters.size() ? kCounters[counter].name : nullptr;
}

int ivshmem_link_destroy(ivshmem_link* link) {
  return Guard([&] {
    if (link == nullptr) return 0;
    if (link->in_use.any()) {
      return Fail(EBUSY,
                  "link: expected one that no device is attached to, "
                  "and whose memory nobody has, got one in use");
    }
    if (Inside::Of(link)) {
      return Fail(EDEADLK,
                  "link: expected to be outside of its events, got a "
                  "call from inside one");
    }
    delete link;
    return 0;
  });
}
