// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_INTEROP_VFIO_GUEST_H_
#define IVSHMEM_TESTING_INTEROP_VFIO_GUEST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/doorbell.h"
#include "server/server_fixture.h"
#include "testing/interop/server_process.h"
#include "testing/process.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/qemu.h"

namespace ivshmem {

// `ivshmem device`, the program, with a folder of its own for its sockets.
// Failures are GoogleTest's.
//
// Threading: one thread at a time.
class DeviceProcess {
 public:
  // Makes the folder. `arguments` are further ones of the command; "%d" in them
  // stands for the folder.
  DeviceProcess(int devices, std::vector<std::string> arguments)
      : devices_(devices), arguments_(std::move(arguments)) {}

  // Returns when clients can connect.
  void Start();

  // SIGTERM, after which it must end by itself with status 0.
  void Stop();

  std::string socket(int device) const;
  std::string File(const std::string& name) const { return folder_.File(name); }
  Process& process() { return *process_; }

 private:
  const server::ShortDirectory folder_;
  const int devices_;
  const std::vector<std::string> arguments_;
  std::unique_ptr<Process> process_;
};

// A guest whose device is ours, by vfio-user. A vector that has been unmasked
// once is pending in QEMU from then on, where the PBA does not show it: so
// interrupts are looked for by unmasking.
class VfioGuest {
 public:
  // The QEMU that QEMU_VFIO_USER names; empty for none.
  static std::string Program();

  // Null, with a failure, when it does not start. `arguments` are further ones
  // of QEMU's.
  static std::unique_ptr<VfioGuest> Start(
      const std::string& socket,
      const std::vector<std::string>& arguments = {});

  PeerId id() { return static_cast<PeerId>(device_->Position()); }
  qemu::IvshmemDevice& device() { return *device_; }
  qemu::Qemu& qemu() { return *qemu_; }

  void Ring(PeerId peer, Vector vector) { device_->Ring(peer, vector); }

  // Whether the interrupt comes within kPatience. It is taken.
  bool Hears(Vector vector) { return Hears(*qemu_, *device_, vector); }
  static bool Hears(qemu::Qemu& qemu, qemu::IvshmemDevice& device,
                    Vector vector);

  // Whether no interrupt is there of what had arrived before.
  bool HearsNothing();

 private:
  VfioGuest(std::unique_ptr<qemu::Qemu> qemu,
            std::unique_ptr<qemu::IvshmemDevice> device)
      : qemu_(std::move(qemu)), device_(std::move(device)) {}

  const std::unique_ptr<qemu::Qemu> qemu_;
  const std::unique_ptr<qemu::IvshmemDevice> device_;
};

// Two such guests on one server, each with that many vectors and a MiB.
struct TwoVfioGuests {
  explicit TwoVfioGuests(int vectors)
      : server({"--vectors", absl::StrCat(vectors), "--size", "1M"}),
        devices(2, {"--server", server.socket_path(), "--vectors",
                    absl::StrCat(vectors)}) {}

  void Start();

  ServerProcess server;
  DeviceProcess devices;
  std::unique_ptr<VfioGuest> a;
  std::unique_ptr<VfioGuest> b;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_INTEROP_VFIO_GUEST_H_
