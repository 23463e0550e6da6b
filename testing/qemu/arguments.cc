// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/arguments.h"

#include "absl/strings/str_cat.h"

namespace ivshmem::qemu {

std::vector<std::string> Arguments(const PlainDevice& device) {
  return {"-object",
          absl::StrCat("memory-backend-file,share=on,id=", device.id,
                       "-memory,size=", device.memory_size,
                       ",mem-path=/proc/self/fd/", device.memory_fd),
          "-device",
          absl::StrCat("ivshmem-plain,id=", device.id,
                       ",addr=", absl::Hex(device.slot), ",memdev=", device.id,
                       "-memory")};
}

std::vector<std::string> Arguments(const DoorbellDevice& device) {
  const std::string server = device.socket_fd >= 0
                                 ? absl::StrCat("fd=", device.socket_fd)
                                 : absl::StrCat("path=", device.socket_path);
  return {"-chardev", absl::StrCat("socket,id=", device.id, "-server,", server),
          "-device",
          absl::StrCat("ivshmem-doorbell,id=", device.id,
                       ",addr=", absl::Hex(device.slot), ",chardev=", device.id,
                       "-server,vectors=", device.vectors,
                       ",ioeventfd=", device.ioeventfd ? "on" : "off")};
}

}  // namespace ivshmem::qemu
