// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_C_HOST_H_
#define IVSHMEM_FUZZ_C_HOST_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {

// A VMM on the C interface that refuses at random, calls back from each of its
// callbacks, and takes nothing back that it did not give. One for a device.
class CHost {
 public:
  // `call_back` is called by each callback.
  CHost(FuzzedDataProvider& input, std::function<void()> call_back)
      : input_(input), call_back_(std::move(call_back)) {}
  CHost(const CHost&) = delete;
  CHost& operator=(const CHost&) = delete;
  ~CHost() {
    for (ivshmem_work* work : work_) ivshmem_work_drop(work);
  }

  // Most of the callbacks, in pairs most of the time.
  ivshmem_host Callbacks();

  // Does or drops what the device has left to do, unless that is under way.
  void RunWork(bool drop) {
    if (working_) return;
    working_ = true;
    while (!work_.empty()) {
      ivshmem_work* const next = work_.front();
      work_.pop_front();
      drop ? ivshmem_work_drop(next) : ivshmem_work_run(next);
    }
    working_ = false;
  }
  bool idle() const { return work_.empty() && !working_; }

  // What claim_range gave last; null before.
  ivshmem_range* range() const { return range_; }

  // The device has gone, or was never made: it has given all back.
  void Gone() {
    Require(
        maps_.empty() && ranges_.empty() && doorbells_.empty() && irqs_.empty(),
        "all is given back");
    range_ = nullptr;
  }

 private:
  using Irq = std::tuple<int, uint64_t, uint32_t>;
  using Doorbell = std::tuple<uint64_t, uint32_t, int>;

  static CHost& Of(void* opaque) {
    Require(opaque != nullptr, "opaque");
    return *static_cast<CHost*>(opaque);
  }
  static Irq Key(const ivshmem_irq* irq) {
    return {irq->fd, irq->address, irq->data};
  }

  int AnyResult() {
    static constexpr std::array<int, 8> kResults = {
        -ENOSPC, -EINVAL, -EEXIST, -ENOMEM, 1, INT_MIN, INT_MAX, -4096};
    const auto which = input_.ConsumeIntegralInRange<size_t>(0, 31);
    return which >= 1 && which <= kResults.size() ? kResults[which - 1] : 0;
  }

  // A callback that gives `key` to the device, or not.
  template <typename Key>
  int Give(std::multiset<Key>& given, const Key& key) {
    call_back_();
    const int result = AnyResult();
    if (result == 0) given.insert(key);
    return result;
  }
  template <typename Key>
  void Take(std::multiset<Key>& given, const Key& key) {
    const auto it = given.find(key);
    Require(it != given.end(), "only what was given is taken back");
    given.erase(it);
    call_back_();
  }

  FuzzedDataProvider& input_;
  const std::function<void()> call_back_;
  std::multiset<std::tuple<uint64_t, void*, uint64_t>> maps_;
  std::multiset<std::tuple<uint64_t, uint64_t, ivshmem_range*>> ranges_;
  std::multiset<Doorbell> doorbells_;
  std::multiset<Irq> irqs_;
  std::deque<ivshmem_work*> work_;
  bool working_ = false;
  ivshmem_range* range_ = nullptr;
};

inline ivshmem_host CHost::Callbacks() {
  // A bit for each of those that may be absent.
  const auto absent = input_.ConsumeIntegralInRange<uint32_t>(0, 7) == 1
                          ? input_.ConsumeIntegral<uint32_t>()
                          : 0;
  ivshmem_host host = {};
  host.struct_size = sizeof(host);
  host.opaque = this;
  host.flags = input_.ConsumeIntegralInRange<uint32_t>(0, 3);
  if (input_.ConsumeIntegralInRange(0, 63) == 1) {
    host.flags = input_.ConsumeIntegral<uint32_t>();
  }
  auto set = [absent, bit = 0](auto& to, auto callback) mutable {
    if ((absent >> bit++ & 1) == 0) to = callback;
  };
  set(host.send_msi,
      [](void* self, uint64_t, uint32_t) { Of(self).call_back_(); });
  set(host.set_line, [](void* self, int) { Of(self).call_back_(); });
  set(host.pulse, [](void* self) { Of(self).call_back_(); });
  set(host.map_memory,
      [](void* self, uint64_t base, void* data, uint64_t size, int) {
        return Of(self).Give(Of(self).maps_, {base, data, size});
      });
  set(host.unmap_memory,
      [](void* self, uint64_t base, void* data, uint64_t size) {
        Of(self).Take(Of(self).maps_, {base, data, size});
      });
  set(host.claim_range,
      [](void* self, uint64_t base, uint64_t size, ivshmem_range* range) {
        Of(self).range_ = range;
        return Of(self).Give(Of(self).ranges_, {base, size, range});
      });
  set(host.release_range,
      [](void* self, uint64_t base, uint64_t size, ivshmem_range* range) {
        Of(self).Take(Of(self).ranges_, {base, size, range});
      });
  set(host.add_ioeventfd,
      [](void* self, uint64_t address, uint32_t value, int fd) {
        return Of(self).Give(Of(self).doorbells_, {address, value, fd});
      });
  set(host.remove_ioeventfd,
      [](void* self, uint64_t address, uint32_t value, int fd) {
        Of(self).Take(Of(self).doorbells_, {address, value, fd});
      });
  set(host.bind_irq, [](void* self, const ivshmem_irq* irq) {
    return Of(self).Give(Of(self).irqs_, Key(irq));
  });
  set(host.unbind_irq, [](void* self, const ivshmem_irq* irq) {
    Of(self).Take(Of(self).irqs_, Key(irq));
  });
  if ((absent & 0x8000) == 0 && input_.ConsumeBool()) {
    host.bind_irqs = [](void* self, const ivshmem_irq* irqs, size_t count,
                        int* results) {
      for (size_t i = 0; i < count; ++i) {
        // One that is forgotten is not bound.
        if (Of(self).input_.ConsumeIntegralInRange(0, 31) == 1) continue;
        results[i] = Of(self).Give(Of(self).irqs_, Key(&irqs[i]));
      }
    };
  }
  if (input_.ConsumeBool()) {
    host.run = [](void* self, ivshmem_work* work) {
      Of(self).work_.push_back(work);
      Of(self).call_back_();
    };
  }
  set(host.event, [](void* self, const ivshmem_event* event) {
    Require(event->text != nullptr && event->struct_size == sizeof(*event) &&
                event->kind <= IVSHMEM_EVENT_INTERRUPT_NOT_ROUTED,
            "an event");
    Of(self).call_back_();
  });
  return host;
}

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_C_HOST_H_
