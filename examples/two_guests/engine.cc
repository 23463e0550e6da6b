// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/engine.h"

#include "absl/strings/str_cat.h"

namespace ivshmem::two_guests {

absl::StatusOr<EngineChoice> ChooseEngine(
    EngineWish wish, absl::FunctionRef<absl::Status()> probe_kvm) {
  if (wish == EngineWish::kUnicorn) {
    return EngineChoice{Engine::kUnicorn, "asked for"};
  }
  const absl::Status kvm = probe_kvm();
  if (kvm.ok()) {
    return EngineChoice{Engine::kKvm, wish == EngineWish::kKvm
                                          ? "asked for"
                                          : "/dev/kvm can be used"};
  }
  if (wish == EngineWish::kAuto) {
    return EngineChoice{Engine::kUnicorn,
                        absl::StrCat("KVM cannot be used: ", kvm.message())};
  }
  return absl::FailedPreconditionError(
      absl::StrCat("--engine: expected a machine where KVM can be used, got \"",
                   kvm.message(), "\""));
}

absl::string_view EngineName(Engine engine) {
  return engine == Engine::kKvm ? "KVM" : "Unicorn";
}

}  // namespace ivshmem::two_guests
