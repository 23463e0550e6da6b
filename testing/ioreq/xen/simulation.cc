// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The process that simulates Xen: `simulation AREA CONTROL VCPUS FD...`, all
// descriptors but the number of vCPUs: the shared memory, the socket of
// hypercalls, an eventfd for each handle of event channels, and a socket for
// each vCPU (wire.h). Ends when CONTROL is closed.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "testing/ioreq/xen/domain.h"
#include "testing/ioreq/xen/storm.h"
#include "testing/ioreq/xen/wire.h"

namespace ivshmem::xen_simulation {
namespace {

Reply Do(Domain& domain, Command& command) {
  Reply reply;
  switch (command.kind) {
    case Command::kCreateServer:
      reply.result = domain.CreateServer();
      break;
    case Command::kDestroyServer:
      reply.result = domain.DestroyServer(command.server);
      break;
    case Command::kEnableServer:
      reply.result = domain.EnableServer(command.server, command.a != 0);
      break;
    case Command::kMapPage:
      reply.result = domain.MapPage(command.server);
      break;
    case Command::kMapRange:
      reply.result =
          domain.MapRange(command.server, command.type, command.a, command.b);
      break;
    case Command::kUnmapRange:
      reply.result =
          domain.UnmapRange(command.server, command.type, command.a, command.b);
      break;
    case Command::kInjectMsi:
      reply.result =
          domain.InjectMsi(command.a, static_cast<uint32_t>(command.b));
      break;
    case Command::kBind:
      reply.result = domain.Bind(static_cast<uint32_t>(command.a),
                                 static_cast<uint32_t>(command.b));
      break;
    case Command::kUnbind:
      reply.result = domain.Unbind(static_cast<uint32_t>(command.a),
                                   static_cast<uint32_t>(command.b));
      break;
    case Command::kAccess:
      reply.result =
          domain.Access(command.vcpu, command.request, command.server);
      reply.request = command.request;
      break;
    case Command::kStorm:
      reply.value = command.server < 0
                        ? BlowStorm(domain, command.vcpu, command.b, command.a,
                                    command.type != 1)
                        : BlowHostileStorm(domain, command.vcpu, command.server,
                                           command.b, command.a);
      break;
    case Command::kPoke:
      domain.Poke(command.server, command.vcpu, command.request);
      break;
    case Command::kPeek:
      reply.request = domain.Peek(command.server, command.vcpu);
      break;
    case Command::kRaise:
      domain.Raise(command.server, command.vcpu);
      break;
    case Command::kTakeMessages: {
      const auto messages = domain.TakeMessages();
      reply.value = messages.size();
      if (messages.empty()) break;
      reply.a = messages.back().first;
      reply.b = messages.back().second;
      break;
    }
    case Command::kTakeMessage:
      if (const auto message = domain.TakeMessage()) {
        reply.value = 1;
        reply.a = message->first;
        reply.b = message->second;
      }
      break;
    case Command::kAnswered:
      reply.value = domain.answered();
      break;
    case Command::kReport: {
      const std::string violations = domain.Violations();
      violations.copy(reply.text, sizeof(reply.text) - 1);
      break;
    }
    default:
      reply.result = -1;
  }
  return reply;
}

void Serve(Domain& domain, int socket) {
  Command command;
  while (Receive(socket, command)) {
    if (!Send(socket, Do(domain, command))) return;
  }
}

int Main(const std::vector<int>& numbers) {
  const int vcpus = numbers[2];
  void* const memory = mmap(nullptr, sizeof(SharedArea), PROT_READ | PROT_WRITE,
                            MAP_SHARED, numbers[0], 0);
  if (memory == MAP_FAILED) {
    std::cerr << "cannot map the shared memory\n";
    return 1;
  }
  const auto handles = numbers.begin() + 3;
  auto& domain =
      *new Domain(*static_cast<SharedArea*>(memory),
                  std::vector<int>(handles, handles + kHandles), vcpus);
  for (int v = 0; v < vcpus; ++v) {
    std::thread([&domain, socket = handles[kHandles + v]] {
      Serve(domain, socket);
    }).detach();
  }
  Serve(domain, numbers[1]);
  // vCPUs may still wait.
  _exit(0);
}

}  // namespace
}  // namespace ivshmem::xen_simulation

int main(int argc, char** argv) {
  std::vector<int> numbers;
  for (int i = 1; i < argc; ++i) numbers.push_back(std::atoi(argv[i]));
  return ivshmem::xen_simulation::Main(numbers);
}
