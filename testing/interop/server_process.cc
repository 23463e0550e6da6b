// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/interop/server_process.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGTERM.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// In the test's runfiles.
constexpr char kProgram[] = "tools/ivshmem/ivshmem";

std::string MakeFolder() {
  std::string folder = "/tmp/ivshmem.XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

// Whether somebody listens there. To connect would be to join.
bool Listens(const std::string& path) {
  constexpr char kAccepts[] = "00010000";
  std::ifstream table("/proc/net/unix");
  std::string line;
  while (std::getline(table, line)) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.back() == path &&
        absl::c_linear_search(fields, std::string(kAccepts))) {
      return true;
    }
  }
  return false;
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> arguments)
    : folder_(MakeFolder()),
      socket_path_(folder_ + "/server"),
      arguments_(std::move(arguments)) {}

ServerProcess::~ServerProcess() {
  process_.reset();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

void ServerProcess::Start() {
  std::vector<std::string> arguments = {"server", "--foreground", "--socket",
                                        socket_path_};
  for (const std::string& argument : arguments_) {
    arguments.push_back(absl::StrReplaceAll(argument, {{"%d", folder_}}));
  }
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.program = kProgram, .arguments = arguments});
  ASSERT_TRUE(process.ok()) << process.status();
  process_ = *std::move(process);
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Listens(socket_path_)) {
    ASSERT_FALSE(process_->Wait(absl::Milliseconds(2)).ok() ||
                 absl::Now() > deadline)
        << "the server does not serve; it said: " << process_->Output();
  }
}

void ServerProcess::Kill() { process_->Kill(); }

void ServerProcess::Stop() {
  process_->Signal(SIGTERM);
  const absl::StatusOr<std::string> end = process_->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, "exit status 0") << process_->Output();
}

std::unique_ptr<Process> StartCommand(const ServerProcess& server,
                                      const std::vector<std::string>& command) {
  std::vector<std::string> arguments = command;
  // Descriptors under way are counted for each user: another test's storm of
  // clients can hold up this server for seconds.
  arguments.insert(arguments.end(),
                   {"--socket", server.socket_path(), "--timeout",
                    absl::StrCat(absl::ToInt64Seconds(kPatience))});
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.program = kProgram, .arguments = arguments});
  EXPECT_TRUE(process.ok()) << process.status();
  return process.ok() ? *std::move(process) : nullptr;
}

std::string RunCommand(const ServerProcess& server,
                       const std::vector<std::string>& command) {
  const std::unique_ptr<Process> process = StartCommand(server, command);
  if (process == nullptr) return "";
  const absl::StatusOr<std::string> end = process->Wait(kPatience);
  EXPECT_TRUE(end.ok()) << end.status();
  if (end.ok()) {
    EXPECT_EQ(*end, "exit status 0") << process->Output();
  }
  return process->Output();
}

bool Writes(const Process& process, const std::string& text, int times) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const std::string output = process.Output();
    int seen = 0;
    for (size_t at = output.find(text); at != std::string::npos;
         at = output.find(text, at + 1)) {
      ++seen;
    }
    if (seen >= times) return true;
    absl::SleepFor(absl::Milliseconds(2));
  }
  ADD_FAILURE() << "'" << text << "' is not in: " << process.Output();
  return false;
}

}  // namespace ivshmem
