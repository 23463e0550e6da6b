// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_COMMAND_H_
#define IVSHMEM_TOOLS_IVSHMEM_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace ivshmem::tool {

// What the command line asks for: an error is printed on one line, and the
// command ends with status 2, or with 1 if it is NotSo().
using Work = std::function<absl::Status()>;

// All that was asked for was done, and it turned out other than expected.
absl::Status NotSo(const std::string& message);
bool IsNotSo(const absl::Status& status);

// Each adds its subcommand, which sets `work` when it is chosen.
void AddServer(CLI::App& app, Work& work);
void AddDevice(CLI::App& app, Work& work);
void AddStatus(CLI::App& app, Work& work);
void AddPeers(CLI::App& app, Work& work);
void AddInfo(CLI::App& app, Work& work);
void AddRing(CLI::App& app, Work& work);
void AddWatch(CLI::App& app, Work& work);
void AddMem(CLI::App& app, Work& work);
void AddReplay(CLI::App& app, Work& work);
void AddRecord(CLI::App& app, Work& work);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_COMMAND_H_
