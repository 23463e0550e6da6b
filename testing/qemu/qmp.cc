// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qmp.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace ivshmem::qemu {
namespace {

using ::nlohmann::json;

absl::Status Unexpected(const json& message) {
  return absl::InternalError(
      absl::StrCat("unexpected message from QEMU: ", message.dump()));
}

}  // namespace

Qmp::Qmp(UniqueFd socket, absl::Duration timeout)
    : lines_(std::move(socket)), timeout_(timeout) {}

absl::Status Qmp::Negotiate() {
  const absl::StatusOr<json> greeting = Answer();
  if (!greeting.ok()) return greeting.status();
  if (!greeting->contains("QMP")) return Unexpected(*greeting);
  return Execute("qmp_capabilities").status();
}

absl::StatusOr<json> Qmp::Execute(absl::string_view command,
                                  const json& arguments) {
  const json request = {{"execute", std::string(command)},
                        {"arguments", arguments}};
  lines_.Queue(request.dump());
  absl::StatusOr<json> answer = Answer();
  if (!answer.ok()) return answer.status();
  if (answer->contains("return")) return std::move((*answer)["return"]);
  if (!answer->contains("error")) return Unexpected(*answer);
  return absl::FailedPreconditionError(
      absl::StrCat(command, ": ", (*answer)["error"].value("desc", "?")));
}

absl::StatusOr<json> Qmp::WaitFor(absl::string_view event) {
  const std::string name(event);
  const auto kept =
      std::find_if(events_.begin(), events_.end(),
                   [&](const json& seen) { return seen["event"] == name; });
  if (kept != events_.end()) {
    json found = std::move(*kept);
    events_.erase(kept);
    return found;
  }
  const absl::Time deadline = absl::Now() + timeout_;
  while (true) {
    absl::StatusOr<json> message = Receive(deadline);
    if (!message.ok()) return message;
    if (!message->contains("event")) return Unexpected(*message);
    if ((*message)["event"] == name) return message;
    events_.push_back(*std::move(message));
  }
}

absl::StatusOr<json> Qmp::Answer() {
  const absl::Time deadline = absl::Now() + timeout_;
  while (true) {
    absl::StatusOr<json> message = Receive(deadline);
    if (!message.ok() || !message->contains("event")) return message;
    events_.push_back(*std::move(message));
  }
}

absl::StatusOr<json> Qmp::Receive(absl::Time deadline) {
  const absl::StatusOr<std::string> line = lines_.ReadLine(deadline);
  if (!line.ok()) return line.status();
  json message = json::parse(*line, nullptr, /*allow_exceptions=*/false);
  if (message.is_object()) return message;
  return absl::InternalError(absl::StrCat("not JSON: ", *line));
}

}  // namespace ivshmem::qemu
