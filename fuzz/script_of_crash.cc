// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// usage: script_of_crash TARGET < INPUT > SCRIPT
//
// Makes a Script of an input that a fuzz target fails on, without the steps
// that the fault does not need. Status 1, and the whole Script, where the
// target does not fail on it; 2 where it plays no Scripts.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "fuzz/fuzzed_script.h"
#include "fuzz/judged_play.h"
#include "script/shrink.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

constexpr unsigned kMostSeconds = 20;  // Of one Script.
constexpr size_t kMostText = 1 << 20;

// What a process that plays says is wrong, without numbers, which change when
// steps go: the judge's line, or a sanitizer's.
std::string Fault(absl::string_view text, int status) {
  std::string fault =
      WIFSIGNALED(status)
          ? absl::StrCat("signal ", WTERMSIG(status) == SIGALRM ? "alarm" : "")
          : "";
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "Does not hold") ||
        absl::StartsWith(line, "SUMMARY: ")) {
      fault = std::string(line);
      break;
    }
  }
  fault.erase(std::remove_if(fault.begin(), fault.end(),
                             [](unsigned char c) { return std::isdigit(c); }),
              fault.end());
  return fault;
}

// What goes wrong when `script` is played, in a process of its own. Empty when
// nothing does.
std::string Play(const Script& script, Acceleration short_cuts) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t player = fork();
  if (player == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    alarm(kMostSeconds);
    JudgedPlay(script, short_cuts);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char some[4096];
  ssize_t got = 0;
  while ((got = read(ends[0], some, sizeof(some))) > 0) {
    if (text.size() < kMostText) text.append(some, got);
  }
  close(ends[0]);
  int status = 0;
  if (player < 0 || waitpid(player, &status, 0) != player || status == 0) {
    return "";
  }
  return absl::StrCat(".", Fault(text, status));
}

int Main(absl::string_view target) {
  const StepFilter wanted = StepFilterOf(target);
  if (wanted == nullptr) {
    std::cerr << "script_of_crash: expected the name of a target that plays "
                 "Scripts, got '"
              << target << "'\n";
    return 2;
  }
  const std::vector<char> input{std::istreambuf_iterator<char>(std::cin), {}};
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  FuzzedScript fuzzed = DecodeFuzzed(bytes, wanted);
  const std::string fault = Play(fuzzed.script, fuzzed.short_cuts);
  if (!fault.empty()) {
    const std::string world = fuzzed.script.world().SerializeAsString();
    fuzzed.script = Shrink(fuzzed.script, [&](const Script& candidate) {
      // The judge knows these worlds.
      return candidate.world().SerializeAsString() == world &&
             Play(candidate, fuzzed.short_cuts) == fault;
    });
  }
  fuzzed.script.set_about(
      absl::StrCat("found by fuzz/", target,
                   "; short cuts: ", AccelerationName(fuzzed.short_cuts)));
  std::cout << PrintScript(fuzzed.script);
  return fault.empty() ? 1 : 0;
}

}  // namespace
}  // namespace ivshmem::script

int main(int argc, char** argv) {
  return ivshmem::script::Main(argc == 2 ? argv[1] : "");
}
