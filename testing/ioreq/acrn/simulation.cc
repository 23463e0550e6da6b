// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The process that simulates ACRN: `simulation PAGE SOCKET VCPUS`, where PAGE
// is the descriptor of the page's memory and SOCKET that of a socket over which
// more sockets come, one for each caller (wire.h). Ends when that is closed.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "testing/ioreq/acrn/hypervisor.h"
#include "testing/ioreq/acrn/module.h"
#include "testing/ioreq/acrn/storm.h"
#include "testing/ioreq/acrn/wire.h"

namespace ivshmem::acrn_simulation {
namespace {

class Simulation {
 public:
  Simulation(acrn_io_request_buffer& page, int vcpus)
      : vcpus_(vcpus),
        hypervisor_(page, vcpus, [this] { module_->Upcall(); }),
        module_(std::make_unique<Module>(page, vcpus, hypervisor_)) {}

  // A caller's socket, to its end.
  void Serve(const UniqueFd& socket) {
    Command command;
    UniqueFd fd;
    while (Receive(socket.get(), &command, sizeof(command), &fd)) {
      Reply reply;
      Do(command, std::move(fd), reply);
      if (!Send(socket.get(), &reply, sizeof(reply))) return;
    }
  }

 private:
  void Do(Command& command, UniqueFd fd, Reply& reply) {
    const int vcpu = static_cast<int>(command.vcpu);
    if (command.kind != Command::kIoctl && command.kind != Command::kFail &&
        (vcpu < 0 || vcpu >= vcpus_)) {
      reply.result = -EINVAL;
      return;
    }
    switch (command.kind) {
      case Command::kIoctl:
        reply.result =
            module_->Ioctl(command.number, command.data, std::move(fd));
        std::memcpy(reply.data, command.data, sizeof(reply.data));
        break;
      case Command::kAccess: {
        acrn_io_request request;
        std::memcpy(&request, command.data, sizeof(request));
        reply.value = Access(vcpu, request, command.flag != 0, reply.result);
        std::memcpy(reply.data, &request, sizeof(request));
        break;
      }
      case Command::kStorm:
        reply.value = BlowStorm(command, vcpu);
        break;
      case Command::kPoke: {
        acrn_io_request request;
        std::memcpy(&request, command.data, sizeof(request));
        hypervisor_.Poke(vcpu, request);
        module_->Upcall();
        break;
      }
      case Command::kPeek: {
        const acrn_io_request request = hypervisor_.Peek(vcpu);
        std::memcpy(reply.data, &request, sizeof(request));
        break;
      }
      case Command::kTakeMessages: {
        const std::vector<acrn_msi_entry> messages = module_->events().Take();
        reply.value = messages.size();
        const size_t room = sizeof(reply.data) / sizeof(acrn_msi_entry);
        for (size_t i = 0; i < messages.size() && i < room; ++i) {
          std::memcpy(reply.data + i * sizeof(acrn_msi_entry), &messages[i],
                      sizeof(acrn_msi_entry));
        }
        break;
      }
      case Command::kFail:
        module_->Fail(command.number, static_cast<int>(command.vcpu),
                      command.value);
        break;
      case Command::kReport: {
        const std::string violations = hypervisor_.Violations();
        reply.value = hypervisor_.requests();
        reply.result = static_cast<int32_t>(module_->notified());
        std::memcpy(reply.data, violations.data(),
                    std::min(sizeof(reply.data) - 1, violations.size()));
        break;
      }
      default:
        reply.result = -ENOTTY;
    }
  }

  // Returns whether there was an exit.
  bool Access(int vcpu, acrn_io_request& request, bool polling,
              int32_t& result) {
    result = 0;
    if (request.type == ACRN_IOREQ_TYPE_MMIO &&
        module_->memory().Access(request.reqs.mmio_request)) {
      return false;
    }
    if (!hypervisor_.Access(vcpu, request, polling)) result = -ETIMEDOUT;
    return true;
  }

  uint64_t BlowStorm(const Command& command, int vcpu) {
    Storm storm(command.value, command.data);
    uint64_t answered = 0;
    for (uint64_t i = 0; i < command.number; ++i) {
      acrn_io_request request = storm.Next();
      int32_t result = 0;
      Access(vcpu, request, storm.Polls(), result);
      if (result != 0) break;
      ++answered;
    }
    return answered;
  }

  const int vcpus_;
  Hypervisor hypervisor_;
  const std::unique_ptr<Module> module_;
};

int Run(int page_fd, int socket, int vcpus) {
  void* const page = mmap(nullptr, sizeof(acrn_io_request_buffer),
                          PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
  if (page == MAP_FAILED) {
    std::cerr << "simulation: the page cannot be mapped\n";
    return 1;
  }
  Simulation simulation(*static_cast<acrn_io_request_buffer*>(page), vcpus);
  uint8_t nothing = 0;
  UniqueFd caller;
  while (Receive(socket, &nothing, sizeof(nothing), &caller)) {
    std::thread([&simulation, owned = std::move(caller)] {
      simulation.Serve(owned);
    }).detach();
  }
  // Callers may still be served: nothing of it is taken down.
  _exit(0);
}

}  // namespace
}  // namespace ivshmem::acrn_simulation

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: simulation PAGE SOCKET VCPUS\n";
    return 2;
  }
  return ivshmem::acrn_simulation::Run(std::atoi(argv[1]), std::atoi(argv[2]),
                                       std::atoi(argv[3]));
}
