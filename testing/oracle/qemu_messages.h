// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_ORACLE_QEMU_MESSAGES_H_
#define IVSHMEM_TESTING_ORACLE_QEMU_MESSAGES_H_

#include <cstdint>
#include <vector>

#include "proto/script.pb.h"
#include "testing/qemu/qtest.h"

namespace ivshmem::qemu {

// The messages that a device of QEMU's sends: writes into a piece of RAM that
// is full of a number otherwise. Two to the same address that come together are
// one, the last.
//
// Threading: that of the Qtest.
class QemuMessages {
 public:
  // `qtest` outlives it. The drivers of script/worlds.h have the world's first
  // device send here.
  static constexpr uint64_t kAddress = 0x100000;
  static constexpr uint64_t kSize = 0x1000;

  // What no message's data is taken for.
  static constexpr uint32_t kNone = 0xa55a3cc3;

  explicit QemuMessages(Qtest& qtest);

  // Those that have come since.
  std::vector<script::Message> Take();

 private:
  Qtest& qtest_;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_ORACLE_QEMU_MESSAGES_H_
