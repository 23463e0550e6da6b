// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/status/status.h"
#include "core/doorbell.h"

namespace ivshmem::kvm_vmm {
namespace {

void AddSwitch(CLI::App& app, const char* name, bool& value, const char* text) {
  app.add_option_function<std::string>(
         name, [&value](const std::string& typed) { value = typed == "on"; },
         text)
      ->check(CLI::IsMember({"on", "off"}).description(""))
      ->type_name("on|off")
      ->default_str("on");
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "Runs a guest on KVM with an ivshmem device that has joined a server, "
      "until the guest ends, or at SIGINT and SIGTERM. The device is the first "
      "function of the PCI bus, 00:00.0.",
      "kvm_vmm");
  app.add_option("--bios", flags.bios,
                 "The guest's firmware: at most 128 KiB, mapped read-only so "
                 "that it ends at 4 GiB")
      ->required()
      ->type_name("IMAGE");
  app.add_option("--socket", flags.socket,
                 "The server's socket, ours or QEMU's; waits 5 s for it")
      ->required()
      ->type_name("SERVER");
  app.add_option("--vectors", flags.vectors,
                 "MSI-X vectors of the device, 1 to 2048")
      ->required()
      ->check(CLI::Range(1, kMaxVectors).description(""))
      ->type_name("N");
  AddSwitch(app, "--ioeventfd", flags.ioeventfd,
            "Whether the kernel rings doorbells by itself");
  AddSwitch(app, "--irqfd", flags.irqfd,
            "Whether the kernel interrupts the guest by itself");
  app.add_option("--memory", flags.memory,
                 "The guest's RAM from address 0, 1 MiB to 3 GiB: 64M, 1G")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false).description(""))
      ->type_name("SIZE")
      ->default_str("128M");
  app.add_flag("-v,--verbose", flags.verbose,
               "Says on standard error what happens");
  app.footer(
      "Example:\n"
      "  ivshmem server --socket /run/ivshmem.sock --vectors 2 &\n"
      "  kvm_vmm --bios firmware.bin --socket /run/ivshmem.sock --vectors 2");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.help = app.help();
  } catch (const CLI::Error& error) {
    std::string line = error.what();
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; },
        ' ');
    return absl::InvalidArgumentError(line);
  }
  return flags;
}

}  // namespace ivshmem::kvm_vmm
