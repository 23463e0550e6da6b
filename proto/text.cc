// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "proto/text.h"

#include <string>

#include "absl/strings/str_format.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"

namespace ivshmem {
namespace {

// The first complaint of protobuf's parser.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(absl::StrFormat(
        "line %d, column %d: %s", line + 1, column + 1, message));
  }
  void AddWarning(int, int, const std::string&) override {}

  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace

absl::Status ParseText(absl::string_view text,
                       google::protobuf::Message& message) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.ParseFromString(std::string(text), &message)) {
    return absl::OkStatus();
  }
  if (!error.status().ok()) return error.status();
  return absl::InvalidArgumentError(absl::StrFormat(
      "expected a %s in text form", message.GetDescriptor()->name()));
}

}  // namespace ivshmem
