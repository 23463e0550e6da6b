// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A small but complete VMM on KVM with an ivshmem device: what an embedder of
// this library does, in the order in which it does it. Run() below is all of
// it. The machine around the device, machine.h and vcpu.h, is what your VMM has
// already: RAM, a vCPU's loop, and two maps of who answers at which address.
// docs/embedding-kvm.md walks through this file and says why.
//
// Four threads are there when the guest runs:
//
//   main      waits for a signal or for the guest's end
//   the vCPU  runs the guest, and the device whenever the guest accesses it
//   link      talks to the server; interrupts the guest where no irqfd does
//   shortcuts adds and removes ioeventfds and irqfds

#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "backends/address_map.h"
#include "backends/kvm/doorbells.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/irqfd_router.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/msi_signal.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "core/device.h"
#include "core/dialect.h"
#include "device/pci_device.h"
#include "examples/kvm_vmm/event_log.h"
#include "examples/kvm_vmm/flags.h"
#include "examples/kvm_vmm/machine.h"
#include "examples/kvm_vmm/stop_signals.h"

namespace ivshmem::kvm_vmm {
namespace {

constexpr int kStopped = 0;
constexpr int kGuestEnded = 1;
constexpr int kFailed = 2;

// How long a server may take to answer.
constexpr absl::Duration kPatience = absl::Seconds(30);

absl::StatusOr<std::vector<uint8_t>> ReadImage(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  // One byte more than may be, so that too many are seen.
  std::vector<char> bytes(Machine::kMostFirmware + 1);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto size = static_cast<uint64_t>(file.gcount());
  if (size == 0 || size > Machine::kMostFirmware) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--bios: %s: %s; expected a file of 1..%d bytes", path,
        size == 0 ? "cannot be read or is empty" : "is too large",
        Machine::kMostFirmware));
  }
  return std::vector<uint8_t>(bytes.begin(), bytes.begin() + file.gcount());
}

