// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/text.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/protobuf/text_format.h"
#include "proto/text.h"
#include "script/check.h"

namespace ivshmem::script {
namespace {

using ::google::protobuf::TextFormat;

constexpr char kHead[] =
    "# proto-file: proto/script.proto\n"
    "# proto-message: ivshmem.script.Script\n\n";

// Offsets, addresses, sizes of regions and values are what uint64 is for here.
class HexPrinter : public TextFormat::FastFieldValuePrinter {
 public:
  using FastFieldValuePrinter::PrintUInt64;
  void PrintUInt64(google::protobuf::uint64 value,
                   TextFormat::BaseTextGenerator* generator) const override {
    generator->PrintString(value < 10 ? absl::StrCat(value)
                                      : absl::StrFormat("%#x", value));
  }
};

std::string OnOneLine(const google::protobuf::Message& message) {
  TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetDefaultFieldValuePrinter(new HexPrinter);  // The printer's now.
  std::string text;
  printer.PrintToString(message, &text);
  return std::string(absl::StripSuffix(text, " "));
}

}  // namespace

absl::StatusOr<Script> ParseScript(absl::string_view text) {
  Script script;
  if (absl::Status parsed = ParseText(text, script); !parsed.ok()) {
    return parsed;
  }
  if (absl::Status check = Check(script); !check.ok()) return check;
  return script;
}

std::string PrintScript(const Script& script) {
  std::string text = kHead;
  if (!script.about().empty()) {
    Script about;
    about.set_about(script.about());
    absl::StrAppend(&text, OnOneLine(about), "\n\n");
  }
  if (script.has_world()) {
    absl::StrAppend(&text, "world {\n");
    for (const auto& region : script.world().regions()) {
      absl::StrAppend(&text, "  regions { ", OnOneLine(region), " }\n");
    }
    for (const auto& device : script.world().devices()) {
      absl::StrAppend(&text, "  devices { ", OnOneLine(device), " }\n");
    }
    absl::StrAppend(&text, "}\n\n");
  }
  for (const Step& step : script.steps()) {
    absl::StrAppend(&text, "steps { ", OnOneLine(step), " }\n");
  }
  return text;
}

}  // namespace ivshmem::script
