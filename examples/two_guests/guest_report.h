// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_GUEST_REPORT_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_GUEST_REPORT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "examples/two_guests/guests/report.h"

namespace ivshmem::two_guests {

// Where a guest placed or knows a range of its device.
struct ReportedBar {
  uint32_t address = 0;
  uint32_t size = 0;  // 0: the guest does not know.
};

// What a guest has said about itself. Nothing here comes from the VMM.
struct GuestReport {
  static constexpr int kBars = 6;
  static constexpr int kInterrupts = 8;  // That are kept.

  std::optional<uint32_t> pci_address;
  uint32_t device_id = 0;
  uint32_t class_revision = 0;
  uint32_t subsystem = 0;
  std::array<std::optional<ReportedBar>, kBars> bars;
  std::array<std::optional<uint32_t>, kInterrupts> interrupts;
  std::optional<uint32_t> vectors;
  std::optional<uint32_t> own_id;
  std::optional<uint32_t> peer_id;

  uint32_t messages_sent = 0;
  uint32_t messages_checked = 0;
  uint32_t bytes_sent = 0;
  uint32_t bytes_checked = 0;
  uint32_t doorbells = 0;
  uint32_t interrupts_taken = 0;

  bool done = false;
  std::optional<uint32_t> failure;  // kReportFailed's argument.
};

// "message 500: its checksum is wrong".
std::string DescribeFailure(uint32_t failure);

// The report device of guests/report.h.
//
// Threading: one thread.
class ReportDevice : public MmioHandler {
 public:
  // `messages` is what the guest is asked to exchange. `on_event` is called
  // after each event, which is in report() then.
  ReportDevice(uint32_t messages,
               std::function<void(uint32_t event, uint32_t argument)> on_event);

  const GuestReport& report() const { return report_; }

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  void Note(uint32_t event);

  const uint32_t messages_;
  const std::function<void(uint32_t, uint32_t)> on_event_;
  uint32_t argument_ = 0;
  GuestReport report_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_GUEST_REPORT_H_
