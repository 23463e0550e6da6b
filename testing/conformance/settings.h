// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_SETTINGS_H_
#define IVSHMEM_TESTING_CONFORMANCE_SETTINGS_H_

#include <ostream>

#include "absl/strings/string_view.h"
#include "proto/script.pb.h"
#include "rapidcheck.h"

namespace ivshmem::conformance {

// The kinds of device that programs are run on.
enum class Setting {
  kRevision1,
  kRevision1Plain,  // Not configured for interrupts.
  kRevision0Intx,
  kRevision0Msix,
  kQemu,
  kAcrn,
  kFlat,
};

absl::string_view NameOf(Setting setting);
std::ostream& operator<<(std::ostream& os, Setting setting);

// A world whose first device is of that kind, alone or beside one of any kind,
// and what firmware, driver and peers did before: a Script without
// expectations.
rc::Gen<script::Script> AnyBeginning(Setting setting);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_SETTINGS_H_
