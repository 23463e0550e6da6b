// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/moving/moving_process.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGUSR1.
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ivshmem::moving {
namespace {

// In the test's runfiles.
constexpr char kProgram[] = "testing/moving/moving_device";

std::string MakeFolder() {
  std::string folder = "/tmp/ivshmem.XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

void ExpectSuccess(Process& process) {
  const absl::StatusOr<std::string> end = process.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, "exit status 0") << process.Output();
}

}  // namespace

MovingProcess::MovingProcess(const ServerProcess& server,
                             std::vector<std::string> arguments)
    : server_(server.socket_path()), folder_(MakeFolder()) {
  process_ = Start(arguments);
  EXPECT_TRUE(Writes(*process_, "serves"));
}

MovingProcess::~MovingProcess() {
  process_.reset();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

// Each gets a socket to the next, as long as nobody knows how it will go.
std::unique_ptr<Process> MovingProcess::Start(
    const std::vector<std::string>& arguments) {
  std::array<int, 2> pair;
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const UniqueFd out(pair[0]);
  const UniqueFd in = std::exchange(next_, UniqueFd(pair[1]));
  Process::Options options = {
      .program = kProgram,
      .arguments = {"--server", server_, "--save", folder_ + "/state"},
      .inherit = {},
      .environment = {}};
  options.arguments.insert(options.arguments.end(), arguments.begin(),
                           arguments.end());
  for (std::string& argument : options.arguments) {
    if (argument == "IN") {
      argument = absl::StrCat(in.get());
      options.inherit.push_back(in.get());
    } else if (argument == "OUT") {
      argument = absl::StrCat(out.get());
      options.inherit.push_back(out.get());
    }
  }
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(options);
  EXPECT_TRUE(process.ok()) << process.status();
  return *std::move(process);
}

void MovingProcess::Migrate(std::vector<std::string> arguments) {
  process_->Signal(SIGUSR1);
  ExpectSuccess(*process_);
  arguments.insert(arguments.end(), {"--load", folder_ + "/state"});
  process_ = Start(arguments);
  EXPECT_TRUE(Writes(*process_, "serves"));
}

void MovingProcess::Update(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--in", "IN", "--out", "OUT"});
  std::unique_ptr<Process> next = Start(arguments);
  // A guest does not stand still while a program is loaded.
  EXPECT_TRUE(Writes(*next, "waits"));
  process_->Signal(SIGUSR1);
  ExpectSuccess(*process_);
  process_ = std::move(next);
  EXPECT_TRUE(Writes(*process_, "serves"));
}

void MovingProcess::UpdateInVain() {
  next_.Reset();
  process_->Signal(SIGUSR1);
  EXPECT_TRUE(Writes(*process_, "stays"));
  EXPECT_TRUE(Writes(*process_, "serves", 2));
}

}  // namespace ivshmem::moving
