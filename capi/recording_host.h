// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_RECORDING_HOST_H_
#define IVSHMEM_CAPI_RECORDING_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// A VMM in memory on the C interface: what a device asked it for and has not
// given back, and what it told.
//
// Threading: one thread, unless a test gives it callbacks of its own.
struct RecordingHost {
  struct Event {
    uint32_t kind;
    uint32_t result;
    uint32_t peer;
    uint32_t vector;
    uint64_t address;
    std::string text;
  };
  using Doorbell = std::tuple<uint64_t, uint32_t, int>;  // Address, value, fd.
  using Irq = std::tuple<int, uint64_t, uint32_t>;       // fd, address, data.

  std::map<uint64_t, std::pair<uint64_t, ivshmem_range*>> ranges;  // By base.
  std::map<uint64_t, std::pair<uint64_t, void*>> maps;
  std::vector<bool> read_only;
  std::vector<Doorbell> doorbells;
  std::vector<Irq> irqs;
  std::vector<std::pair<uint64_t, uint32_t>> messages;
  std::vector<int> levels;
  int pulses = 0;
  std::vector<Event> events;
  std::vector<ivshmem_work*> work;
  int bound_at_once = 0;  // By the last bind_irqs.
  // What the callbacks that can fail give.
  int result = 0;
  // Called by each callback, with its name, after it has recorded.
  std::function<void(const std::string& name)> hook;

  RecordingHost() = default;
  RecordingHost(const RecordingHost&) = delete;
  RecordingHost& operator=(const RecordingHost&) = delete;
  ~RecordingHost() {
    for (ivshmem_work* each : work) ivshmem_work_drop(each);
  }

  // All callbacks but bind_irqs.
  ivshmem_host Callbacks() {
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    host.opaque = this;
    host.send_msi = [](void* self, uint64_t address, uint32_t data) {
      Of(self).messages.emplace_back(address, data);
      Of(self).Called("send_msi");
    };
    host.set_line = [](void* self, int asserted) {
      Of(self).levels.push_back(asserted);
      Of(self).Called("set_line");
    };
    host.pulse = [](void* self) {
      ++Of(self).pulses;
      Of(self).Called("pulse");
    };
    host.map_memory = [](void* self, uint64_t base, void* data, uint64_t size,
                         int read_only) {
      if (Of(self).result == 0) {
        Of(self).maps[base] = {size, data};
        Of(self).read_only.push_back(read_only != 0);
      }
      return Of(self).Called("map_memory");
    };
    host.unmap_memory = [](void* self, uint64_t base, void* data,
                           uint64_t size) {
      if (Of(self).maps[base] == std::pair(size, data)) {
        Of(self).maps.erase(base);
      }
      Of(self).Called("unmap_memory");
    };
    host.claim_range = [](void* self, uint64_t base, uint64_t size,
                          ivshmem_range* range) {
      if (Of(self).result == 0) Of(self).ranges[base] = {size, range};
      return Of(self).Called("claim_range");
    };
    host.release_range = [](void* self, uint64_t base, uint64_t size,
                            ivshmem_range* range) {
      if (Of(self).ranges[base] == std::pair(size, range)) {
        Of(self).ranges.erase(base);
      }
      Of(self).Called("release_range");
    };
    host.add_ioeventfd = [](void* self, uint64_t address, uint32_t value,
                            int fd) {
      if (Of(self).result == 0) {
        Of(self).doorbells.emplace_back(address, value, fd);
      }
      return Of(self).Called("add_ioeventfd");
    };
    host.remove_ioeventfd = [](void* self, uint64_t address, uint32_t value,
                               int fd) {
      std::erase(Of(self).doorbells, Doorbell(address, value, fd));
      Of(self).Called("remove_ioeventfd");
    };
    host.bind_irq = [](void* self, const ivshmem_irq* irq) {
      if (Of(self).result == 0) {
        Of(self).irqs.emplace_back(irq->fd, irq->address, irq->data);
      }
      return Of(self).Called("bind_irq");
    };
    host.unbind_irq = [](void* self, const ivshmem_irq* irq) {
      std::erase(Of(self).irqs, Irq(irq->fd, irq->address, irq->data));
      Of(self).Called("unbind_irq");
    };
    host.run = [](void* self, ivshmem_work* given) {
      Of(self).work.push_back(given);
      Of(self).Called("run");
    };
    host.event = [](void* self, const ivshmem_event* event) {
      Of(self).events.push_back({event->kind, event->result, event->peer,
                                 event->vector, event->address, event->text});
      Of(self).Called("event");
    };
    return host;
  }

  // Does what the device has left to do. False when there was nothing.
  bool RunWork() {
    const bool any = !work.empty();
    while (!work.empty()) {
      for (ivshmem_work* each : std::exchange(work, {})) ivshmem_work_run(each);
    }
    return any;
  }

  // Whether the device has given all back.
  bool Empty() const {
    return ranges.empty() && maps.empty() && doorbells.empty() && irqs.empty();
  }

 private:
  static RecordingHost& Of(void* self) {
    return *static_cast<RecordingHost*>(self);
  }
  int Called(const char* name) {
    if (hook) hook(name);
    return result;
  }
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_RECORDING_HOST_H_
