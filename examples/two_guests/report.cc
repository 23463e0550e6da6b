// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/report.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace ivshmem::two_guests {
namespace {

constexpr int kProgressWidth = 40;
constexpr char kNone[] = "-";

// "1,234,567".
std::string Number(uint64_t value) {
  std::string digits = absl::StrCat(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(i, ",");
  }
  return digits;
}

// "256 B", "1 MiB".
std::string Size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  int unit = 0;
  while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, " ", kUnits[unit]);
}

std::string OrNone(const std::optional<uint32_t>& value) {
  return value.has_value() ? absl::StrCat(*value) : kNone;
}

// "BAR0 at e0000000, 256 B"; for a device without BARs "at 40000000, 16 B".
std::string Range(const GuestReport& guest, int bar) {
  if (!guest.bars[bar].has_value()) return kNone;
  std::string text =
      guest.pci_address.has_value() ? absl::StrCat("BAR", bar, " ") : "";
  absl::StrAppendFormat(&text, "at %08x", guest.bars[bar]->address);
  if (guest.bars[bar]->size != 0) {
    absl::StrAppend(&text, ", ", Size(guest.bars[bar]->size));
  }
  return text;
}

std::string Place(const GuestReport& guest) {
  if (!guest.pci_address.has_value()) return "known to the board";
  return absl::StrFormat("found at %02x:%02x.%x", *guest.pci_address >> 8,
                         (*guest.pci_address >> 3) & 0x1f,
                         *guest.pci_address & 7);
}

std::string Identity(const GuestReport& guest) {
  if (!guest.pci_address.has_value()) return kNone;
  return absl::StrFormat("%04x:%04x, revision %d, class %04x",
                         guest.device_id & 0xffff, guest.device_id >> 16,
                         guest.class_revision & 0xff,
                         guest.class_revision >> 16);
}

std::string Subsystem(const GuestReport& guest) {
  if (!guest.pci_address.has_value()) return kNone;
  return absl::StrFormat("%04x:%04x", guest.subsystem & 0xffff,
                         guest.subsystem >> 16);
}

std::string Interrupts(const GuestReport& guest) {
  std::vector<std::string> interrupts;
  for (const auto& interrupt : guest.interrupts) {
    if (!interrupt.has_value()) continue;
    interrupts.push_back(guest.pci_address.has_value()
                             ? absl::StrFormat("%#x", *interrupt)
                             : absl::StrCat("IRQ line ", *interrupt));
  }
  std::string list =
      interrupts.empty() ? kNone : absl::StrJoin(interrupts, ", ");
  if (!guest.vectors.has_value()) return list;
  return absl::StrCat(*guest.vectors, " vectors, now interrupts ", list);
}

// A guest tells what it counted only when it is done.
std::string Counted(const GuestReport& x86, uint64_t by_x86,
                    const GuestReport& cortex_m, uint64_t by_cortex_m) {
  const auto one = [](const GuestReport& guest, uint64_t count,
                      absl::string_view name) {
    return guest.done || guest.failure.has_value()
               ? absl::StrCat(Number(count), " checked by ", name)
               : absl::StrCat(name, " did not finish");
  };
  return absl::StrCat(one(cortex_m, by_cortex_m, "Cortex-M"), ", ",
                      one(x86, by_x86, "x86"));
}

void Row(std::ostream& out, absl::string_view name, absl::string_view x86,
         absl::string_view cortex_m) {
  out << absl::StrFormat("  %-15s  %-36s  %s\n", name, x86, cortex_m);
}

void Line(std::ostream& out, absl::string_view name, absl::string_view text) {
  out << absl::StrFormat("  %-15s  %s\n", name, text);
}

