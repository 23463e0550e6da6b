// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/oracle/qemu_messages.h"

#include <string>

#include "absl/types/span.h"
#include "bus/access.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {

QemuMessages::QemuMessages(Qtest& qtest) : qtest_(qtest) {
  std::vector<uint8_t> bytes(kSize);
  for (uint64_t at = 0; at < kSize; at += 4) {
    StoreLittleEndian(kNone, absl::MakeSpan(bytes).subspan(at, 4));
  }
  qtest_.WriteBlock(kAddress, bytes);
}

std::vector<script::Message> QemuMessages::Take() {
  const std::vector<uint8_t> bytes = qtest_.ReadBlock(kAddress, kSize);
  std::vector<script::Message> messages;
  std::vector<std::string> commands;
  for (uint64_t at = 0; at < kSize; at += 4) {
    const auto data = static_cast<uint32_t>(
        LoadLittleEndian(absl::MakeConstSpan(bytes).subspan(at, 4)));
    if (data == kNone) continue;
    script::Message& message = messages.emplace_back();
    message.set_address(kAddress + at);
    message.set_data(data);
    commands.push_back(command::Write(4, kAddress + at, kNone));
  }
  if (!commands.empty()) qtest_.Run(commands);
  return messages;
}

}  // namespace ivshmem::qemu
