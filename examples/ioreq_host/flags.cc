// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/ioreq_host/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/status/status.h"

namespace ivshmem::ioreq_host {

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "Shows a guest of a simulated hypervisor that uses two ivshmem devices, "
      "each access a request in the hypervisor's page.",
      "ioreq_host");
  app.add_option("--hypervisor", flags.hypervisor, "Whose page it is")
      ->required()
      ->check(CLI::IsMember({"acrn", "xen"}).description(""))
      ->type_name("acrn|xen");
  app.add_option("--requests", flags.requests,
                 "Goes on until there were so many, 1 to 10000000")
      ->check(CLI::Range(1, 10'000'000).description(""))
      ->type_name("N")
      ->default_str("1000");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.help = app.help();
  } catch (const CLI::Error& error) {
    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    return absl::InvalidArgumentError(line);
  }
  return flags;
}

}  // namespace ivshmem::ioreq_host
