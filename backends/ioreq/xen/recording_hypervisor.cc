// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/recording_hypervisor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace ivshmem::xen {
namespace {

constexpr int kServer = 5;
constexpr int kCarryOut = 1;  // No result of a refused call.

std::atomic_ref<uint8_t> Flags(ioreq_t& request) {
  return std::atomic_ref<uint8_t>(
      reinterpret_cast<uint8_t*>(&request)[offsetof(ioreq_t, type) - 1]);
}

std::string Show(int server, uint32_t type, uint64_t first, uint64_t last) {
  return absl::StrFormat("%d type %d %#x-%#x", server, type, first, last);
}

}  // namespace

RecordingHypervisor::RecordingHypervisor(int vcpus)
    : vcpus_(vcpus),
      events_(eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) {}

void RecordingHypervisor::Refuse(absl::string_view call, int result, int skip) {
  absl::MutexLock lock(&mutex_);
  std::deque<int>& answers = answers_[std::string(call)];
  answers.insert(answers.end(), skip, kCarryOut);
  answers.push_back(result);
}

std::vector<std::string> RecordingHypervisor::TakeCalls() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(calls_, {});
}

std::string RecordingHypervisor::Existing() {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> existing;
  if (server_) existing.emplace_back("server");
  if (enabled_) existing.emplace_back("enabled");
  if (mapped_) existing.emplace_back("page");
  for (const Range& range : ranges_) {
    existing.push_back(absl::StrFormat("type %d %#x-%#x", range.type,
                                       range.first, range.last));
  }
  for (const auto& [port, channel] : channels_) {
    existing.push_back(absl::StrCat("port ", port));
  }
  if (!mapped_frames_.empty()) existing.emplace_back("frames");
  return absl::StrJoin(existing, ", ");
}

std::vector<std::string> RecordingHypervisor::complaints() {
  absl::MutexLock lock(&mutex_);
  return complaints_;
}

void RecordingHypervisor::Send(int vcpu, const ioreq_t& request) {
  ioreq_t& shared = page_->requests[vcpu];
  ioreq_t sent = request;
  sent.state = STATE_IOREQ_READY;
  const uint8_t flags = Flags(sent).load(std::memory_order_relaxed);
  // The state last; others look at it all the time.
  shared.addr = request.addr;
  shared.data = request.data;
  shared.count = request.count;
  shared.size = request.size;
  shared.type = request.type;
  Flags(shared).store(flags, std::memory_order_release);
  absl::MutexLock lock(&mutex_);
  for (const auto& [port, channel] : channels_) {
    if (channel.vcpu == vcpu) return RaiseLocked(port);
  }
}

int RecordingHypervisor::State(int vcpu) {
  return Flags(page_->requests[vcpu]).load(std::memory_order_acquire) & 0xf;
}

uint64_t RecordingHypervisor::TakeAnswer(int vcpu) {
  ioreq_t& shared = page_->requests[vcpu];
  const uint8_t flags = Flags(shared).load(std::memory_order_acquire);
  if ((flags & 0xf) != STATE_IORESP_READY) {
    absl::MutexLock lock(&mutex_);
    Complain(absl::StrFormat("vCPU %d: state %d", vcpu, flags & 0xf));
    return 0;
  }
  const uint64_t data = shared.data;
  Flags(shared).store(flags & 0xf0, std::memory_order_relaxed);
  return data;
}

void RecordingHypervisor::Raise(int port) {
  absl::MutexLock lock(&mutex_);
  RaiseLocked(port);
}

void RecordingHypervisor::BreakEvents() {
  absl::MutexLock lock(&mutex_);
  // A pipe without a writer: poll(2) says so, and nothing can be read.
  int ends[2];
  if (pipe(ends) != 0) return Complain("no pipe");
  close(ends[1]);
  dup2(ends[0], events_.get());
  close(ends[0]);
}

int RecordingHypervisor::Notified(int vcpu) {
  absl::MutexLock lock(&mutex_);
  return notified_[vcpu];
}

void RecordingHypervisor::AddFrame(uint64_t frame) {
  absl::MutexLock lock(&mutex_);
  frames_[frame] = {};
}

std::array<uint8_t, kPageSize>& RecordingHypervisor::frame(uint64_t frame) {
  absl::MutexLock lock(&mutex_);
  return frames_[frame];
}

int RecordingHypervisor::VcpuCount() noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("VcpuCount", "");
  return told == kCarryOut ? vcpus_ : told;
}

int RecordingHypervisor::CreateServer() noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("CreateServer", "");
  if (told != kCarryOut) return told;
  if (server_) Complain("a second server");
  server_ = true;
  return kServer;
}

int RecordingHypervisor::DestroyServer(int server) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("DestroyServer", absl::StrCat(server));
  if (told != kCarryOut) return told;
  CheckServer(server);
  if (mapped_) Complain("the page is mapped when the server goes");
  server_ = false;
  enabled_ = false;
  ranges_.clear();
  return 0;
}

int RecordingHypervisor::EnableServer(int server, bool enabled) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told =
      Call(enabled ? "EnableServer" : "DisableServer", absl::StrCat(server));
  if (told != kCarryOut) return told;
  CheckServer(server);
  enabled_ = enabled;
  for (int i = 0; enabled && i < vcpus_ && i < kRequestsPerPage; ++i) {
    page_->requests[i].vp_eport = kRemotePort + i;
  }
  return 0;
}

