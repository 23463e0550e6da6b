// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_DOMAIN_H_
#define IVSHMEM_TESTING_IOREQ_XEN_DOMAIN_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "testing/ioreq/xen/range_set.h"
#include "testing/ioreq/xen/shared_area.h"

namespace ivshmem::xen_simulation {

// A domain as Xen has it: its I/O request servers, their claims, its event
// channels and vCPUs, and the judge of who works on the pages: it knows no more
// of them than Xen's headers. Where Xen would crash the domain, and wherever
// else somebody breaks the rules, a violation is kept.
//
// Threading: any thread; accesses of one vCPU one at a time.
class Domain {
 public:
  // `events`: an eventfd for each handle of event channels.
  Domain(SharedArea& area, std::vector<int> events, int vcpus)
      : area_(area), events_(std::move(events)), vcpus_(vcpus) {}

  // Hypercalls: 0 or more, or -errno.
  int CreateServer();
  int DestroyServer(int server);
  int EnableServer(int server, bool enabled);
  int MapPage(int server);
  int MapRange(int server, uint32_t type, uint64_t first, uint64_t last);
  int UnmapRange(int server, uint32_t type, uint64_t first, uint64_t last);
  int InjectMsi(uint64_t address, uint32_t data);
  int Bind(uint32_t handle, uint32_t port);
  int Unbind(uint32_t handle, uint32_t port);

  // A vCPU's access; see Command::kAccess. The rules of its slot:
  //  - its state goes READY, (INPROCESS,) IORESP_READY, never back;
  //  - nobody changes anything in it but the state and, of a read that is not
  //    into memory, `data`; nothing at all while no request is in it;
  //  - the vCPU is told once of each answer, after it is there.
  int Access(int vcpu, ioreq_t& request, int server);

  // An event that means nothing.
  void Raise(int server, int vcpu);
  void Poke(int server, int vcpu, const ioreq_t& slot);
  ioreq_t Peek(int server, int vcpu) const;

  // Those injected since the last call.
  std::vector<std::pair<uint64_t, uint32_t>> TakeMessages();
  // The oldest of them.
  std::optional<std::pair<uint64_t, uint32_t>> TakeMessage();

  void Violation(const std::string& what);
  // All of them, one to a line, once what still may be under way has come.
  // Slots that a vCPU waits in are not looked at.
  std::string Violations();
  uint64_t answered();

  uint8_t* ram(uint64_t address) { return &area_.ram[0][0] + address; }

 private:
  struct Server {
    bool exists = false;
    bool enabled = false;
    uint64_t generation = 0;
    std::array<RangeSet, 3> ranges;  // By type.
  };
  struct Vcpu {
    ioreq_t left = {};  // The slot as it was when its last request ended.
    uint32_t told = 0;  // How many events there have to be.
    bool waits = false;
  };

  bool Exists(int server) const {
    return server >= 0 && server < kServers && servers_[server].exists;
  }
  int ServerFor(const ioreq_t& request) const;
  void RaiseLocked(int server, int vcpu);
  int Wait(int server, int vcpu, uint64_t generation, const ioreq_t& sent);
  bool Gone(int server, uint64_t generation);
  void CheckIdle(int server, int vcpu);
  void CheckIdleOnes(int server);
  void Keep(const std::string& what);  // Once.
  void CheckAnswer(int server, int vcpu, const ioreq_t& sent);

  SharedArea& area_;
  const std::vector<int> events_;
  const int vcpus_;

  std::mutex mutex_;
  std::array<Server, kServers> servers_;
  uint64_t generations_ = 0;
  std::array<std::array<Vcpu, kSlots>, kServers> states_;
  std::vector<std::pair<uint64_t, uint32_t>> messages_;
  std::vector<std::string> violations_;
  uint64_t answered_ = 0;
};

}  // namespace ivshmem::xen_simulation

#endif  // IVSHMEM_TESTING_IOREQ_XEN_DOMAIN_H_
