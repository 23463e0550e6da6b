// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/shrink_failure.h"
#include "script/text.h"
#include "server/whole_file.h"
#include "tools/ivshmem/command.h"

namespace ivshmem::tool {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;

struct ReplayOptions {
  std::vector<std::string> files;
  script::Acceleration acceleration = script::Acceleration::kNone;
  bool fill = false;
  bool shrink = false;
};

absl::Status At(const std::string& file, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(file, ": ", status.message()));
}

absl::StatusOr<script::Script> Load(const std::string& file) {
  const absl::StatusOr<std::optional<std::string>> text =
      server::ReadFile(file, kMostBytes);
  if (!text.ok()) return text.status();
  if (!text->has_value()) {
    return absl::NotFoundError(
        absl::StrFormat("FILE: expected one that is there, got '%s'", file));
  }
  absl::StatusOr<script::Script> script = script::ParseScript(**text);
  if (!script.ok()) return At(file, script.status());
  return script;
}

absl::Status ReplayOne(const ReplayOptions& options, const std::string& file,
                       const script::Script& script) {
  const auto make = [&options](const script::Script& played) {
    return script::MakeLibrarySubject(played.world(), options.acceleration);
  };
  const auto subject = make(script);
  if (!subject.ok()) {
    return absl::Status(
        subject.status().code(),
        absl::StrCat(file, ": world.", subject.status().message()));
  }
  if (options.fill) {
    const auto filled = script::Record(script, **subject);
    if (!filled.ok()) return At(file, filled.status());
    std::cout << script::PrintScript(*filled);
    return absl::OkStatus();
  }
  absl::Status played = script::Play(script, **subject);
  if (played.ok()) return played;
  if (!absl::IsFailedPrecondition(played)) return At(file, played);
  if (options.shrink) {
    std::cout << script::PrintScript(script::ShrinkFailure(script, make));
  }
  return NotSo(absl::StrCat(file, ": ", played.message()));
}

absl::Status Replay(const ReplayOptions& options) {
  std::vector<script::Script> scripts;
  for (const std::string& file : options.files) {
    absl::StatusOr<script::Script> script = Load(file);
    if (!script.ok()) return script.status();
    scripts.push_back(*std::move(script));
  }
  for (size_t i = 0; i < scripts.size(); ++i) {
    absl::Status replayed = ReplayOne(options, options.files[i], scripts[i]);
    if (!replayed.ok()) return replayed;
  }
  return absl::OkStatus();
}

}  // namespace

void AddReplay(CLI::App& app, Work& work) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* replay = app.add_subcommand(
      "replay",
      "Plays Scripts (proto/script.proto, in text form) on the library's\n"
      "devices. Status 1: something came of a step that the Script does not\n"
      "say.");
  replay->add_option("file", options->files, "Scripts; all are read first")
      ->required()
      ->type_name("FILE");
  auto acceleration = std::make_shared<std::string>("none");
  std::vector<std::string> names;
  for (const script::Acceleration each : script::kAccelerations) {
    names.emplace_back(script::AccelerationName(each));
  }
  replay
      ->add_option("--acceleration", *acceleration,
                   "What the hosts offer: none, where everything traps; all; "
                   "limited, to\ntwo doorbells and one route of each device; "
                   "swallowing, which takes\nwrites of a bound doorbell that "
                   "match nothing (none)")
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  CLI::Option* fill = replay->add_flag(
      "--fill", options->fill,
      "Print the Script with what came of each step, instead of comparing");
  replay
      ->add_flag("--shrink", options->shrink,
                 "When it fails, print a smaller Script that fails as well")
      ->excludes(fill);
  replay->footer(
      "Examples:\n"
      "  ivshmem replay testdata/scripts/*.textproto\n"
      "  ivshmem replay --shrink --acceleration limited failing.textproto\n"
      "  ivshmem replay --fill steps.textproto > golden.textproto");
  replay->callback([options, acceleration, &work] {
    options->acceleration = *script::FindAcceleration(*acceleration);
    work = [options] { return Replay(*options); };
  });
}

}  // namespace ivshmem::tool
