// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Prints what the `ivshmem` command understands, as JSON: what the manual and
// the shell completion are written from, so that neither says anything else.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/ivshmem/all_commands.h"
#include "tools/ivshmem/command.h"

namespace ivshmem::tool {
namespace {

using Json = nlohmann::ordered_json;

Json Describe(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) {
    names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    names.push_back("--" + name);
  }
  Json excludes = Json::array();
  for (const CLI::Option* other : option.get_excludes()) {
    excludes.push_back(other->get_name());
  }
  return {{"names", names},
          // "N:INT in [1 - 8]": the value's name, then what checks it.
          {"value",
           option.get_items_expected_max() == 0 ? "" : option.get_type_name()},
          {"positional",
           option.get_positional() ? option.get_name(/*positional=*/true) : ""},
          {"repeats", option.get_expected_max() > 1},
          {"required", option.get_required()},
          {"default", option.get_default_str()},
          {"excludes", excludes},
          {"description", option.get_description()}};
}

// A command, or with an empty name a group of options.
Json Describe(const CLI::App& app) {
  Json options = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    // A group inherits one, which the command has.
    if (app.get_name().empty() && option == app.get_help_ptr()) continue;
    options.push_back(Describe(*option));
  }
  Json commands = Json::array();
  Json groups = Json::array();
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App*) { return true; })) {
    if (inner->get_name().empty()) {
      groups.push_back(Describe(*inner));
    } else {
      commands.push_back(Describe(*inner));
    }
  }
  return {{"name", app.get_name()},   {"description", app.get_description()},
          {"group", app.get_group()}, {"footer", app.get_footer()},
          {"options", options},       {"groups", groups},
          {"commands", commands}};
}

}  // namespace
}  // namespace ivshmem::tool

int main() {
  try {
    CLI::App app;
    ivshmem::tool::Work work;
    ivshmem::tool::AddAll(app, work);
    std::cout << ivshmem::tool::Describe(app).dump(1) << '\n';
    return std::cout.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << "reference: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