int RecordingHypervisor::MapRange(int server, uint32_t type, uint64_t first,
                                  uint64_t last) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("MapRange", Show(server, type, first, last));
  if (told != kCarryOut) return told;
  CheckServer(server);
  if (first > last) return -EINVAL;
  const bool overlaps =
      std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
        return range.type == type && first <= range.last && range.first <= last;
      });
  if (overlaps) return -EEXIST;
  const auto of_type =
      std::count_if(ranges_.begin(), ranges_.end(),
                    [&](const Range& range) { return range.type == type; });
  if (of_type == 256) return -ENOMEM;
  ranges_.insert({type, first, last});
  return 0;
}

int RecordingHypervisor::UnmapRange(int server, uint32_t type, uint64_t first,
                                    uint64_t last) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("UnmapRange", Show(server, type, first, last));
  if (told != kCarryOut) return told;
  CheckServer(server);
  return ranges_.erase({type, first, last}) == 1 ? 0 : -ENOENT;
}

int RecordingHypervisor::InjectMsi(uint64_t address, uint32_t data) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("InjectMsi", absl::StrFormat("%#x %#x", address, data));
  return told == kCarryOut ? 0 : told;
}

int RecordingHypervisor::MapServerPage(int server, ServerPage* page) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("MapServerPage", absl::StrCat(server));
  if (told != kCarryOut) return told;
  CheckServer(server);
  mapped_ = true;
  *page = {.data = page_.get(), .resource = this};
  return 0;
}

int RecordingHypervisor::UnmapServerPage(const ServerPage& page) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("UnmapServerPage", "");
  if (told != kCarryOut) return told;
  if (!mapped_ || page.data != page_.get() || page.resource != this) {
    Complain("unmaps a page that is not mapped");
  }
  if (enabled_) Complain("the server is enabled when its page goes");
  mapped_ = false;
  return 0;
}

int RecordingHypervisor::MapFrame(uint64_t frame, int protection,
                                  void** data) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told =
      Call("MapFrame", absl::StrFormat("%#x prot %d", frame, protection));
  if (told != kCarryOut) return told;
  const auto found = frames_.find(frame);
  if (found == frames_.end()) return -EINVAL;
  mapped_frames_.insert(found->second.data());
  *data = found->second.data();
  return 0;
}

int RecordingHypervisor::UnmapFrame(void* data) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("UnmapFrame", "");
  if (told != kCarryOut) return told;
  const auto found = mapped_frames_.find(data);
  if (found == mapped_frames_.end()) {
    Complain("unmaps a frame that is not mapped");
  } else {
    mapped_frames_.erase(found);
  }
  return 0;
}

int RecordingHypervisor::EventDescriptor() noexcept { return events_.get(); }

int RecordingHypervisor::Bind(uint32_t remote) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("Bind", absl::StrCat(remote));
  if (told != kCarryOut) return told;
  const int vcpu = static_cast<int>(remote - kRemotePort);
  if (vcpu < 0 || vcpu >= vcpus_) Complain("binds what is no vCPU's port");
  const int port = kLocalPort + bound_++;
  channels_[port] = {.vcpu = vcpu};
  return port;
}

int RecordingHypervisor::Unbind(uint32_t port) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("Unbind", absl::StrCat(port));
  if (told != kCarryOut) return told;
  if (channels_.erase(static_cast<int>(port)) == 0) {
    Complain("unbinds a port that is not bound");
  }
  return 0;
}

int RecordingHypervisor::Notify(uint32_t port) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("Notify", absl::StrCat(port));
  if (told != kCarryOut) return told;
  const auto channel = channels_.find(static_cast<int>(port));
  if (channel == channels_.end()) {
    Complain("notifies a port that is not bound");
    return -EINVAL;
  }
  const int vcpu = channel->second.vcpu;
  ++notified_[vcpu];
  if ((Flags(page_->requests[vcpu]).load() & 0xf) == STATE_IOREQ_INPROCESS) {
    Complain("notifies before the answer is there");
  }
  return 0;
}

int RecordingHypervisor::Pending() noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("Pending", "");
  if (told != kCarryOut) return told;
  uint64_t one = 0;
  if (pending_.empty() || read(events_.get(), &one, sizeof(one)) < 0) {
    Complain("takes an event where there is none");
    return -EAGAIN;
  }
  const int port = pending_.front();
  pending_.pop_front();
  channels_[port].masked = true;
  return port;
}

int RecordingHypervisor::Unmask(uint32_t port) noexcept {
  absl::MutexLock lock(&mutex_);
  const int told = Call("Unmask", absl::StrCat(port));
  if (told != kCarryOut) return told;
  Channel& channel = channels_[static_cast<int>(port)];
  if (!channel.masked) Complain("unmasks a port that is not masked");
  channel.masked = false;
  if (std::exchange(channel.again, false)) RaiseLocked(static_cast<int>(port));
  return 0;
}

int RecordingHypervisor::Call(absl::string_view name,
                              const std::string& arguments) {
  calls_.push_back(arguments.empty() ? std::string(name)
                                     : absl::StrCat(name, " ", arguments));
  const auto answers = answers_.find(std::string(name));
  if (answers == answers_.end() || answers->second.empty()) return kCarryOut;
  const int result = answers->second.front();
  answers->second.pop_front();
  return result;
}

void RecordingHypervisor::Complain(const std::string& text) {
  complaints_.push_back(text);
}

void RecordingHypervisor::CheckServer(int server) {
  if (!server_ || server != kServer) {
    Complain(absl::StrCat("server ", server, " does not exist"));
  }
}

void RecordingHypervisor::RaiseLocked(int port) {
  Channel& channel = channels_[port];
  if (channel.masked) {
    channel.again = true;
    return;
  }
  if (std::find(pending_.begin(), pending_.end(), port) != pending_.end()) {
    return;  // A channel is pending once.
  }
  pending_.push_back(port);
  const uint64_t one = 1;
  if (write(events_.get(), &one, sizeof(one)) < 0) Complain("no event");
}

}  // namespace ivshmem::xen
