// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qtest.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

uint64_t Number(const std::string& answer) {
  uint64_t number = 0;
  return absl::SimpleHexAtoi(answer, &number) ? number : 0;
}

}  // namespace

Qtest::Qtest(UniqueFd socket, Options options)
    : lines_(std::move(socket)), options_(std::move(options)) {}

std::vector<uint64_t> Qtest::Run(absl::Span<const std::string> commands) {
  std::vector<uint64_t> numbers;
  numbers.reserve(commands.size());
  for (const std::string& answer : Exchange(commands)) {
    numbers.push_back(Number(answer));
  }
  return numbers;
}

uint64_t Qtest::Run(const std::string& command) {
  return Run(absl::MakeConstSpan(&command, 1)).front();
}

uint64_t Qtest::Read(int size, uint64_t address) {
  return Run(command::Read(size, address));
}

void Qtest::Write(int size, uint64_t address, uint64_t value) {
  Run(command::Write(size, address, value));
}

std::vector<uint8_t> Qtest::ReadBlock(uint64_t address, uint64_t size) {
  const std::string command = command::ReadBlock(address, size);
  std::string bytes;
  absl::Base64Unescape(Exchange(absl::MakeConstSpan(&command, 1)).front(),
                       &bytes);
  bytes.resize(size);
  return {bytes.begin(), bytes.end()};
}

void Qtest::WriteBlock(uint64_t address, absl::Span<const uint8_t> bytes) {
  Run(command::WriteBlock(address, bytes));
}

void Qtest::Settle() {
  // A turn of QEMU's main loop handles all descriptors that were ready at its
  // beginning, this socket among them, in any order, and no command that comes
  // during it. The first answer may come in a turn that began before; the
  // second then comes in one that began after, and the third after its end.
  for (int turn = 0; turn < 3; ++turn) Run("endianness");
}

std::vector<std::string> Qtest::Exchange(
    absl::Span<const std::string> commands) {
  std::vector<std::string> answers(commands.size());
  if (!status_.ok()) return answers;
  for (const std::string& command : commands) lines_.Queue(command);
  const absl::Time deadline = absl::Now() + options_.deadline;
  for (size_t i = 0; i < commands.size();) {
    absl::StatusOr<std::string> line = lines_.ReadLine(deadline);
    if (!line.ok()) {
      Fail(commands[i], line.status());
      return answers;
    }
    // Between the answers: its log, and changes of interrupt lines.
    if (absl::StartsWith(*line, "[") || absl::StartsWith(*line, "IRQ ")) {
      continue;
    }
    absl::string_view answer = *line;
    if (!absl::ConsumePrefix(&answer, "OK")) {
      Fail(commands[i], absl::InvalidArgumentError(
                            absl::StrCat("expected 'OK', got '", *line, "'")));
      return answers;
    }
    answers[i++] = std::string(absl::StripLeadingAsciiWhitespace(answer));
  }
  return answers;
}

void Qtest::Fail(const std::string& command, absl::Status why) {
  status_ = std::move(why);
  ADD_FAILURE() << "QEMU, asked '" << command.substr(0, 80)
                << "': " << status_.message() << ". "
                << (options_.last_words ? options_.last_words() : "");
}

}  // namespace ivshmem::qemu
