// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Runs the two guests and shows what happens. See --help.

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/two_guests/engine.h"
#include "examples/two_guests/flags.h"
#include "examples/two_guests/kvm_x86_machine.h"
#include "examples/two_guests/report.h"
#include "examples/two_guests/vmm.h"
#include "proto/script.pb.h"
#include "script/text.h"

namespace ivshmem::two_guests {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadFlags = 2;

// Whether it is written.
bool WriteScript(const VmmResult& result, const std::string& path) {
  script::Script script = result.recorded;
  script.set_about(
      result.not_recorded == 0
          ? "the PC's device in tools/demo"
          : absl::StrCat("the PC's device in tools/demo, without the last ",
                         result.not_recorded, " steps"));
  std::ofstream file(path);
  file << script::PrintScript(script);
  file.close();
  return file.good();
}

int Main(int argc, const char* const* argv) {
  auto flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    std::cerr << "two_guests: " << flags.status().message() << "\n";
    return kExitBadFlags;
  }
  if (flags->help.has_value()) {
    std::cout << *flags->help;
    return kExitOk;
  }

  const auto engine = ChooseEngine(flags->engine, KvmX86Machine::Probe);
  if (!engine.ok()) {
    std::cerr << "two_guests: " << engine.status().message() << "\n";
    return kExitBadFlags;
  }
  flags->vmm.engine = engine->engine;

  const bool live = isatty(STDOUT_FILENO) != 0 && !flags->trace;
  Report report(std::cout, live, flags->vmm.messages);
  VmmEvents events;
  events.on_met = [&report](const GuestReport& x86,
                            const GuestReport& cortex_m) {
    report.OnMet(x86, cortex_m);
  };
  events.on_progress = [&report](uint32_t answered) {
    report.OnProgress(answered);
  };
  if (flags->trace) {
    events.on_trace = [](absl::string_view line) { std::cout << line << "\n"; };
  }
  report.OnEngine(*engine, TakesShortCuts(flags->vmm, events));
  const auto result = RunTwoGuests(flags->vmm, events);
  if (!result.ok()) {
    std::cerr << "two_guests: " << result.status().message() << "\n";
    return kExitFailed;
  }
  if (flags->record.has_value() && !WriteScript(*result, *flags->record)) {
    std::cerr << "two_guests: --record: " << *flags->record
              << ": cannot be written\n";
    return kExitFailed;
  }
  report.OnResult(*result);
  return result->failure.has_value() ? kExitFailed : kExitOk;
}

}  // namespace
}  // namespace ivshmem::two_guests

int main(int argc, char** argv) {
  return ivshmem::two_guests::Main(argc, argv);
}
