// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/xen/domain.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

// Xen's headers need <cstdint>.
#include <xen/hvm/dm_op.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <thread>

#include "testing/ioreq/xen/wire.h"

namespace ivshmem::xen_simulation {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{20};

// The byte with the state, in its low half.
constexpr size_t kStateByte = 30;

std::atomic_ref<uint8_t> StateByte(ioreq_t& slot) {
  return std::atomic_ref<uint8_t>(
      reinterpret_cast<uint8_t*>(&slot)[kStateByte]);
}
int StateOf(ioreq_t& slot) {
  return StateByte(slot).load(std::memory_order_acquire) & 0xf;
}
void SetState(ioreq_t& slot, int state) {
  const std::atomic_ref<uint8_t> byte = StateByte(slot);
  const uint8_t others = byte.load(std::memory_order_relaxed) & 0xf0;
  byte.store(others | static_cast<uint8_t>(state), std::memory_order_release);
}

// Sleeps while the futex is `seen`, not for long.
void Sleep(std::atomic<uint32_t>& futex, uint32_t seen) {
  const timespec slice = {.tv_sec = 0, .tv_nsec = 50'000'000};
  syscall(SYS_futex, &futex, FUTEX_WAIT, seen, &slice, nullptr, 0);
}

std::string Name(int server, int vcpu) {
  return "server " + std::to_string(server) + " vCPU " + std::to_string(vcpu) +
         ": ";
}

// Whether a vCPU wants a value back.
bool WantsData(const ioreq_t& request) {
  return request.dir == IOREQ_READ && request.data_is_ptr == 0;
}

}  // namespace

int Domain::CreateServer() {
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < kServers; ++i) {
    if (servers_[i].exists) continue;
    servers_[i] = {.exists = true, .generation = ++generations_};
    std::memset(area_.pages[i], 0, kPage);
    for (int v = 0; v < vcpus_; ++v) {
      area_.channels[i][v].handle = 0;
      area_.channels[i][v].engine = 0;
      area_.channels[i][v].vcpu = 0;
    }
    states_[i] = {};
    return i;
  }
  return -ENOSPC;
}

int Domain::DestroyServer(int server) {
  const std::lock_guard lock(mutex_);
  if (!Exists(server)) return -ENOENT;
  if (servers_[server].enabled) {
    Keep("an enabled server is destroyed");
  }
  CheckIdleOnes(server);
  for (int v = 0; v < vcpus_; ++v) {
    if (area_.channels[server][v].handle != 0) {
      Keep(Name(server, v) + "destroyed with its port bound");
    }
  }
  servers_[server] = {};
  return 0;
}

int Domain::EnableServer(int server, bool enabled) {
  const std::lock_guard lock(mutex_);
  if (!Exists(server)) return -ENOENT;
  servers_[server].enabled = enabled;
  for (int v = 0; enabled && v < vcpus_; ++v) {
    area_.pages[server][v].vp_eport = PortOf(server, v);
    states_[server][v].left = area_.pages[server][v];
  }
  return 0;
}

int Domain::MapPage(int server) {
  const std::lock_guard lock(mutex_);
  return Exists(server) ? 0 : -ENOENT;
}

int Domain::MapRange(int server, uint32_t type, uint64_t first, uint64_t last) {
  const std::lock_guard lock(mutex_);
  if (!Exists(server)) return -ENOENT;
  if (type > XEN_DMOP_IO_RANGE_PCI) return -EINVAL;
  return servers_[server].ranges[type].Add(first, last);
}

int Domain::UnmapRange(int server, uint32_t type, uint64_t first,
                       uint64_t last) {
  const std::lock_guard lock(mutex_);
  if (!Exists(server)) return -ENOENT;
  if (type > XEN_DMOP_IO_RANGE_PCI) return -EINVAL;
  return servers_[server].ranges[type].Remove(first, last);
}

int Domain::InjectMsi(uint64_t address, uint32_t data) {
  if (address >> 20 != 0xfee) return -EINVAL;
  const std::lock_guard lock(mutex_);
  messages_.emplace_back(address, data);
  return 0;
}

