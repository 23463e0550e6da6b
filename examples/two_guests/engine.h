// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_ENGINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_ENGINE_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ivshmem::two_guests {

// What runs the x86 guest. The Cortex-M guest always has Unicorn.
enum class Engine { kUnicorn, kKvm };

// What a person may ask for.
enum class EngineWish { kAuto, kUnicorn, kKvm };

struct EngineChoice {
  Engine engine = Engine::kUnicorn;
  std::string why;  // "/dev/kvm can be used"
};

// KVM where it can be used, unless Unicorn is wished for. `probe_kvm` says
// whether it can, or why not. Errors: FailedPrecondition in one line, when only
// KVM will do.
absl::StatusOr<EngineChoice> ChooseEngine(
    EngineWish wish, absl::FunctionRef<absl::Status()> probe_kvm);

// "KVM", "Unicorn".
absl::string_view EngineName(Engine engine);

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_ENGINE_H_
