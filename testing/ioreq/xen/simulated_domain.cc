// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/xen/simulated_domain.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ivshmem {
namespace {

using xen_simulation::Channel;
using xen_simulation::Command;
using xen_simulation::Reply;
using xen_simulation::SharedArea;

constexpr const char* kProgram = "testing/ioreq/xen/simulation";

}  // namespace

// Forwards what needs a Xen; event channels are in the shared memory.
class SimulatedDomain::Handle : public xen::Hypervisor {
 public:
  Handle(SimulatedDomain& domain, int number)
      : domain_(domain), number_(number), event_(*domain.events_[number]) {}

  int VcpuCount() noexcept override { return domain_.vcpus(); }
  int CreateServer() noexcept override {
    return Result({.kind = Command::kCreateServer});
  }
  int DestroyServer(int server) noexcept override {
    return Result({.kind = Command::kDestroyServer, .server = server});
  }
  int EnableServer(int server, bool enabled) noexcept override {
    return Result({.kind = Command::kEnableServer,
                   .server = server,
                   .a = enabled ? 1u : 0u});
  }
  int MapRange(int server, uint32_t type, uint64_t first,
               uint64_t last) noexcept override {
    return Result({.kind = Command::kMapRange,
                   .server = server,
                   .type = type,
                   .a = first,
                   .b = last});
  }
  int UnmapRange(int server, uint32_t type, uint64_t first,
                 uint64_t last) noexcept override {
    return Result({.kind = Command::kUnmapRange,
                   .server = server,
                   .type = type,
                   .a = first,
                   .b = last});
  }
  int InjectMsi(uint64_t address, uint32_t data) noexcept override {
    return Result({.kind = Command::kInjectMsi, .a = address, .b = data});
  }

  int MapServerPage(int server, ServerPage* page) noexcept override {
    const int result = Result({.kind = Command::kMapPage, .server = server});
    if (result < 0) return result;
    void* data = nullptr;
    const int mapped =
        Map(offsetof(SharedArea, pages) +
                sizeof(SharedArea::pages[0]) * static_cast<uint64_t>(server),
            PROT_READ | PROT_WRITE, &data);
    if (mapped == 0) *page = {.data = data, .resource = data};
    return mapped;
  }
  int UnmapServerPage(const ServerPage& page) noexcept override {
    return UnmapFrame(page.data);
  }
  int MapFrame(uint64_t frame, int protection, void** data) noexcept override {
    if (frame >= xen_simulation::kFrames || frame == xen_simulation::kHole) {
      return -EINVAL;
    }
    return Map(offsetof(SharedArea, ram) + frame * xen_simulation::kPage,
               protection, data);
  }
  int UnmapFrame(void* data) noexcept override {
    return munmap(data, xen_simulation::kPage) == 0 ? 0 : -errno;
  }

  int EventDescriptor() noexcept override { return event_.fd(); }
  int Bind(uint32_t remote) noexcept override {
    return Result({.kind = Command::kBind,
                   .a = static_cast<uint64_t>(number_),
                   .b = remote});
  }
  int Unbind(uint32_t port) noexcept override {
    return Result({.kind = Command::kUnbind,
                   .a = static_cast<uint64_t>(number_),
                   .b = port});
  }
  int Notify(uint32_t port) noexcept override {
    Channel* const channel = Mine(port);
    if (channel == nullptr) return -EINVAL;
    channel->vcpu.fetch_add(1);
    syscall(SYS_futex, &channel->vcpu, FUTEX_WAKE, INT_MAX, nullptr, nullptr,
            0);
    return 0;
  }
  int Pending() noexcept override {
    event_.Drain();
    int taken = -EAGAIN;
    for (int s = 0; s < xen_simulation::kServers; ++s) {
      for (int v = 0; v < domain_.vcpus(); ++v) {
        const uint32_t port = xen_simulation::PortOf(s, v) + 1;
        Channel* const channel = Mine(port);
        uint32_t pending = Channel::kPending;
        if (channel == nullptr || channel->engine != pending) continue;
        if (taken >= 0) {
          event_.Signal();  // There is another one.
          return taken;
        }
        if (channel->engine.compare_exchange_strong(pending,
                                                    Channel::kMasked)) {
          taken = static_cast<int>(port);
        }
      }
    }
    return taken;
  }
  int Unmask(uint32_t port) noexcept override {
    Channel* const channel = Mine(port);
    if (channel == nullptr) return -EINVAL;
    const uint32_t before = channel->engine.fetch_and(~Channel::kMasked);
    if ((before & Channel::kPending) != 0) event_.Signal();
    return 0;
  }

