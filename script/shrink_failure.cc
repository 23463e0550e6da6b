// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/shrink_failure.h"

#include <string>

#include "absl/status/status.h"
#include "script/play.h"
#include "script/shrink.h"

namespace ivshmem::script {
namespace {

// What goes wrong, without the step's number, which changes when others go.
// Empty when nothing does, or something else than an outcome.
std::string Mismatch(const Script& script, SubjectMaker make) {
  const auto subject = make(script);
  if (!subject.ok()) return "";
  const absl::Status played = Play(script, **subject);
  if (!absl::IsFailedPrecondition(played)) return "";
  const std::string message(played.message());
  return message.substr(message.find(' '));
}

}  // namespace

Script ShrinkFailure(const Script& script, SubjectMaker make) {
  const std::string mismatch = Mismatch(script, make);
  if (mismatch.empty()) return script;
  return Shrink(script, [&mismatch, make](const Script& candidate) {
    return Mismatch(candidate, make) == mismatch;
  });
}

}  // namespace ivshmem::script
