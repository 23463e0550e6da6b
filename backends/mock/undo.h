// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_UNDO_H_
#define IVSHMEM_BACKENDS_MOCK_UNDO_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "backends/registration.h"

namespace ivshmem::mock {

// A registration that is undone by a function. Private to this folder.
//
// The function holds no more than a weak pointer to the part of the host that
// it undoes, so that a registration may outlive its host.
class Undo final : public Registration {
 public:
  explicit Undo(absl::AnyInvocable<void()> undo) : undo_(std::move(undo)) {}
  ~Undo() override { undo_(); }

  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;

 private:
  absl::AnyInvocable<void()> undo_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_UNDO_H_
