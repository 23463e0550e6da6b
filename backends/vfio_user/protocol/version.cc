// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/version.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ivshmem::vfio_user {
namespace {

using Json = nlohmann::json;

constexpr uint16_t kMajor = 0;
constexpr uint16_t kMinor = 1;
constexpr int kMostDepth = 8;

// Reads the JSON without making a tree of it. A `false` ends the parsing.
class Reader : public nlohmann::json_sax<Json> {
 public:
  uint64_t max_fds() const { return max_fds_; }
  const std::string& wrong() const { return wrong_; }

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t value) override {
    if (AtMaxFds()) {
      max_fds_ = value;
      return true;
    }
    return Value();
  }
  bool number_float(number_float_t, const string_t&) override {
    return Value();
  }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }

  bool start_object(size_t) override {
    if (AtMaxFds()) return Value();
    if (depth_ == 1 && key_ == "capabilities") capabilities_ = true;
    return Deeper();
  }
  bool key(string_t& key) override {
    key_ = key;
    return true;
  }
  bool end_object() override { return Shallower(); }
  bool start_array(size_t) override {
    if (depth_ == 0) return Fail("JSON: expected an object, got an array");
    return AtMaxFds() || AtCapabilities() ? Value() : Deeper();
  }
  bool end_array() override { return Shallower(); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("JSON: does not parse at byte ", position));
  }

 private:
  bool AtCapabilities() const { return depth_ == 1 && key_ == "capabilities"; }
  bool AtMaxFds() const {
    return capabilities_ && depth_ == 2 && key_ == "max_msg_fds";
  }

  // Some value, of another type than those that are understood.
  bool Value() {
    if (depth_ == 0) return Fail("JSON: expected an object");
    if (AtCapabilities()) return Fail("capabilities: expected an object");
    if (AtMaxFds()) return Fail("max_msg_fds: expected a number from 0 on");
    return true;
  }

  bool Deeper() {
    if (++depth_ <= kMostDepth) return true;
    return Fail(absl::StrCat("JSON: expected at most ", kMostDepth, " levels"));
  }

  bool Shallower() {
    if (--depth_ == 1) capabilities_ = false;
    return true;
  }

  bool Fail(std::string wrong) {
    if (wrong_.empty()) wrong_ = std::move(wrong);
    return false;
  }

  int depth_ = 0;
  bool capabilities_ = false;  // Inside of it.
  std::string key_;            // The last one.
  uint64_t max_fds_ = 1;
  std::string wrong_;
};

}  // namespace

absl::StatusOr<Agreement> Agree(absl::Span<const uint8_t> payload) {
  const std::optional<Version> proposed = Load<Version>(payload);
  if (!proposed.has_value() || payload.size() > kMostVersion) {
    return absl::InvalidArgumentError(
        absl::StrFormat("VERSION: expected %d to %d bytes, got %d",
                        sizeof(Version), kMostVersion, payload.size()));
  }
  if (proposed->major != kMajor) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "VERSION: expected major %d, got %d", kMajor, proposed->major));
  }
  Agreement agreement;
  agreement.version.minor = std::min(proposed->minor, kMinor);
  const absl::Span<const uint8_t> text = payload.subspan(sizeof(Version));
  // It may be left out.
  if (text.empty()) return agreement;
  if (std::find(text.begin(), text.end(), 0) != text.end() - 1) {
    return absl::InvalidArgumentError(
        "VERSION: expected JSON with one zero byte, at its end");
  }
  Reader reader;
  if (!Json::sax_parse(text.begin(), text.end() - 1, &reader,
                       Json::input_format_t::json, /*strict=*/true)) {
    return absl::InvalidArgumentError(
        absl::StrCat("VERSION: ", reader.wrong()));
  }
  // A 0 counts as 1.
  agreement.client_fds = std::clamp<uint64_t>(reader.max_fds(), 1, kMostFds);
  return agreement;
}

void AppendAnswer(const Agreement& agreement, std::vector<uint8_t>& bytes) {
  const std::string text = absl::StrFormat(
      R"({"capabilities":{"max_msg_fds":%d,"max_data_xfer_size":%d}})",
      kMostFds, kMostData);
  Append(agreement.version, bytes);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.push_back(0);
}

}  // namespace ivshmem::vfio_user
