// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_IMAGES_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_IMAGES_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::two_guests {

// The guests of the machines' tests, to be loaded where its board.h says.
// What they do: scenarios.h.
absl::Span<const uint8_t> X86TestImage();
absl::Span<const uint8_t> CortexMTestImage();

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_TEST_GUESTS_IMAGES_H_