void Machines(std::ostream& out, const GuestReport& x86,
              const GuestReport& cortex_m) {
  out << "Two guests share memory and ring each other. What each of them sees "
         "of its device:\n\n";
  Row(out, "", "x86, a PC with PCI", "Cortex-M, a board without");
  Row(out, "ivshmem device", Place(x86), Place(cortex_m));
  Row(out, "identity", Identity(x86), Identity(cortex_m));
  Row(out, "subsystem", Subsystem(x86), Subsystem(cortex_m));
  Row(out, "registers", Range(x86, 0), Range(cortex_m, 0));
  Row(out, "MSI-X table", Range(x86, 1), Range(cortex_m, 1));
  Row(out, "shared memory", Range(x86, 2), Range(cortex_m, 2));
  Row(out, "interrupts", Interrupts(x86), Interrupts(cortex_m));
  Row(out, "its own id", OrNone(x86.own_id), OrNone(cortex_m.own_id));
  Row(out, "the other's id", OrNone(x86.peer_id), OrNone(cortex_m.peer_id));
  out << "\n";
}

}  // namespace

void Report::OnEngine(const EngineChoice& engine, bool short_cuts) {
  engine_ = engine;
  out_ << "The x86 guest runs on " << EngineName(engine.engine) << " ("
       << engine.why << "), the Cortex-M guest on Unicorn.\n";
  if (engine.engine == Engine::kKvm) {
    out_ << (short_cuts
                 ? "The kernel rings the x86 guest's doorbells and interrupts "
                   "it.\n"
                 : "No doorbell or interrupt goes past this program, for "
                   "--trace or --inject.\n");
  }
  out_ << "\n";
}

void Report::OnMet(const GuestReport& x86, const GuestReport& cortex_m) {
  met_ = true;
  Machines(out_, x86, cortex_m);
}

void Report::Progress(uint32_t answered) {
  const int done = static_cast<int>(uint64_t{answered} * kProgressWidth /
                                    std::max(messages_, 1u));
  out_ << absl::StrFormat("  [%s%s] %s of %s messages answered",
                          std::string(done, '='),
                          std::string(kProgressWidth - done, ' '),
                          Number(answered), Number(messages_));
}

void Report::OnProgress(uint32_t answered) {
  // As often as an eye can follow.
  const uint32_t step = std::max(messages_ / 100, 1u);
  if (!live_ || (answered % step != 0 && answered != messages_)) return;
  out_ << "\r";
  Progress(answered);
  out_.flush();
}

void Report::OnResult(const VmmResult& result) {
  if (!met_) Machines(out_, result.x86, result.cortex_m);
  if (live_) out_ << "\r";
  Progress(result.answered);
  out_ << "\n\n";

  const GuestReport& x86 = result.x86;
  const GuestReport& cortex_m = result.cortex_m;
  Line(out_, "messages",
       Counted(x86, x86.messages_checked, cortex_m, cortex_m.messages_checked));
  Line(out_, "bytes",
       Counted(x86, x86.bytes_checked, cortex_m, cortex_m.bytes_checked));
  Line(out_, "doorbells",
       absl::StrFormat("%s rung, %s delivered", Number(result.doorbells_rung),
                       Number(result.doorbells_delivered)));
  if (result.rung_by_kernel + result.delivered_by_kernel > 0) {
    Line(out_, "by the kernel",
         absl::StrFormat("%s rung, %s delivered, past the device",
                         Number(result.rung_by_kernel),
                         Number(result.delivered_by_kernel)));
  }
  if (const auto& times = result.round_trips_us; !times.empty()) {
    Line(out_, "round trip",
         absl::StrFormat("p50 %.0f µs, p90 %.0f µs, p99 %.0f µs, max %.0f µs",
                         Percentile(times, 50), Percentile(times, 90),
                         Percentile(times, 99), Percentile(times, 100)));
  }
  Line(out_, "time",
       absl::StrFormat("%.2f s, engine %s", result.seconds,
                       absl::AsciiStrToLower(EngineName(engine_.engine))));
  out_ << "\n";
  if (result.failure.has_value()) {
    out_ << "FAILED: " << *result.failure << "\n";
  } else {
    out_ << "OK: every message came whole, and no doorbell was lost\n";
  }
  out_.flush();
}

}  // namespace ivshmem::two_guests
