// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qemu.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace ivshmem::qemu {
namespace {

// How long QEMU has to end after it has closed its sockets or was told to.
constexpr absl::Duration kEnd = absl::Seconds(30);

absl::Status SocketPair(UniqueFd& ours, UniqueFd& theirs) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  ours.Reset(ends[0]);
  theirs.Reset(ends[1]);
  return absl::OkStatus();
}

std::string SocketChardev(absl::string_view id, const UniqueFd& fd) {
  return absl::StrCat("socket,id=", id, ",fd=", fd.get());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Qemu>> Qemu::Start(const Options& options) {
  UniqueFd qtest;
  UniqueFd qmp;
  UniqueFd its_qtest;
  UniqueFd its_qmp;
  absl::Status status = SocketPair(qtest, its_qtest);
  status.Update(SocketPair(qmp, its_qmp));
  if (!status.ok()) return status;

  Process::Options process = {
      .program = options.program,
      .arguments = {"-nodefaults", "-display",
                    "none",        "-M",
                    "pc",          "-accel",
                    "tcg",         "-S",
                    "-m",          absl::StrCat(kRamSize >> 20, "M"),
                    "-chardev",    SocketChardev("qtest", its_qtest),
                    "-qtest",      "chardev:qtest",
                    "-qtest-log",  "none",
                    "-chardev",    SocketChardev("qmp", its_qmp),
                    "-mon",        "chardev=qmp,mode=control"},
      .inherit = options.inherit,
      .environment = {}};
  process.arguments.insert(process.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
  process.inherit.push_back(its_qtest.get());
  process.inherit.push_back(its_qmp.get());
  absl::StatusOr<std::unique_ptr<Process>> started = Process::Start(process);
  if (absl::IsNotFound(started.status())) {
    return absl::NotFoundError(
        absl::StrCat(started.status().message(),
                     ": these tests need QEMU; tools/setup installs it"));
  }
  if (!started.ok()) return started.status();
  auto qemu = absl::WrapUnique(new Qemu(*std::move(started), std::move(qtest),
                                        std::move(qmp), options.deadline));
  // So that QEMU's end closes the sockets.
  its_qtest.Reset();
  its_qmp.Reset();
  status = qemu->GetReady();
  if (!status.ok()) return status;
  return qemu;
}

Qemu::Qemu(std::unique_ptr<Process> process, UniqueFd qtest, UniqueFd qmp,
           absl::Duration deadline)
    : process_(std::move(process)),
      qtest_(std::move(qtest), {.deadline = deadline,
                                .last_words = [this] { return LastWords(); }}),
      qmp_(std::move(qmp), deadline) {}

absl::Status Qemu::GetReady() {
  // The monitor greets when all devices are there.
  absl::Status status = qmp_.Negotiate();
  if (status.ok()) return status;
  if (absl::IsDeadlineExceeded(status)) {
    process_->Kill();
    return absl::DeadlineExceededError(
        absl::StrCat("QEMU was not ready in time. ", LastWords()));
  }
  return absl::FailedPreconditionError(LastWords());
}

absl::Status Qemu::Quit() {
  const absl::StatusOr<nlohmann::json> answer = qmp_.Execute("quit");
  if (!answer.ok()) return answer.status();
  const absl::StatusOr<std::string> end = process_->Wait(kEnd);
  if (!end.ok()) return end.status();
  if (*end == "exit status 0") return absl::OkStatus();
  return absl::InternalError(LastWords());
}

std::string Qemu::LastWords() {
  // When its sockets are closed, it is about to end.
  const absl::StatusOr<std::string> end = process_->Wait(absl::Seconds(10));
  const std::string output = process_->Output();
  return absl::StrCat("QEMU ",
                      end.ok() ? absl::StrCat("ended with ", *end) : "runs",
                      output.empty() ? " and said nothing"
                                     : absl::StrCat("; it said: ", output));
}

}  // namespace ivshmem::qemu
