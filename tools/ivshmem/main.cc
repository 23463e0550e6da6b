// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The `ivshmem` command.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/ivshmem/all_commands.h"
#include "tools/ivshmem/command.h"

namespace ivshmem::tool {
namespace {

constexpr int kNotSo = 1;
constexpr int kFailed = 2;

int Fail(const CLI::App& app, std::string message) {
  std::string name = app.get_name();
  for (const CLI::App* chosen : app.get_subcommands()) {
    name += " " + chosen->get_name();
    for (const CLI::App* inner : chosen->get_subcommands()) {
      name += " " + inner->get_name();
    }
  }
  // On one line, whatever was typed.
  std::replace_if(
      message.begin(), message.end(),
      [](char c) { return c == '\n' || c == '\r'; }, ' ');
  std::cerr << name << ": " << message << '\n';
  return kFailed;
}

bool CalledAsQemusServer(const std::string& path) {
  return path.substr(path.rfind('/') + 1) == "ivshmem-server";
}

int Run(int argc, char** argv) {
  CLI::App app;
  Work work;
  AddAll(app, work);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (CalledAsQemusServer(argv[0])) {
    arguments.insert(arguments.begin(), {"server", "--like-qemu"});
  }
  // The parser takes them from the end.
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return Fail(app, error.what());
  }
  const absl::Status status = work();
  std::cout.flush();
  if (!status.ok()) {
    Fail(app, std::string(status.message()));
    return IsNotSo(status) ? kNotSo : kFailed;
  }
  if (!std::cout) return Fail(app, "the output could not be written");
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ivshmem::tool

int main(int argc, char** argv) {
  try {
    return ivshmem::tool::Run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "ivshmem: " << error.what() << '\n';
    return ivshmem::tool::kFailed;
  }
}
