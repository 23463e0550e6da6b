// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_REPORT_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_REPORT_H_

#include <cstdint>
#include <ostream>

#include "examples/two_guests/engine.h"
#include "examples/two_guests/guest_report.h"
#include "examples/two_guests/vmm.h"

namespace ivshmem::two_guests {

// What a person sees of a run, on one screen: the engine, the two machines, a
// line of progress, the numbers, the verdict.
class Report {
 public:
  // `live`: the progress line is rewritten as the run goes on, which only a
  // terminal can show. Else it appears once, at the end. `out` outlives the
  // report.
  Report(std::ostream& out, bool live, uint32_t messages)
      : out_(out), live_(live), messages_(messages) {}

  // First: what will run the x86 guest, and whether the kernel takes short
  // cuts.
  void OnEngine(const EngineChoice& engine, bool short_cuts);

  // As VmmEvents has it.
  void OnMet(const GuestReport& x86, const GuestReport& cortex_m);
  void OnProgress(uint32_t answered);

  // Everything else. The last line begins with "OK: " or "FAILED: ".
  void OnResult(const VmmResult& result);

 private:
  void Progress(uint32_t answered);

  std::ostream& out_;
  const bool live_;
  const uint32_t messages_;
  EngineChoice engine_;
  bool met_ = false;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_REPORT_H_
