// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/all_commands.h"

#include "tools/ivshmem/command.h"

namespace ivshmem::tool {

void AddAll(CLI::App& app, Work& work) {
  app.name("ivshmem");
  app.description(
      "Serves and joins ivshmem: memory and doorbells shared by virtual "
      "machines.");
  app.require_subcommand(1);
  app.set_version_flag("--version", "ivshmem " IVSHMEM_VERSION,
                       "Print the version and exit");
  app.footer(
      "'ivshmem COMMAND --help' shows a command's options and examples.");
  AddServer(app, work);
  AddDevice(app, work);
  AddStatus(app, work);
  AddPeers(app, work);
  AddInfo(app, work);
  AddRing(app, work);
  AddWatch(app, work);
  AddMem(app, work);
  AddReplay(app, work);
  AddRecord(app, work);
}

}  // namespace ivshmem::tool
