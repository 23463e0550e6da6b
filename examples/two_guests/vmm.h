// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_VMM_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_VMM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "examples/two_guests/devices.h"
#include "examples/two_guests/engine.h"
#include "examples/two_guests/guest_report.h"
#include "proto/script.pb.h"

namespace ivshmem::two_guests {

// A fault that the VMM commits, once, in the middle of the exchange.
enum class Inject {
  kNothing,
  kDropDoorbell,  // The doorbell's write does not reach the device.
  kFlipByte,      // A byte of a message changes in the shared memory.
};

struct VmmConfig {
  uint32_t messages = 1000;  // 1..kMaxMessages.
  // The guests need 32 KiB of memory and two MSI-X vectors, and say so.
  Devices devices = DefaultDevices();
  Inject inject = Inject::kNothing;
  Engine engine = Engine::kUnicorn;
  bool record = false;  // VmmResult::recorded.
  // Other guests than the ones of this example, for tests.
  absl::Span<const uint8_t> x86_image = {};
  absl::Span<const uint8_t> cortex_m_image = {};
};
inline constexpr uint32_t kMaxMessages = 1'000'000;

// What a run tells while it lasts; each may be null.
struct VmmEvents {
  // Both guests have found their device and each other.
  std::function<void(const GuestReport& x86, const GuestReport& cortex_m)>
      on_met = nullptr;
  // So many messages have been answered.
  std::function<void(uint32_t answered)> on_progress = nullptr;
  // A line for each access of a guest to a device.
  std::function<void(absl::string_view line)> on_trace = nullptr;
};

struct VmmResult {
  GuestReport x86;
  GuestReport cortex_m;
  uint32_t answered = 0;
  uint64_t doorbells_rung = 0;  // Written by the guests.
  uint64_t doorbells_delivered = 0;
  // How many of these the kernel did by itself: no device had a part in it.
  uint64_t rung_by_kernel = 0;
  uint64_t delivered_by_kernel = 0;
  std::vector<double> round_trips_us;  // Sorted. From request to answer.
  double seconds = 0;
  // What happened to the PC's device, and how many steps there was no room for.
  script::Script recorded;
  uint64_t not_recorded = 0;
  // What went wrong; absent when all messages came whole and both guests and
  // the VMM agree about how many there were.
  std::optional<std::string> failure;
};

// Whether the kernel takes short cuts past the x86 guest's device: on KVM, when
// nobody has to see or spoil each access.
bool TakesShortCuts(const VmmConfig& config, const VmmEvents& events);

// Runs the two guests until both are done, one fails, or neither gets on: a
// guest that hangs ends the run, it does not hold it up. Errors: the machines
// or devices cannot be made.
absl::StatusOr<VmmResult> RunTwoGuests(const VmmConfig& config,
                                       const VmmEvents& events);

// The value that `percent` of 100 of `sorted` do not exceed; 0 when it is
// empty.
double Percentile(absl::Span<const double> sorted, double percent);

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_VMM_H_
