// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/images.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint8_t kX86[] = {
#include "examples/two_guests/guests/x86_image.inc"
};

constexpr uint8_t kCortexM[] = {
#include "examples/two_guests/guests/cortex_m_image.inc"
};

}  // namespace

absl::Span<const uint8_t> X86Image() { return kX86; }
absl::Span<const uint8_t> CortexMImage() { return kCortexM; }

}  // namespace ivshmem::two_guests
