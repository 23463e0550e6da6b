// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/flags.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "examples/two_guests/devices.h"

namespace ivshmem::two_guests {
namespace {

absl::Status Error(absl::string_view flag, absl::string_view expected,
                   absl::string_view got) {
  // On one line, whatever was typed.
  std::string shown;
  for (const char c : got) shown += c == '\n' || c == '\r' ? ' ' : c;
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected %s, got %s", flag, expected,
      got.empty() ? "nothing" : absl::StrCat("\"", shown, "\"")));
}

// What was typed, before it is looked at.
struct Typed {
  std::string messages = "1000";
  std::string engine = "auto";
  std::string inject = "none";
  std::string trace = "false";
  std::optional<std::string> config;
  std::optional<std::string> record;
};

absl::StatusOr<Devices> ReadConfig(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!(file.is_open() && text << file.rdbuf())) {
    return Error("--config", "a file that can be read", path);
  }
  absl::StatusOr<Devices> devices = ReadDevices(text.str());
  if (devices.ok()) return devices;
  return absl::InvalidArgumentError(
      absl::StrCat("--config: ", path, ": ", devices.status().message()));
}

absl::StatusOr<Flags> Check(const Typed& typed) {
  Flags flags;
  flags.trace = typed.trace == "true";
  if (!flags.trace && typed.trace != "false") {
    return Error("--trace", "no value", typed.trace);
  }
  uint32_t messages = 0;
  if (!absl::SimpleAtoi(typed.messages, &messages) || messages < 1 ||
      messages > kMaxMessages) {
    return Error("--messages",
                 absl::StrCat("a whole number from 1 to ", kMaxMessages),
                 typed.messages);
  }
  flags.vmm.messages = messages;
  if (typed.engine == "unicorn") {
    flags.engine = EngineWish::kUnicorn;
  } else if (typed.engine == "kvm") {
    flags.engine = EngineWish::kKvm;
  } else if (typed.engine != "auto") {
    return Error("--engine", "kvm, unicorn or auto", typed.engine);
  }
  if (typed.inject == "drop-doorbell") {
    flags.vmm.inject = Inject::kDropDoorbell;
  } else if (typed.inject == "flip-byte") {
    flags.vmm.inject = Inject::kFlipByte;
  } else if (typed.inject != "none") {
    return Error("--inject", "drop-doorbell, flip-byte or none", typed.inject);
  }
  if (typed.config.has_value()) {
    absl::StatusOr<Devices> devices = ReadConfig(*typed.config);
    if (!devices.ok()) return devices.status();
    flags.vmm.devices = *std::move(devices);
  }
  if (typed.record.has_value()) {
    if (typed.record->empty()) return Error("--record", "a file's name", "");
    flags.record = typed.record;
    flags.vmm.record = true;
  }
  return flags;
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Typed typed;
  CLI::App app(
      "Two guests, an x86 PC and a Cortex-M board, exchange messages through\n"
      "shared memory and ring each other's doorbells, and check what comes.",
      "two_guests");
  app.set_help_flag("--help", "this text");
  app.allow_extras();  // So that the error is worded here.
  // A flag without a value is let through, for the same reason.
  const auto add = [&app](const char* name, const char* type,
                          std::string& value, const std::string& help) {
    app.add_option(name, value, help)
        ->expected(0, 1)
        ->take_last()
        ->type_name(type)
        ->default_str("");
  };
  add("--messages", "N", typed.messages,
      "how many requests are to be answered (1000)");
  add("--engine", "NAME", typed.engine,
      "what runs the x86 guest: kvm; unicorn, a CPU emulator, which always\n"
      "runs the Cortex-M guest; auto (kvm where it can be used)");
  add("--inject", "FAULT", typed.inject,
      "in the middle of it all: drop-doorbell, flip-byte or none");
  std::string config;
  add("--config", "FILE", config,
      "the devices, in the text form of proto/config.proto; without it:\n" +
          std::string(kDefaultDevices));
  std::string record;
  add("--record", "FILE", record,
      "write what happens to the PC's device there, as a Script that\n"
      "`ivshmem replay` plays");
  app.add_flag("--trace", typed.trace,
               "tell each access of a guest to its device, a line each");
  app.footer(
      "Exit status: 0 when every message came whole and no doorbell was lost,\n"
      "1 when not, 2 for bad flags and for --engine=kvm without KVM.");

  // CLI11 reports by exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    Flags flags;
    flags.help = app.help();
    return flags;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("flags: expected those of --help, got an error: ",
                     absl::string_view(error.what())));
  }
  if (const std::vector<std::string> rest = app.remaining(); !rest.empty()) {
    const std::string& first = rest.front();
    if (absl::StartsWith(first, "-")) {
      return Error(first.substr(0, first.find('=')), "a flag that --help lists",
                   first);
    }
    return Error("arguments", "flags only", first);
  }
  if (app.count("--config") != 0) typed.config = config;
  if (app.count("--record") != 0) typed.record = record;
  return Check(typed);
}

}  // namespace ivshmem::two_guests
