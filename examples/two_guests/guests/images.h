// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_IMAGES_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_IMAGES_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::two_guests {

// The guest programs as the build made them, to be loaded where their machine's
// board.h says.
absl::Span<const uint8_t> X86Image();
absl::Span<const uint8_t> CortexMImage();

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUESTS_IMAGES_H_
