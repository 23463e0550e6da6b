// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/simulated_vm.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace ivshmem {
namespace {

using acrn_simulation::Command;
using acrn_simulation::Receive;
using acrn_simulation::Reply;
using acrn_simulation::Send;

constexpr const char* kProgram = "testing/ioreq/acrn/simulation";

}  // namespace

absl::StatusOr<std::unique_ptr<SimulatedVm>> SimulatedVm::Start(int vcpus) {
  auto object = MemoryObject::Memfd(sizeof(acrn_io_request_buffer));
  if (!object.ok()) return object.status();
  auto mapped = object->Map();
  if (!mapped.ok()) return mapped.status();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  UniqueFd socket(ends[0]);
  const UniqueFd theirs(ends[1]);
  auto vm = absl::WrapUnique(new SimulatedVm(
      *std::move(object), *std::move(mapped), std::move(socket)));
  auto process = Process::Start(
      {.program = kProgram,
       .arguments = {absl::StrCat(vm->object_.fd()), absl::StrCat(theirs.get()),
                     absl::StrCat(vcpus)},
       .inherit = {vm->object_.fd(), theirs.get()},
       .environment = {}});
  if (!process.ok()) return process.status();
  vm->process_ = *std::move(process);
  // When it answers, its page is set up.
  const Reply reply = vm->Call({.kind = Command::kReport});
  if (reply.result != 0) {
    return absl::UnavailableError(
        absl::StrCat("the simulation: ", vm->process_->Output()));
  }
  return vm;
}

UniqueFd SimulatedVm::TakeSocket() {
  absl::MutexLock lock(&mutex_);
  if (!idle_.empty()) {
    UniqueFd socket = std::move(idle_.back());
    idle_.pop_back();
    return socket;
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return {};
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const uint8_t nothing = 0;
  if (!Send(socket_.get(), &nothing, sizeof(nothing), theirs.get())) return {};
  return ours;
}

Reply SimulatedVm::Call(const Command& command, int fd) {
  UniqueFd socket = TakeSocket();
  Reply reply;
  if (!socket.valid() || !Send(socket.get(), &command, sizeof(command), fd) ||
      !Receive(socket.get(), &reply, sizeof(reply))) {
    reply.result = -EIO;
    return reply;
  }
  absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(socket));
  return reply;
}

int SimulatedVm::Ioctl(uint64_t request, uintptr_t argument) noexcept {
  Command command = {
      .kind = Command::kIoctl, .number = request, .value = argument};
  const size_t size = _IOC_SIZE(request);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
  const auto* const data = reinterpret_cast<const void*>(argument);
  int fd = -1;
  if ((_IOC_DIR(request) & _IOC_WRITE) != 0) {
    if (size > sizeof(command.data)) return -ENOTTY;
    std::memcpy(command.data, data, size);
    fd = DescriptorOf(request, data);
  }
  return Call(command, fd).result;
}

int SimulatedVm::DescriptorOf(uint64_t request, const void* argument) {
  switch (request) {
    case ACRN_IOCTL_IOEVENTFD:
      return static_cast<int>(static_cast<const acrn_ioeventfd*>(argument)->fd);
    case ACRN_IOCTL_IRQFD:
      return static_cast<const acrn_irqfd*>(argument)->fd;
    case ACRN_IOCTL_SET_MEMSEG: {
      const auto* const map = static_cast<const acrn_vm_memmap*>(argument);
      absl::MutexLock lock(&mutex_);
      for (const auto& [memory, object] : shared_) {
        if (reinterpret_cast<uintptr_t>(memory.data) == map->vma_base) {
          return object->fd();
        }
      }
      return -1;
    }
    default:
      return -1;
  }
}

void SimulatedVm::Share(const SharedMemory& memory,
                        const MemoryObject& object) {
  absl::MutexLock lock(&mutex_);
  shared_.emplace_back(memory, &object);
}

std::string SimulatedVm::Violations() {
  const Reply reply = Call({.kind = Command::kReport});
  if (reply.result == -EIO) {
    return absl::StrCat("the simulation is gone: ", process_->Output());
  }
  const auto* const text = reinterpret_cast<const char*>(reply.data);
  return std::string(text, strnlen(text, sizeof(reply.data)));
}

}  // namespace ivshmem