int Domain::Bind(uint32_t handle, uint32_t port) {
  const std::lock_guard lock(mutex_);
  if (handle >= events_.size() || !IsPort(port) || VcpuOf(port) >= vcpus_ ||
      !Exists(ServerOf(port))) {
    return -EINVAL;
  }
  Channel& channel = area_.channels[ServerOf(port)][VcpuOf(port)];
  if (channel.handle != 0) return -EINVAL;
  channel.handle = handle + 1;
  channel.engine = 0;
  // What came before may have been lost: who binds is always told once.
  RaiseLocked(ServerOf(port), VcpuOf(port));
  return static_cast<int>(port) + 1;
}

int Domain::Unbind(uint32_t handle, uint32_t port) {
  const std::lock_guard lock(mutex_);
  const uint32_t remote = port - 1;
  if (!IsPort(remote)) return -EINVAL;
  Channel& channel = area_.channels[ServerOf(remote)][VcpuOf(remote)];
  if (channel.handle != handle + 1) return -EINVAL;
  channel.handle = 0;
  return 0;
}

// The newest enabled server that has claimed all of it.
int Domain::ServerFor(const ioreq_t& request) const {
  uint32_t type = XEN_DMOP_IO_RANGE_MEMORY;
  uint64_t first = request.addr;
  uint64_t last = request.addr + request.size - 1;
  if (request.type == IOREQ_TYPE_PIO) {
    type = XEN_DMOP_IO_RANGE_PORT;
  } else if (request.type == IOREQ_TYPE_PCI_CONFIG) {
    type = XEN_DMOP_IO_RANGE_PCI;
    first = last = request.addr >> 32;
  } else if (request.type == IOREQ_TYPE_COPY) {
    const uint64_t more = uint64_t{request.count - 1} * request.size;
    if (request.df != 0) {
      first -= more;
    } else {
      last += more;
    }
  } else {
    return -1;
  }
  for (int i = kServers - 1; i >= 0; --i) {
    if (servers_[i].exists && servers_[i].enabled &&
        servers_[i].ranges[type].Contains(first, last)) {
      return i;
    }
  }
  return -1;
}

void Domain::RaiseLocked(int server, int vcpu) {
  Channel& channel = area_.channels[server][vcpu];
  const uint32_t handle = channel.handle;
  if (handle == 0) return;  // Nobody's: lost.
  if ((channel.engine.fetch_or(Channel::kPending) & Channel::kMasked) != 0) {
    return;
  }
  const uint64_t one = 1;
  if (write(events_[handle - 1], &one, sizeof(one)) < 0) {
    Keep("an eventfd that nobody reads");
  }
}

void Domain::Raise(int server, int vcpu) {
  const std::lock_guard lock(mutex_);
  RaiseLocked(server, vcpu);
}

void Domain::Poke(int server, int vcpu, const ioreq_t& slot) {
  const std::lock_guard lock(mutex_);
  ioreq_t& shared = area_.pages[server][vcpu];
  ioreq_t quiet = slot;
  quiet.state = STATE_IOREQ_NONE;
  std::memcpy(&shared, &quiet, sizeof(quiet));
  SetState(shared, slot.state);
  states_[server][vcpu].left = slot;
  RaiseLocked(server, vcpu);
}

ioreq_t Domain::Peek(int server, int vcpu) const {
  return area_.pages[server][vcpu];
}

int Domain::Access(int vcpu, ioreq_t& request, int server) {
  uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    if (server < 0) server = ServerFor(request);
    if (server < 0) return kUnclaimed;
    if (!Exists(server)) return -ENOENT;
    generation = servers_[server].generation;
    CheckIdle(server, vcpu);
    ioreq_t& slot = area_.pages[server][vcpu];
    if (StateOf(slot) != STATE_IOREQ_NONE ||
        slot.vp_eport != PortOf(server, vcpu)) {
      return -EIO;  // Xen refuses; CheckIdle() has told why.
    }
    request.state = STATE_IOREQ_NONE;
    request.vp_eport = PortOf(server, vcpu);
    std::memcpy(&slot, &request, sizeof(request));
    SetState(slot, STATE_IOREQ_READY);
    states_[server][vcpu].waits = true;
    RaiseLocked(server, vcpu);
  }
  const int result = Wait(server, vcpu, generation, request);
  const std::lock_guard lock(mutex_);
  if (servers_[server].generation != generation) return -ECANCELED;
  states_[server][vcpu].waits = false;
  if (result != 0) return result;
  request = area_.pages[server][vcpu];
  SetState(area_.pages[server][vcpu], STATE_IOREQ_NONE);
  states_[server][vcpu].left = area_.pages[server][vcpu];
  ++states_[server][vcpu].told;
  ++answered_;
  return 0;
}

