// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "backends/ioreq/acrn/memory_segments.h"
#include "backends/ioreq/acrn/msi.h"
#include "backends/ioreq/acrn/transport.h"
#include "examples/ioreq_host/hypervisor.h"
#include "testing/ioreq/acrn/simulated_vm.h"
#include "testing/ioreq/acrn/wire.h"

namespace ivshmem::ioreq_host {
namespace {

using acrn_simulation::Command;
using acrn_simulation::Reply;

class Acrn : public Hypervisor {
 public:
  explicit Acrn(std::unique_ptr<SimulatedVm> vm)
      : vm_(std::move(vm)), msi_(*vm_), segments_(*vm_) {}

  absl::Status Attach() {
    auto transport =
        acrn::Transport::Create(*vm_, {.vcpus = 1, .page = vm_->page()});
    if (!transport.ok()) return transport.status();
    transport_ = *std::move(transport);
    return absl::OkStatus();
  }

  ioreq::Transport& transport() override { return *transport_; }
  MemoryMapper* mapper() override { return &segments_; }
  pci::MsiSink& msi() override { return msi_; }

  absl::StatusOr<uint64_t> Access(const ioreq::Request& request) override {
    const bool write = request.direction == ioreq::Request::Direction::kWrite;
    const uint32_t direction =
        write ? ACRN_IOREQ_DIR_WRITE : ACRN_IOREQ_DIR_READ;
    const bool config = request.kind == ioreq::Request::Kind::kPciConfig;
    acrn_io_request asked = {};
    if (config) {
      asked.type = ACRN_IOREQ_TYPE_PCICFG;
      acrn_pci_request& pci = asked.reqs.pci_request;
      pci.direction = direction;
      pci.size = request.size;
      pci.value = static_cast<int32_t>(request.value);
      pci.bus = static_cast<int32_t>(request.address >> 20);
      pci.dev = static_cast<int32_t>(request.address >> 15 & 0x1f);
      pci.func = static_cast<int32_t>(request.address >> 12 & 7);
      pci.reg = static_cast<int32_t>(request.address & 0xfff);
    } else {
      asked.type = ACRN_IOREQ_TYPE_MMIO;
      acrn_mmio_request& mmio = asked.reqs.mmio_request;
      mmio.direction = direction;
      mmio.address = request.address;
      mmio.size = request.size;
      mmio.value = request.value;
    }
    Command command = {.kind = Command::kAccess};
    std::memcpy(command.data, &asked, sizeof(asked));
    const Reply reply = vm_->Call(command);
    if (reply.result != 0) {
      return absl::ErrnoToStatus(-reply.result, "the simulated ACRN");
    }
    std::memcpy(&asked, reply.data, sizeof(asked));
    return config ? static_cast<uint32_t>(asked.reqs.pci_request.value)
                  : asked.reqs.mmio_request.value;
  }

  Messages TakeMessages() override {
    const Reply reply = vm_->Call({.kind = Command::kTakeMessages});
    constexpr uint64_t kRoom = sizeof(reply.data) / sizeof(acrn_msi_entry);
    Messages messages = {.count = reply.value, .last = {}};
    if (reply.value > 0 && reply.value <= kRoom) {
      acrn_msi_entry entry;
      std::memcpy(&entry, reply.data + (reply.value - 1) * sizeof(entry),
                  sizeof(entry));
      messages.last = {.address = entry.msi_addr,
                       .data = static_cast<uint32_t>(entry.msi_data)};
    }
    return messages;
  }

  std::string Violations() override { return vm_->Violations(); }

 private:
  const std::unique_ptr<SimulatedVm> vm_;
  acrn::MsiInjector msi_;
  acrn::MemorySegments segments_;
  std::unique_ptr<acrn::Transport> transport_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Hypervisor>> StartAcrn(
    const SharedMemory& memory, const MemoryObject& object) {
  auto vm = SimulatedVm::Start(1);
  if (!vm.ok()) return vm.status();
  (*vm)->Share(memory, object);
  auto acrn = std::make_unique<Acrn>(*std::move(vm));
  if (absl::Status status = acrn->Attach(); !status.ok()) return status;
  return acrn;
}

}  // namespace ivshmem::ioreq_host
