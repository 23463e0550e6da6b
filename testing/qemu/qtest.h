// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_QEMU_QTEST_H_
#define IVSHMEM_TESTING_QEMU_QTEST_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "testing/qemu/line_socket.h"

namespace ivshmem::qemu {

// A client of QEMU's qtest protocol: reads and writes ports and memory of a
// machine as one of its CPUs would.
//
// Functions return plain values, so that a test reads like a driver. When QEMU
// does not answer, the GoogleTest test at hand fails, once, and from then on
// everything reads as 0; status() says so to a loop.
//
// Threading: one thread at a time.
class Qtest {
 public:
  struct Options {
    // For all commands that are run together.
    absl::Duration deadline = absl::Seconds(30);
    // What to say beside a failure: QEMU's own last words.
    std::function<std::string()> last_words;
  };

  // `socket` is connected to QEMU's qtest device.
  Qtest(UniqueFd socket, Options options);

  // Runs commands (qtest_command.h), which are all sent before the first answer
  // is awaited. Result: what each answers, 0 where that is no number. QEMU
  // handles what comes together in one go: an event that arrives from outside,
  // or that the device itself causes through an eventfd, comes after.
  std::vector<uint64_t> Run(absl::Span<const std::string> commands);

  // One command's answer.
  uint64_t Run(const std::string& command);

  // One access to guest-physical memory; `size` is 1, 2, 4 or 8 bytes.
  uint64_t Read(int size, uint64_t address);
  void Write(int size, uint64_t address, uint64_t value);

  std::vector<uint8_t> ReadBlock(uint64_t address, uint64_t size);
  void WriteBlock(uint64_t address, absl::Span<const uint8_t> bytes);

  // Returns when QEMU has handled all descriptors that were ready before: an
  // eventfd written to before this is an interrupt after it.
  void Settle();

  // Why QEMU does not answer any more.
  const absl::Status& status() const { return status_; }

 private:
  std::vector<std::string> Exchange(absl::Span<const std::string> commands);
  void Fail(const std::string& command, absl::Status why);

  LineSocket lines_;
  const Options options_;
  absl::Status status_;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_QEMU_QTEST_H_