// Looks at the state when there is an event, as Xen does, and not otherwise.
int Domain::Wait(int server, int vcpu, uint64_t generation,
                 const ioreq_t& sent) {
  ioreq_t& slot = area_.pages[server][vcpu];
  std::atomic<uint32_t>& events = area_.channels[server][vcpu].vcpu;
  const Clock::time_point deadline = Clock::now() + kPatience;
  int before = STATE_IOREQ_READY;
  while (true) {
    const uint32_t seen = events;
    const int state = StateOf(slot);
    if (state < before || state > STATE_IORESP_READY) {
      if (Gone(server, generation)) return -ECANCELED;
      Violation(Name(server, vcpu) + "state " + std::to_string(state) +
                " after " + std::to_string(before) + ": the domain crashes");
      return -EPIPE;
    }
    before = state;
    if (state == STATE_IORESP_READY) {
      CheckAnswer(server, vcpu, sent);
      return 0;
    }
    while (events == seen) {
      if (Gone(server, generation)) return -ECANCELED;
      if (Clock::now() > deadline) {
        Violation(Name(server, vcpu) + "no answer; state " +
                  std::to_string(StateOf(slot)));
        return -ETIMEDOUT;
      }
      Sleep(events, seen);
    }
  }
}

bool Domain::Gone(int server, uint64_t generation) {
  const std::lock_guard lock(mutex_);
  return servers_[server].generation != generation;
}

// Nothing has changed since the last request; who waited has been told.
void Domain::CheckIdle(int server, int vcpu) {
  if (std::memcmp(&area_.pages[server][vcpu], &states_[server][vcpu].left,
                  sizeof(ioreq_t)) != 0) {
    Keep(Name(server, vcpu) + "a slot changed that nobody had asked to");
  }
  const std::atomic<uint32_t>& told = area_.channels[server][vcpu].vcpu;
  const uint32_t expected = states_[server][vcpu].told;
  const Clock::time_point deadline = Clock::now() + kPatience;
  // The answer is seen before its event.
  while (told < expected && Clock::now() < deadline) std::this_thread::yield();
  if (told != expected) {
    Keep(Name(server, vcpu) + "told " + std::to_string(told.load()) +
         " times of " + std::to_string(expected) + " answers");
  }
}

void Domain::CheckIdleOnes(int server) {
  for (int v = 0; v < vcpus_; ++v) {
    if (!states_[server][v].waits) CheckIdle(server, v);
  }
}

void Domain::CheckAnswer(int server, int vcpu, const ioreq_t& sent) {
  ioreq_t answer = area_.pages[server][vcpu];
  answer.state = sent.state;
  if (WantsData(sent)) answer.data = sent.data;
  if (std::memcmp(&answer, &sent, sizeof(answer)) != 0) {
    Violation(Name(server, vcpu) + "more than the answer was written");
  }
}

std::vector<std::pair<uint64_t, uint32_t>> Domain::TakeMessages() {
  const std::lock_guard lock(mutex_);
  return std::exchange(messages_, {});
}

std::optional<std::pair<uint64_t, uint32_t>> Domain::TakeMessage() {
  const std::lock_guard lock(mutex_);
  if (messages_.empty()) return std::nullopt;
  const auto first = messages_.front();
  messages_.erase(messages_.begin());
  return first;
}

void Domain::Violation(const std::string& what) {
  const std::lock_guard lock(mutex_);
  Keep(what);
}

void Domain::Keep(const std::string& what) {
  if (std::find(violations_.begin(), violations_.end(), what) ==
      violations_.end()) {
    violations_.push_back(what);
  }
}

std::string Domain::Violations() {
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < kServers; ++i) {
    if (servers_[i].enabled) CheckIdleOnes(i);
  }
  std::string text;
  for (const std::string& violation : violations_) text += violation + "\n";
  return text;
}

uint64_t Domain::answered() {
  const std::lock_guard lock(mutex_);
  return answered_;
}

}  // namespace ivshmem::xen_simulation
