// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/memory_object.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "server/memory.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/size.h"
#include "tools/ivshmem/stop.h"
#include "tools/ivshmem/vfio_user_device.h"

namespace ivshmem::tool {
namespace {

struct DeviceFlags {
  std::vector<std::string> paths;
  std::string server;
  std::string memory;
  std::string size;
  int vectors = 0;
  std::string dialect = "rev1";
  std::string mode = "0600";
  std::string record;
  std::string state;
  bool verbose = false;
};

// Memory that is shared without a server, by the devices of this process and
// who else opens the file.
struct Alone {
  MemoryObject object;
  MappedMemory mapped;
};

absl::StatusOr<Alone> OpenAlone(const DeviceFlags& flags) {
  if (flags.size.empty()) {
    return absl::InvalidArgumentError(
        "--size: expected the memory's size, where there is no --server, got "
        "none");
  }
  const absl::StatusOr<uint64_t> size = ParseSize("--size", flags.size);
  if (!size.ok()) return size.status();
  server::MemorySpec spec = {.size = *size};
  if (!flags.memory.empty()) {
    spec.kind = server::MemorySpec::Kind::kFile;
    spec.name = flags.memory;
  }
  absl::StatusOr<MemoryObject> object = server::OpenMemory(spec);
  if (!object.ok()) return object.status();
  absl::StatusOr<MappedMemory> mapped = object->Map();
  if (!mapped.ok()) return mapped.status();
  return Alone{*std::move(object), *std::move(mapped)};
}

absl::Status Check(const DeviceFlags& flags) {
  const bool joins = !flags.server.empty();
  if (joins && (!flags.memory.empty() || !flags.size.empty())) {
    return absl::InvalidArgumentError(
        "--server: expected it without --memory and --size, as the memory is "
        "the server's");
  }
  if (!joins && flags.vectors != 0) {
    return absl::InvalidArgumentError(
        "--vectors: expected --server with it: without one nobody is there to "
        "ring");
  }
  if (flags.paths.size() > 1 && !(flags.record + flags.state).empty()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--record, --state: expected one device (--vfio-user), got %d",
        flags.paths.size()));
  }
  return absl::OkStatus();
}

absl::Status Serve(const DeviceFlags& flags) {
  absl::Status status = Check(flags);
  if (!status.ok()) return status;
  // Before there are threads: they leave the signals to this one.
  absl::StatusOr<Stop> stopping = Stop::OnSignals();
  if (!stopping.ok()) return stopping.status();
  VfioUserDevice::Options options;
  options.mode = static_cast<mode_t>(std::stoi(flags.mode, nullptr, 8));
  options.server = flags.server;
  options.dialect = flags.dialect == "acrn" ? kAcrn : kRevision1;
  options.vectors = flags.vectors;
  options.record = flags.record;
  options.state = flags.state;
  options.verbose = flags.verbose;
  std::optional<Alone> alone;
  if (flags.server.empty()) {
    absl::StatusOr<Alone> opened = OpenAlone(flags);
    if (!opened.ok()) return opened.status();
    alone.emplace(*std::move(opened));
    options.memory = {.view = alone->mapped.view(),
                      .fd = alone->object.fd(),
                      .sealed = alone->object.sealed()};
  }
  std::vector<std::unique_ptr<VfioUserDevice>> devices;
  for (const std::string& path : flags.paths) {
    options.path = path;
    absl::StatusOr<std::unique_ptr<VfioUserDevice>> device =
        VfioUserDevice::Start(options);
    if (!device.ok()) return device.status();
    devices.push_back(*std::move(device));
  }
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  // Its watches go before the loop.
  Stop stop = *std::move(stopping);
  status = stop.Watch(**loop);
  if (!status.ok()) return status;
  std::cerr << absl::StrCat("ivshmem device: serving ", devices.size(),
                            devices.size() == 1 ? " device" : " devices", "\n");
  while (!stop.requested()) (*loop)->Dispatch(absl::InfiniteDuration());
  for (const auto& device : devices) {
    const absl::Status stopped = device->Stop();
    if (absl::IsDeadlineExceeded(stopped)) {
      std::cerr << absl::StrCat("ivshmem device: ", stopped.message(), "\n");
      // Its thread cannot be waited for.
      _exit(2);
    }
    status.Update(stopped);
  }
  return status;
}

}  // namespace

void AddDevice(CLI::App& app, Work& work) {
  auto flags = std::make_shared<DeviceFlags>();
  CLI::App* device = app.add_subcommand(
      "device",
      "Serves ivshmem devices to virtual machines of other programs, by "
      "vfio-user:\n"
      "QEMU from 10.1 on, Cloud Hypervisor. Ends at SIGINT and SIGTERM.");
  device
      ->add_option("--vfio-user", flags->paths,
                   "A device's socket; several times for several devices")
      ->required()
      ->type_name("PATH");
  device
      ->add_option("--server", flags->server,
                   "The ivshmem server that each device joins")
      ->type_name("SOCKET");
  device
      ->add_option("--memory", flags->memory,
                   "Share this file, without a server")
      ->type_name("FILE");
  device
      ->add_option("--size", flags->size,
                   "The memory's size, without a server (a sealed memfd, if no "
                   "file is given)")
      ->type_name("BYTES");
  device
      ->add_option("--vectors", flags->vectors,
                   "How many vectors peers can interrupt (default: the "
                   "dialect's)")
      ->check(CLI::Range(1, kMaxVectors))
      ->type_name("N");
  device
      ->add_option("--dialect", flags->dialect,
                   "What guests' drivers expect: the specification or ACRN")
      ->check(CLI::IsMember({"rev1", "acrn"}))
      ->capture_default_str();
  device->add_option("--mode", flags->mode, "Permissions of the sockets, octal")
      ->check([](const std::string& text) {
        return !text.empty() && text.size() <= 4 &&
                       text.find_first_not_of("01234567") == std::string::npos
                   ? std::string()
                   : "expected octal digits as 0660, got " + text;
      })
      ->capture_default_str();
  device
      ->add_option("--record", flags->record,
                   "Write a Script of what happened here, when told to stop")
      ->type_name("FILE");
  device
      ->add_option("--state", flags->state,
                   "The device's state: read at the start if it exists, "
                   "written at the end")
      ->type_name("FILE");
  device->add_flag("-v,--verbose", flags->verbose,
                   "Say which clients come and go");
  device->footer(
      "Examples:\n"
      "  ivshmem server --socket /run/ivshmem.sock --vectors 2 --size 4M\n"
      "  ivshmem device --vfio-user /run/vm1.sock --server /run/ivshmem.sock "
      "\\\n"
      "      --vectors 2\n"
      "  qemu-system-x86_64 ... -device '{\"driver\":\"vfio-user-pci\",\\\n"
      "      \"socket\":{\"type\":\"unix\",\"path\":\"/run/vm1.sock\"}}'\n"
      "  cloud-hypervisor ... --user-device socket=/run/vm1.sock");
  device->callback(
      [flags, &work] { work = [flags] { return Serve(*flags); }; });
}

}  // namespace ivshmem::tool