 private:
  int Result(const Command& command) { return domain_.Call(command).result; }

  int Map(uint64_t offset, int protection, void** data) {
    void* const address =
        mmap(nullptr, xen_simulation::kPage, protection, MAP_SHARED,
             domain_.object_.fd(), static_cast<off_t>(offset));
    if (address == MAP_FAILED) return -errno;
    *data = address;
    return 0;
  }

  // The channel of a port that is bound here.
  Channel* Mine(uint32_t port) {
    if (!xen_simulation::IsPort(port - 1)) return nullptr;
    Channel& channel =
        domain_.area_->channels[xen_simulation::ServerOf(port - 1)]
                               [xen_simulation::VcpuOf(port - 1)];
    return channel.handle == static_cast<uint32_t>(number_) + 1 ? &channel
                                                                : nullptr;
  }

  SimulatedDomain& domain_;
  const int number_;
  EventFd& event_;
};

absl::StatusOr<UniqueFd> SimulatedDomain::AddLine() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  lines_.push_back(std::make_unique<Line>());
  lines_.back()->socket = UniqueFd(ends[0]);
  return UniqueFd(ends[1]);
}

absl::StatusOr<std::unique_ptr<SimulatedDomain>> SimulatedDomain::Start(
    int vcpus) {
  auto object = MemoryObject::Memfd(sizeof(SharedArea));
  if (!object.ok()) return object.status();
  auto mapped = object->Map();
  if (!mapped.ok()) return mapped.status();
  auto domain = absl::WrapUnique(
      new SimulatedDomain(*std::move(object), *std::move(mapped), vcpus));

  std::vector<UniqueFd> theirs;
  for (int i = 0; i <= vcpus; ++i) {
    absl::StatusOr<UniqueFd> end = domain->AddLine();
    if (!end.ok()) return end.status();
    theirs.push_back(*std::move(end));
  }
  std::vector<int> fds = {domain->object_.fd(), theirs[0].get()};
  for (int i = 0; i < xen_simulation::kHandles; ++i) {
    auto event = EventFd::Create();
    if (!event.ok()) return event.status();
    domain->events_.push_back(*std::move(event));
    fds.push_back(domain->events_.back()->fd());
  }
  for (int v = 0; v < vcpus; ++v) fds.push_back(theirs[v + 1].get());
  std::vector<std::string> arguments;
  for (const int fd : fds) {
    arguments.push_back(absl::StrCat(fd));
    if (arguments.size() == 2) arguments.push_back(absl::StrCat(vcpus));
  }
  auto process = Process::Start({.program = kProgram,
                                 .arguments = arguments,
                                 .inherit = fds,
                                 .environment = {}});
  if (!process.ok()) return process.status();
  domain->process_ = *std::move(process);
  return domain;
}

std::unique_ptr<xen::Hypervisor> SimulatedDomain::Open() {
  absl::MutexLock lock(&mutex_);
  if (opened_ == xen_simulation::kHandles) return nullptr;
  return std::make_unique<Handle>(*this, opened_++);
}

Reply SimulatedDomain::Call(const Command& command) {
  const bool of_a_vcpu =
      command.kind == Command::kAccess || command.kind == Command::kStorm;
  Line& line = *lines_[of_a_vcpu ? command.vcpu + 1 : 0];
  Reply reply;
  absl::MutexLock lock(&line.mutex);
  if (!xen_simulation::Send(line.socket.get(), command) ||
      !xen_simulation::Receive(line.socket.get(), reply)) {
    reply.result = -EIO;
  }
  return reply;
}

std::string SimulatedDomain::Violations() {
  const Reply reply = Call({.kind = Command::kReport});
  if (reply.result != 0) {
    return absl::StrCat("the simulation is gone: ", process_->Output());
  }
  return reply.text;
}

}  // namespace ivshmem
