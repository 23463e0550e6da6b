// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_ALL_COMMANDS_H_
#define IVSHMEM_TOOLS_IVSHMEM_ALL_COMMANDS_H_

#include <CLI/CLI.hpp>

#include "tools/ivshmem/command.h"

namespace ivshmem::tool {

// Makes `app` the `ivshmem` command: its name, its text and every subcommand.
// The manual and the shell completion are written from the result.
void AddAll(CLI::App& app, Work& work);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_ALL_COMMANDS_H_