// Returns the exit status. Errors: why the guest cannot be started.
//
// Objects are made so that each outlives what uses it: that is the reverse of
// the order in which a block's variables are destroyed.
absl::StatusOr<int> Run(const Flags& flags) {
  const absl::StatusOr<std::vector<uint8_t>> image = ReadImage(flags.bios);
  if (!image.ok()) return image.status();

  // The main thread's loop. Before other threads are: they inherit which
  // signals are held.
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  bool stop = false;
  const absl::StatusOr<StopSignals> signals =
      StopSignals::Watch(**loop, [&stop] { stop = true; });
  if (!signals.ok()) return signals.status();

  // The machine: KVM's VM and vCPU, RAM, firmware.
  absl::StatusOr<std::unique_ptr<Machine>> created =
      Machine::Create(flags.memory);
  if (!created.ok()) return created.status();
  Machine& machine = **created;
  if (absl::Status loaded = machine.LoadFirmware(*image); !loaded.ok()) {
    return loaded;
  }

  // The server gives three things: memory, an id, and the peers' doorbells as
  // eventfds. The link keeps up with it on a thread that is not the guest's,
  // and comes back by itself should the server restart.
  EventLog log(flags.verbose);
  absl::StatusOr<std::unique_ptr<LoopThread>> link_thread =
      LoopThread::Start("link");
  if (!link_thread.ok()) return link_thread.status();
  absl::StatusOr<std::unique_ptr<ServerLink>> link = ServerLink::Start(
      (*link_thread)->loop(),
      {.socket_path = flags.socket, .vectors = flags.vectors}, &log);
  if (!link.ok()) return link.status();
  if (absl::Status joined = (*link)->WaitJoined(kPatience); !joined.ok()) {
    return absl::UnavailableError(absl::StrCat("--socket: ", joined.message()));
  }

  // What KVM does for the device. Each of these is made from `machine.vm()`,
  // which is a VM's descriptor and nothing more.
  //
  // The memory becomes a slot, so the guest reads and writes it as RAM. This
  // VMM shares out slot numbers by a SlotRange, of which its own RAM and ROM
  // have taken theirs.
  kvm::MemorySlots memory(machine.vm(), machine.slots());
  // A doorbell becomes an ioeventfd: the kernel signals the peer's eventfd when
  // the guest writes just that value just there.
  kvm::Doorbells doorbells(machine.vm());
  // An interrupt becomes an irqfd: the kernel sends the vector's MSI-X message
  // when a peer signals the eventfd. An irqfd names its message by a GSI, a
  // number in a table that the VM has once. Nobody else in this VMM changes
  // that table, so a GsiTable may own it.
  kvm::GsiTable routes(machine.vm(), kvm::GsiTable::Pc());
  kvm::IrqfdRouter irqfds(machine.vm(), routes);
  // What no irqfd sends, is sent by this: vectors that are rung while they are
  // being routed, or for which there was no room.
  kvm::MsiSignal messages(machine.vm());
  // KVM waits for the vCPUs whenever one of these is added or removed. So that
  // no vCPU waits for them in turn, it is done on another thread; not on the
  // link's, which delivers interrupts meanwhile.
  absl::StatusOr<std::unique_ptr<LoopThread>> shortcuts =
      LoopThread::Start("shortcuts");
  if (!shortcuts.ok()) return shortcuts.status();

  // The device. It claims its BARs in the machine's address map as the guest
  // places and moves them. `doorbells` and `router` may be absent: then the
  // guest's doorbell writes and its interrupts go through this program, and the
  // guest cannot tell but by the time they take. The dialect is QEMU's, so that
  // firmware made for its device finds just that.
  const absl::StatusOr<std::unique_ptr<PciDevice>> device = PciDevice::Create(
      {.dialect = kQemu, .vectors = flags.vectors, .id = (*link)->id()},
      (*link)->memory(),
      {.mmio = &machine.memory(),
       .mapper = &memory,
       .msi = &messages,
       .doorbells = flags.ioeventfd ? &doorbells : nullptr,
       .router = flags.irqfd ? &irqfds : nullptr,
       .executor = &(*shortcuts)->loop(),
       .events = &log});
  if (!device.ok()) return device.status();

  // From now on, until `attached` goes, the device can ring the server's peers
  // and be rung by them.
  const absl::StatusOr<RegistrationPtr> attached =
      (*link)->Attach((*device)->device());
  if (!attached.ok()) return attached.status();

  // The PCI bus: config spaces laid out as in an ECAM window, with the device
  // as 00:00.0 and nothing else, and the two ports by which the guest reaches
  // it. (For ECAM, claim `bus` in machine.memory() as well.)
  AddressMap bus;
  const absl::StatusOr<RegistrationPtr> function = bus.Claim(
      pci::EcamOffset(0, 0, 0), pci::kEcamFunctionSize, (*device)->config());
  if (!function.ok()) return function.status();
  pci::ConfigPorts config_ports(bus);
  const absl::StatusOr<RegistrationPtr> ports = machine.ports().Claim(
      pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts, config_ports);
  if (!ports.ok()) return ports.status();

  // The vCPU's loop (vcpu.cc) hands KVM_EXIT_MMIO and KVM_EXIT_IO to
  // kvm::HandleMmio() and kvm::HandleIo(), and these to the two maps above.
  machine.vcpu().Start([&] { (*loop)->Run([&stop] { stop = true; }); });
  while (!stop) (*loop)->Dispatch(absl::InfiniteDuration());

  // No access of the guest is under way when the device goes.
  machine.vcpu().Stop();
  const absl::Status end = machine.vcpu().Wait();
  if (flags.verbose) {
    const Device& core = (*device)->device();
    Say(absl::StrFormat(
        "%d doorbells and %d interrupts went through this program",
        core.count(RingResult::kDelivered),
        core.count(InterruptResult::kDelivered)));
  }
  if (end.ok()) return kStopped;
  Say(end.message());
  return kGuestEnded;
}

int Main(int argc, const char* const* argv) {
  const absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    Say(flags.status().message());
    return kFailed;
  }
  if (!flags->help.empty()) {
    std::cout << flags->help;
    return kStopped;
  }
  const absl::StatusOr<int> status = Run(*flags);
  if (status.ok()) return *status;
  Say(status.status().message());
  return kFailed;
}

}  // namespace
}  // namespace ivshmem::kvm_vmm

int main(int argc, char** argv) { return ivshmem::kvm_vmm::Main(argc, argv); }
