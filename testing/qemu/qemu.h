// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_QEMU_H_
#define IVSHMEM_TESTING_QEMU_QEMU_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "testing/process.h"
#include "testing/qemu/qmp.h"
#include "testing/qemu/qtest.h"

namespace ivshmem::qemu {

// A real QEMU: a PC (i440FX, so PCI functions on bus 0) whose CPUs do not run,
// so that no firmware comes between a test and a device. Its RAM is
// kRamSize bytes from 0 on. Ends with the object, and leaves nothing behind.
//
// Threading: one thread at a time, the one that started it.
class Qemu {
 public:
  static constexpr uint64_t kRamSize = 16 << 20;

  struct Options {
    // Appended to QEMU's own (arguments.h makes those of our devices).
    std::vector<std::string> arguments;
    // Descriptors that the arguments name; QEMU gets them under the same
    // numbers. The caller may close them after the start.
    std::vector<int> inherit;
    std::string program = "qemu-system-x86_64";
    // For the start, and for each command later.
    absl::Duration deadline = absl::Seconds(30);
  };

  // Returns when QEMU's devices are there. Errors have QEMU's own message in
  // them: NotFound when it is not installed, FailedPrecondition when it ended,
  // DeadlineExceeded when it did not get ready, as with a silent server.
  static absl::StatusOr<std::unique_ptr<Qemu>> Start(const Options& options);

  Qtest& qtest() { return qtest_; }
  Qmp& qmp() { return qmp_; }
  Process& process() { return *process_; }

  // Ends as when its window is closed: devices take their leave.
  absl::Status Quit();

  // SIGKILL: the kernel closes what was open.
  void Kill() { process_->Kill(); }

 private:
  Qemu(std::unique_ptr<Process> process, UniqueFd qtest, UniqueFd qmp,
       absl::Duration deadline);

  absl::Status GetReady();
  // What it wrote, and how it ended if it did.
  std::string LastWords();

  const std::unique_ptr<Process> process_;
  Qtest qtest_;
  Qmp qmp_;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_QEMU_H_
