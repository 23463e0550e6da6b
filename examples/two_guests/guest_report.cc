// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guest_report.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"

namespace ivshmem::two_guests {
namespace {

// The element of `array` that `event` names, counted from `first`; null when
// there is none.
template <typename Array>
typename Array::value_type* Element(Array& array, uint32_t first,
                                    uint32_t event) {
  return event - first < array.size() ? &array[event - first] : nullptr;
}

const char* FailureText(uint32_t failure) {
  switch (failure) {
    case kFailureBadLength:
      return "its length cannot be";
    case kFailureBadChecksum:
      return "its checksum is wrong";
    case kFailureBadSequence:
      return "another one came instead";
    case kFailureBadEcho:
      return "the other guest read something else than was sent";
    case kFailureTorn:
      return "it is not complete";
    case kFailureRingFull:
      return "the ring has no room for it";
    default:
      return "it failed for a reason that the VMM does not know";
  }
}

}  // namespace

std::string DescribeFailure(uint32_t failure) {
  switch (failure >> 24) {
    case kFailureNoDevice:
      return "no ivshmem device on the PCI bus";
    case kFailureNoMsix:
      return "the device has no MSI-X, or too few vectors";
    case kFailureNoRoom:
      return "the BARs do not fit, or the memory is too small for the rings";
    default:
      return absl::StrFormat("message %d: %s", failure & 0xffffff,
                             FailureText(failure >> 24));
  }
}

ReportDevice::ReportDevice(uint32_t messages,
                           std::function<void(uint32_t, uint32_t)> on_event)
    : messages_(messages), on_event_(std::move(on_event)) {}

void ReportDevice::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  std::fill(bytes.begin(), bytes.end(), 0);
  if (offset == kReportArgument && bytes.size() == sizeof(messages_)) {
    std::memcpy(bytes.data(), &messages_, sizeof(messages_));
  }
}

void ReportDevice::Write(uint64_t offset,
                         absl::Span<const uint8_t> bytes) noexcept {
  uint32_t value;
  if (bytes.size() != sizeof(value)) return;
  std::memcpy(&value, bytes.data(), sizeof(value));
  if (offset == kReportArgument) {
    argument_ = value;
  } else if (offset == kReportEvent) {
    Note(value);
    on_event_(value, argument_);
  }
}

void ReportDevice::Note(uint32_t event) {
  if (auto* bar = Element(report_.bars, kReportBarAddress, event)) {
    if (!bar->has_value()) bar->emplace();
    (*bar)->address = argument_;
    return;
  }
  if (auto* bar = Element(report_.bars, kReportBarSize, event)) {
    if (!bar->has_value()) bar->emplace();
    (*bar)->size = argument_;
    return;
  }
  if (auto* interrupt = Element(report_.interrupts, kReportInterrupt, event)) {
    *interrupt = argument_;
    return;
  }
  switch (event) {
    case kReportPciAddress:
      report_.pci_address = argument_;
      break;
    case kReportDeviceId:
      report_.device_id = argument_;
      break;
    case kReportClass:
      report_.class_revision = argument_;
      break;
    case kReportSubsystem:
      report_.subsystem = argument_;
      break;
    case kReportVectors:
      report_.vectors = argument_;
      break;
    case kReportOwnId:
      report_.own_id = argument_;
      break;
    case kReportPeerId:
      report_.peer_id = argument_;
      break;
    case kReportMessagesSent:
      report_.messages_sent = argument_;
      break;
    case kReportMessagesChecked:
      report_.messages_checked = argument_;
      break;
    case kReportBytesSent:
      report_.bytes_sent = argument_;
      break;
    case kReportBytesChecked:
      report_.bytes_checked = argument_;
      break;
    case kReportDoorbells:
      report_.doorbells = argument_;
      break;
    case kReportInterrupts:
      report_.interrupts_taken = argument_;
      break;
    case kReportDone:
      report_.done = true;
      break;
    case kReportFailed:
      if (!report_.failure.has_value()) report_.failure = argument_;
      break;
    default:
      break;
  }
}

}  // namespace ivshmem::two_guests
