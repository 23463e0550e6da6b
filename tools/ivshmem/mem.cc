// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"
#include "tools/ivshmem/size.h"

namespace ivshmem::tool {
namespace {

struct MemOptions {
  ClientOptions client;
  std::string offset = "0";
  std::optional<std::string> length;
  bool raw = false;
  std::string file;
  std::string bytes;
};

// A part of the memory that is there.
struct Part {
  std::unique_ptr<JoinedClient> client;  // Keeps it mapped.
  uint64_t offset;
  uint8_t* data;
  uint64_t length;
};

// Joins, and finds the part at --offset. Without a length it goes to the end.
absl::StatusOr<Part> FindPart(const MemOptions& options,
                              std::optional<uint64_t> length) {
  const absl::StatusOr<uint64_t> offset = ParseSize("--offset", options.offset);
  if (!offset.ok()) return offset.status();
  absl::StatusOr<std::unique_ptr<JoinedClient>> client =
      Join(options.client, {});
  if (!client.ok()) return client.status();
  const SharedMemory memory = (*client)->memory();
  if (*offset > memory.size || length.value_or(0) > memory.size - *offset) {
    return absl::OutOfRangeError(absl::StrFormat(
        "--offset: %d bytes at %d do not fit in the memory's %d",
        length.value_or(0), *offset, memory.size));
  }
  return Part{*std::move(client), *offset, memory.data + *offset,
              length.value_or(memory.size - *offset)};
}

void PrintHex(uint64_t offset, const uint8_t* data, uint64_t length) {
  constexpr uint64_t kRow = 16;
  for (uint64_t row = 0; row < length; row += kRow) {
    const uint64_t count = std::min(kRow, length - row);
    // A copy: peers write meanwhile.
    uint8_t bytes[kRow];
    std::memcpy(bytes, data + row, count);
    std::cout << absl::StreamFormat("%08x ", offset + row);
    for (uint64_t i = 0; i < kRow; ++i) {
      if (i == kRow / 2) std::cout << ' ';
      if (i < count) {
        std::cout << absl::StreamFormat(" %02x", bytes[i]);
      } else {
        std::cout << "   ";
      }
    }
    std::cout << "  |";
    for (uint64_t i = 0; i < count; ++i) {
      std::cout << (absl::ascii_isprint(bytes[i]) ? static_cast<char>(bytes[i])
                                                  : '.');
    }
    std::cout << "|\n";
  }
}

absl::Status Dump(const MemOptions& options) {
  std::optional<uint64_t> length;
  if (options.length.has_value()) {
    const absl::StatusOr<uint64_t> parsed =
        ParseSize("--length", *options.length);
    if (!parsed.ok()) return parsed.status();
    length = *parsed;
  }
  const absl::StatusOr<Part> part = FindPart(options, length);
  if (!part.ok()) return part.status();
  if (options.raw) {
    std::cout.write(reinterpret_cast<const char*>(part->data),
                    static_cast<std::streamsize>(part->length));
  } else {
    PrintHex(part->offset, part->data, part->length);
  }
  return absl::OkStatus();
}

absl::Status Write(const MemOptions& options, const std::string& bytes) {
  const absl::StatusOr<Part> part = FindPart(options, bytes.size());
  if (!part.ok()) return part.status();
  std::memcpy(part->data, bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status Load(const MemOptions& options) {
  std::string bytes;
  if (options.file == "-") {
    bytes.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(options.file, std::ios::binary);
    if (!file) {
      return absl::NotFoundError(
          absl::StrFormat("FILE: cannot read '%s'", options.file));
    }
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  return Write(options, bytes);
}

absl::Status Poke(const MemOptions& options) {
  std::string digits = options.bytes;
  absl::StripAsciiWhitespace(&digits);
  if (digits.empty() || digits.size() % 2 != 0 ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "BYTES: expected pairs of hexadecimal digits as 00ff, got '%s'",
        options.bytes));
  }
  return Write(options, absl::HexStringToBytes(digits));
}

}  // namespace

void AddMem(CLI::App& app, Work& work) {
  CLI::App* mem = app.add_subcommand(
      "mem", "Joins a server and shows or changes the shared memory.");
  mem->require_subcommand(1);
  auto options = std::make_shared<MemOptions>();
  const auto add = [&](const char* name, const char* text,
                       absl::Status (*run)(const MemOptions&)) {
    CLI::App* command = mem->add_subcommand(name, text);
    AddClientOptions(*command, options->client);
    command->add_option("--offset", options->offset, "Where to begin")
        ->type_name("BYTES")
        ->capture_default_str();
    command->callback([options, run, &work] {
      work = [options, run] { return run(*options); };
    });
    return command;
  };

  CLI::App* dump = add("dump", "Prints a part of it.", Dump);
  dump->add_option("--length", options->length, "How much (to its end)")
      ->type_name("BYTES");
  dump->add_flag("--raw", options->raw, "The bytes themselves, not digits");
  dump->footer(
      "Examples:\n"
      "  ivshmem mem dump --socket /run/ivshmem.sock --length 64\n"
      "  ivshmem mem dump --socket /run/ivshmem.sock --raw > memory.bin");

  CLI::App* load = add("load", "Writes a file into it.", Load);
  load->add_option("FILE", options->file, "What to write; - for the input")
      ->required();
  load->footer(
      "Example:\n"
      "  ivshmem mem load --socket /run/ivshmem.sock --offset 1M table.bin");

  CLI::App* poke = add("poke", "Writes a few bytes into it.", Poke);
  poke->add_option("BYTES", options->bytes, "In hexadecimal digits")
      ->required();
  poke->footer(
      "Example:\n"
      "  ivshmem mem poke --socket /run/ivshmem.sock --offset 0x10 cafe01");
}

}  // namespace ivshmem::tool
