// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/switchboard.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "capi/device.h"
#include "capi/errors.h"
#include "capi/in_use.h"
#include "capi/inside.h"
#include "capi/memory.h"
#include "core/doorbell.h"

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

struct ivshmem_switchboard {
  absl::Mutex mutex;
  // Of the regions, kept mapped.
  std::vector<std::shared_ptr<const Memory>> memories ABSL_GUARDED_BY(mutex);
  Switchboard switchboard;
  InUse in_use;
};

namespace {

int NoSwitchboard() {
  return Fail(EINVAL, "switchboard: expected one, got null");
}

}  // namespace

int ivshmem_switchboard_create(ivshmem_switchboard** switchboard) {
  return Guard([&] {
    if (switchboard == nullptr) return NoSwitchboard();
    *switchboard = new ivshmem_switchboard;
    return 0;
  });
}

int ivshmem_switchboard_add_region(ivshmem_switchboard* switchboard,
                                   const char* name,
                                   const ivshmem_memory* memory) {
  return Guard([&] {
    if (switchboard == nullptr) return NoSwitchboard();
    if (name == nullptr || memory == nullptr) {
      return Fail(EINVAL, "region: expected a name and memory, got null");
    }
    const absl::Status added =
        switchboard->switchboard.AddRegion(name, memory->memory->view);
    if (!added.ok()) return Fail(added);
    absl::MutexLock lock(&switchboard->mutex);
    switchboard->memories.push_back(memory->memory);
    return 0;
  });
}

int ivshmem_switchboard_bind(ivshmem_switchboard* switchboard, const char* name,
                             ivshmem_device* device, int32_t id) {
  return Guard([&] {
    if (switchboard == nullptr) return NoSwitchboard();
    if (device == nullptr) return NoDevice();
    if (name == nullptr) {
      return Fail(EINVAL, "region: expected a name, got null");
    }
    if (id >= kMaxPeers) {
      return Fail(ERANGE, absl::StrFormat("id: expected at most %d, got %d",
                                          kMaxPeers - 1, id));
    }
    if (device->joined() || device->own_vectors->any() ||
        device->own_vectors->served()) {
      return Fail(EBUSY,
                  "device: expected one that has its own vectors from "
                  "nowhere yet, got one with a link, a switchboard or "
                  "descriptors");
    }
    std::optional<PeerId> wanted;
    if (id >= 0) wanted = static_cast<PeerId>(id);
    const Inside inside(device);
    // What is called back may not destroy it meanwhile.
    InUse::Use use(switchboard->in_use);
    auto port = switchboard->switchboard.Bind(name, device->memory->view.size,
                                              device->core(), wanted);
    if (!port.ok()) return Fail(port.status());
    device->switchboard = std::move(use);
    device->port = *std::move(port);
    return static_cast<int>(device->port->id());
  });
}

int ivshmem_switchboard_unbind(ivshmem_device* device) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    if (device->port == nullptr) {
      return Fail(ENOENT,
                  "device: expected one that is bound to a "
                  "switchboard, got one that is not");
    }
    const Inside inside(device);
    device->port = nullptr;
    device->switchboard = InUse::Use();
    return 0;
  });
}

int ivshmem_switchboard_destroy(ivshmem_switchboard* switchboard) {
  return Guard([&] {
    if (switchboard == nullptr) return 0;
    if (switchboard->in_use.any()) {
      return Fail(EBUSY,
                  "switchboard: expected one that no device is bound "
                  "to, got one in use");
    }
    delete switchboard;
    return 0;
  });
}
