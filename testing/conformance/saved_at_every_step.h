// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_SAVED_AT_EVERY_STEP_H_
#define IVSHMEM_TESTING_CONFORMANCE_SAVED_AT_EVERY_STEP_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem::conformance {

// A world in which each device that does something has been saved, has gone and
// was restored just before.
class SavedAtEveryStep : public script::Subject {
 public:
  explicit SavedAtEveryStep(std::unique_ptr<script::Subject> subject)
      : subject_(std::move(subject)) {}

  absl::StatusOr<script::Outcome> Do(const script::Step& step) override {
    script::Step save;
    save.set_device(step.device());
    save.mutable_save()->set_name("between two steps");
    script::Effects effects;
    // A device that is unplugged cannot be saved.
    if (absl::StatusOr<script::Outcome> saved = subject_->Do(save);
        saved.ok()) {
      effects.MergeFrom(saved->effects);
      script::Step restore;
      restore.set_device(step.device());
      restore.mutable_restore()->set_name("between two steps");
      absl::StatusOr<script::Outcome> restored = subject_->Do(restore);
      if (!restored.ok()) return restored;
      effects.MergeFrom(restored->effects);
    }
    absl::StatusOr<script::Outcome> outcome = subject_->Do(step);
    if (outcome.ok()) outcome->effects.MergeFrom(effects);
    return outcome;
  }

 private:
  const std::unique_ptr<script::Subject> subject_;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_SAVED_AT_EVERY_STEP_H_
