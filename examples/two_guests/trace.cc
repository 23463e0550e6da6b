// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/trace.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/doorbell.h"

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kDoorbell = 0x0c;

std::string Line(absl::string_view machine, absl::string_view rest) {
  return absl::StrFormat("%-8s  %s", machine, rest);
}

std::string RegisterName(uint64_t offset) {
  switch (offset) {
    case 0x00:
      return "mask";
    case 0x04:
      return "status";
    case 0x08:
      return "IVPosition";
    case kDoorbell:
      return "doorbell";
    default:
      return "";
  }
}

std::string ConfigName(uint64_t offset) {
  switch (offset) {
    case 0x00:
      return "device id, vendor id";
    case 0x04:
      return "status, command";
    case 0x08:
      return "class, revision";
    case 0x0c:
      return "header type";
    case 0x1c:
      return "BAR2, high half";
    case 0x2c:
      return "subsystem";
    case 0x34:
      return "first capability";
    default:
      if (offset >= 0x10 && offset < 0x28) {
        return absl::StrCat("BAR", (offset - 0x10) / 4);
      }
      return offset >= 0x40 ? "capability" : "";
  }
}

// Of the table; the rest of that BAR is not told apart.
std::string MsixName(uint64_t offset) {
  constexpr const char* kFields[] = {"address", "address, high", "data",
                                     "vector control"};
  if (offset >= 0x800) return "pending bits";
  return absl::StrFormat("MSI-X entry %d %s", offset / 16,
                         kFields[offset / 4 % 4]);
}

std::string Name(const Access& access) {
  if (access.range == "config") return ConfigName(access.offset);
  if (access.range == "bar1") return MsixName(access.offset);
  return RegisterName(access.offset);
}

}  // namespace

bool IsDoorbell(const Access& access) {
  return access.is_write && access.offset == kDoorbell &&
         (access.range == "bar0" || access.range == "registers");
}

void Trace::OnDeviceEvent(absl::string_view machine, const DeviceEvent& event) {
  if (!sink_) return;
  switch (event.kind) {
    case DeviceEvent::Kind::kRing:
      outcome_ =
          absl::StrFormat(" → peer %d vector %d: %s", event.doorbell.peer,
                          event.doorbell.vector, RingResultName(event.ring));
      break;
    case DeviceEvent::Kind::kInterrupt:
      later_.push_back(
          Line(machine,
               absl::StrFormat("interrupt vector %d: %s", event.doorbell.vector,
                               InterruptResultName(event.interrupt))));
      break;
    default:
      if (!event.text.empty()) {
        later_.push_back(Line(machine, absl::StrCat("device: ", event.text)));
      }
      break;
  }
}

void Trace::OnDropped() {
  if (sink_) outcome_ = ": dropped on purpose (--inject)";
}

void Trace::OnHandled(absl::string_view machine, const Access& access) {
  if (!sink_) return;
  std::string line =
      Line(machine, absl::StrFormat("%-5s %s+0x%02x %d = %0*x",
                                    access.is_write ? "write" : "read",
                                    access.range, access.offset, access.size,
                                    2 * access.size, access.value));
  const std::string name = Name(access);
  if (!name.empty()) absl::StrAppend(&line, "  ", name, outcome_);
  outcome_.clear();
  sink_(line);
  for (const std::string& later : std::exchange(later_, {})) sink_(later);
}

}  // namespace ivshmem::two_guests
