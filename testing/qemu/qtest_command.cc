// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qtest_command.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ivshmem::qemu::command {
namespace {

char Suffix(int size) {
  switch (size) {
    case 1:
      return 'b';
    case 2:
      return 'w';
    case 4:
      return 'l';
    default:
      return 'q';
  }
}

std::string Line(absl::string_view verb, int size, uint64_t address) {
  const char suffix = Suffix(size);
  return absl::StrCat(verb, absl::string_view(&suffix, 1), " 0x",
                      absl::Hex(address));
}

}  // namespace

std::string In(int size, uint16_t port) { return Line("in", size, port); }

std::string Out(int size, uint16_t port, uint32_t value) {
  return absl::StrCat(Line("out", size, port), " 0x", absl::Hex(value));
}

std::string Read(int size, uint64_t address) {
  return Line("read", size, address);
}

std::string Write(int size, uint64_t address, uint64_t value) {
  return absl::StrCat(Line("write", size, address), " 0x", absl::Hex(value));
}

std::string ReadBlock(uint64_t address, uint64_t size) {
  return absl::StrCat("b64read 0x", absl::Hex(address), " 0x", absl::Hex(size));
}

std::string WriteBlock(uint64_t address, absl::Span<const uint8_t> bytes) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()),
                               bytes.size());
  return absl::StrCat("b64write 0x", absl::Hex(address), " 0x",
                      absl::Hex(bytes.size()), " ", absl::Base64Escape(text));
}

std::string Fill(uint64_t address, uint64_t size, uint8_t value) {
  return absl::StrCat("memset 0x", absl::Hex(address), " 0x", absl::Hex(size),
                      " 0x", absl::Hex(value));
}

}  // namespace ivshmem::qemu::command
