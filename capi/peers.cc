// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Peers, the id and the device's own vectors, by hand.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/unique_fd.h"
#include "capi/descriptor.h"
#include "capi/device.h"
#include "capi/errors.h"
#include "capi/inside.h"
#include "capi/loop.h"
#include "core/doorbell.h"
#include "core/notifier.h"

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

namespace {

// A peer who is rung by a call.
class Called : public Notifier {
 public:
  Called(int (*ring)(void*), void (*release)(void*), void* opaque)
      : ring_(ring), release_(release), opaque_(opaque) {}
  ~Called() override {
    if (release_ != nullptr) release_(opaque_);
  }

  Outcome Signal() noexcept override {
    switch (ring_(opaque_)) {
      case 0:
        return Outcome::kSignalled;
      case -EAGAIN:
        return Outcome::kFull;
      default:
        return Outcome::kFailed;
    }
  }

 private:
  int (*const ring_)(void*);
  void (*const release_)(void*);
  void* const opaque_;
};

int CheckMost(const char* field, uint32_t value, uint32_t most) {
  if (value <= most) return 0;
  return Fail(ERANGE, absl::StrFormat("%s: expected 0..%d, got %d", field, most,
                                      value));
}

int Connect(ivshmem_device* device, uint32_t peer, uint32_t vector,
            std::shared_ptr<Notifier> notifier) {
  for (const int error : {CheckMost("peer", peer, kMaxPeers - 1),
                          CheckMost("vector", vector, kMaxVectors - 1)}) {
    if (error != 0) return error;
  }
  const Inside inside(device);
  return Result(device->core().peers().Connect(static_cast<PeerId>(peer),
                                               static_cast<Vector>(vector),
                                               std::move(notifier)));
}

absl::StatusOr<std::shared_ptr<EventFd>> EventOf(int fd) {
  absl::StatusOr<UniqueFd> own = Duplicate(fd);
  if (!own.ok()) return own.status();
  return EventFd::Adopt(*std::move(own));
}

// Whether the device's own vectors are the caller's to give events, and
// `vector` is one of them.
int CheckOwn(const ivshmem_device* device, uint32_t vector) {
  if (device == nullptr) return NoDevice();
  if (device->joined()) {
    return Fail(EBUSY,
                "device: expected one without a link or a switchboard, which "
                "give own vectors their events, got one with");
  }
  const int vectors = device->core().config().vectors;
  if (vector < static_cast<uint32_t>(vectors)) return 0;
  return Fail(ERANGE, absl::StrFormat("vector: expected one of %d, got %d",
                                      vectors, vector));
}

int SetId(ivshmem_device* device, std::optional<PeerId> id) {
  if (device == nullptr) return NoDevice();
  if (device->joined()) {
    return Fail(EBUSY,
                "device: expected one without a link or a switchboard, which "
                "give the id, got one with");
  }
  const Inside inside(device);
  device->own_vectors->SetId(id);
  return 0;
}

int SetVector(ivshmem_device* device, uint32_t vector,
              absl::StatusOr<std::shared_ptr<EventFd>> event) {
  if (!event.ok()) return Fail(event.status());
  const Inside inside(device);
  return Result(
      device->own_vectors->Set(static_cast<Vector>(vector), *std::move(event)));
}

}  // namespace

int ivshmem_device_id(const ivshmem_device* device) {
  if (device == nullptr) return Guard(NoDevice);
  const std::optional<PeerId> id = device->core().id();
  return id.has_value() ? *id : -ENOENT;
}

int ivshmem_device_set_id(ivshmem_device* device, uint32_t id) {
  return Guard([&] {
    const int error = CheckMost("id", id, kMaxPeers - 1);
    return error != 0 ? error : SetId(device, static_cast<PeerId>(id));
  });
}

int ivshmem_device_clear_id(ivshmem_device* device) {
  return Guard([&] { return SetId(device, std::nullopt); });
}

int ivshmem_device_vectors(const ivshmem_device* device) {
  if (device == nullptr) return Guard(NoDevice);
  return device->core().config().vectors;
}

int ivshmem_device_connect(ivshmem_device* device, uint32_t peer,
                           uint32_t vector, int fd) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    absl::StatusOr<std::shared_ptr<EventFd>> event = EventOf(fd);
    if (!event.ok()) return Fail(event.status());
    return Connect(device, peer, vector, *std::move(event));
  });
}

int ivshmem_device_connect_call(ivshmem_device* device, uint32_t peer,
                                uint32_t vector, int (*ring)(void* opaque),
                                void (*release)(void* opaque), void* opaque) {
  return Guard([&] {
    auto called = std::make_shared<Called>(ring, release, opaque);
    if (device == nullptr) return NoDevice();
    if (ring == nullptr) {
      return Fail(EINVAL, "ring: expected a function, got null");
    }
    return Connect(device, peer, vector, std::move(called));
  });
}

int ivshmem_device_disconnect(ivshmem_device* device, uint32_t peer) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    const int error = CheckMost("peer", peer, kMaxPeers - 1);
    if (error != 0) return error;
    const Inside inside(device);
    if (device->core().peers().Disconnect(static_cast<PeerId>(peer))) return 0;
    return Fail(ENOENT, absl::StrFormat("peer: expected one that is connected, "
                                        "got %d",
                                        peer));
  });
}

int ivshmem_device_interrupt(ivshmem_device* device, uint32_t vector) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    const int error = CheckMost("vector", vector, 0xffff);
    if (error != 0) return error;
    return static_cast<int>(
        device->core().OnPeerInterrupt(static_cast<Vector>(vector)));
  });
}

int ivshmem_device_vector_fd(ivshmem_device* device, uint32_t vector) {
  return Guard([&] {
    if (const int error = CheckOwn(device, vector); error != 0) return error;
    const auto own = static_cast<Vector>(vector);
    if (device->own_vectors->Find(own) == nullptr) {
      const int error = SetVector(device, vector, EventFd::Create());
      if (error != 0) return error;
    }
    return device->own_vectors->Find(own)->fd();
  });
}

int ivshmem_device_set_vector_fd(ivshmem_device* device, uint32_t vector,
                                 int fd) {
  return Guard([&] {
    if (const int error = CheckOwn(device, vector); error != 0) return error;
    return SetVector(device, vector, EventOf(fd));
  });
}

int ivshmem_device_take_interrupts(ivshmem_device* device, uint32_t vector) {
  return Guard([&] {
    if (const int error = CheckOwn(device, vector); error != 0) return error;
    const auto own = static_cast<Vector>(vector);
    const std::shared_ptr<EventFd> event = device->own_vectors->Find(own);
    if (event == nullptr || !event->Drain()) return -EAGAIN;
    return static_cast<int>(device->core().OnPeerInterrupt(own));
  });
}

int ivshmem_device_serve(ivshmem_device* device, ivshmem_loop* loop) {
  return Guard([&] {
    if (loop == nullptr) return Fail(EINVAL, "loop: expected one, got null");
    if (device == nullptr) return NoDevice();
    if (device->joined() || device->own_vectors->served()) {
      return Fail(EBUSY,
                  "device: expected one whose own vectors nobody "
                  "reads, got one with a link, a switchboard or a loop");
    }
    device->server_loop = InUse::Use(loop->in_use);
    const absl::Status served = device->own_vectors->Serve(loop->events());
    if (!served.ok()) device->server_loop = InUse::Use();
    return Result(served);
  });
}
