// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_RECORDING_HYPERVISOR_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_RECORDING_HYPERVISOR_H_

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::xen {

// For this folder's tests: one domain without a Xen. It keeps what it is asked
// for, answers what it is told to, has the page of one server and the event
// channels, and plays the vCPUs' part when a test says so. It says where the
// rules of Xen are broken (see `complaints`).
//
// Threading: any thread.
class RecordingHypervisor final : public Hypervisor {
 public:
  static constexpr uint32_t kRemotePort = 1000;  // Of vCPU 0; others follow.
  static constexpr int kLocalPort = 20;          // The first that is bound.

  explicit RecordingHypervisor(int vcpus = 1);

  // The `skip`th next call of that name is not carried out and returns
  // `result`.
  void Refuse(absl::string_view call, int result, int skip = 0);

  // The calls that were made, with their arguments, and are forgotten.
  std::vector<std::string> TakeCalls();

  // What exists: a server, a mapped page, bound ports, ranges, mapped frames.
  // None: "".
  std::string Existing();

  // Calls for what does not exist, and the like.
  std::vector<std::string> complaints();

  // --- The domain's side ---

  ioreq_t& request(int vcpu) { return page_->requests[vcpu]; }
  // As Xen sends one: all but `vp_eport` as in `request`, then READY, then the
  // event.
  void Send(int vcpu, const ioreq_t& request);
  int State(int vcpu);
  // Takes the answer, as Xen does; complains about any state but IORESP_READY.
  uint64_t TakeAnswer(int vcpu);
  // An event on a local port, whoever bound it.
  void Raise(int port);
  // Lets the descriptor of events fail.
  void BreakEvents();
  // How often the port of `vcpu` was notified.
  int Notified(int vcpu);

  void AddFrame(uint64_t frame);
  std::array<uint8_t, kPageSize>& frame(uint64_t frame);

  // --- Hypervisor ---

  int VcpuCount() noexcept override;
  int CreateServer() noexcept override;
  int DestroyServer(int server) noexcept override;
  int EnableServer(int server, bool enabled) noexcept override;
  int MapRange(int server, uint32_t type, uint64_t first,
               uint64_t last) noexcept override;
  int UnmapRange(int server, uint32_t type, uint64_t first,
                 uint64_t last) noexcept override;
  int InjectMsi(uint64_t address, uint32_t data) noexcept override;

  int MapServerPage(int server, ServerPage* page) noexcept override;
  int UnmapServerPage(const ServerPage& page) noexcept override;
  int MapFrame(uint64_t frame, int protection, void** data) noexcept override;
  int UnmapFrame(void* data) noexcept override;

  int EventDescriptor() noexcept override;
  int Bind(uint32_t remote) noexcept override;
  int Unbind(uint32_t port) noexcept override;
  int Notify(uint32_t port) noexcept override;
  int Pending() noexcept override;
  int Unmask(uint32_t port) noexcept override;

 private:
  struct alignas(kPageSize) Page {
    std::array<ioreq_t, kRequestsPerPage> requests = {};
  };
  struct Channel {
    int vcpu = 0;
    bool masked = false;
    bool again = false;  // Raised while it was masked.
    int notified = 0;
  };
  struct Range {
    uint32_t type;
    uint64_t first;
    uint64_t last;
    auto operator<=>(const Range&) const = default;
  };

  // Keeps the call; returns what it was told to return, or 0.
  int Call(absl::string_view name, const std::string& arguments)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Complain(const std::string& text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckServer(int server) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RaiseLocked(int port) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int vcpus_;
  const std::unique_ptr<Page> page_ = std::make_unique<Page>();
  UniqueFd events_;

  absl::Mutex mutex_;
  std::map<std::string, std::deque<int>> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> complaints_ ABSL_GUARDED_BY(mutex_);
  bool server_ ABSL_GUARDED_BY(mutex_) = false;
  bool enabled_ ABSL_GUARDED_BY(mutex_) = false;
  bool mapped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Range> ranges_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Channel> channels_ ABSL_GUARDED_BY(mutex_);
  std::map<int, int> notified_ ABSL_GUARDED_BY(mutex_);  // By vCPU.
  std::deque<int> pending_ ABSL_GUARDED_BY(mutex_);
  int bound_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::array<uint8_t, kPageSize>> frames_
      ABSL_GUARDED_BY(mutex_);
  std::multiset<const void*> mapped_frames_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_RECORDING_HYPERVISOR_H_
