// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What kvm_vmm says of command lines by which it cannot run.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/kvm/require_kvm.h"
#include "testing/process.h"

namespace ivshmem {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(60);

struct Result {
  std::string end;
  std::string output;
};

Result RunVmm(const std::vector<std::string>& arguments) {
  const absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(
      {.program = "examples/kvm_vmm/kvm_vmm", .arguments = arguments});
  EXPECT_TRUE(process.ok()) << process.status();
  if (!process.ok()) return {};
  absl::StatusOr<std::string> end = (*process)->Wait(kPatience);
  EXPECT_TRUE(end.ok()) << end.status();
  return {end.ok() ? *std::move(end) : "", (*process)->Output()};
}

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~CommandLine() override {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  // An image of so many bytes.
  std::string Image(size_t size) {
    std::string path = absl::StrCat(folder_, "/image", size);
    std::ofstream(path) << std::string(size, '\0');
    return path;
  }

  // One that is right but for the server that is not there, and then `more`.
  std::vector<std::string> With(const std::vector<std::string>& more) {
    std::vector<std::string> all = {
        "--bios", Image(16), "--socket", folder_ + "/nobody", "--vectors", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // An error is one line that says what is wrong, and status 2.
  static void ExpectError(const std::vector<std::string>& arguments,
                          const std::string& text) {
    const Result result = RunVmm(arguments);
    EXPECT_EQ(result.end, "exit status 2") << result.output;
    EXPECT_THAT(result.output, AllOf(StartsWith("kvm_vmm: "), HasSubstr(text),
                                     EndsWith("\n")));
    EXPECT_EQ(result.output.find('\n'), result.output.size() - 1)
        << result.output;
  }

  std::string folder_ = "/tmp/ivshmem.XXXXXX";
};

TEST_F(CommandLine, HelpShowsAnExample) {
  const Result result = RunVmm({"--help"});
  EXPECT_EQ(result.end, "exit status 0");
  for (const char* text :
       {"--bios IMAGE", "--socket SERVER", "--vectors N", "--ioeventfd on|off",
        "--irqfd on|off", "--memory SIZE", "Example:\n"}) {
    EXPECT_THAT(result.output, HasSubstr(text));
  }
}

TEST_F(CommandLine, WhatIsNeeded) {
  ExpectError({"--socket", "x", "--vectors", "1"}, "--bios is required");
  ExpectError({"--bios", "x", "--vectors", "1"}, "--socket is required");
  ExpectError({"--bios", "x", "--socket", "x"}, "--vectors is required");
}

TEST_F(CommandLine, WhatIsNotUnderstood) {
  ExpectError(With({"--ioeventfd=maybe"}), "--ioeventfd: maybe");
  ExpectError(With({"--irqfd="}), "--irqfd");
  ExpectError(With({"--memory", "many"}), "--memory");
  ExpectError(With({"--more"}), "--more");
  ExpectError(With({"--more\nlines"}), "--more lines");
  for (const char* vectors : {"0", "2049", "-1", "x"}) {
    ExpectError({"--bios", "x", "--socket", "x", "--vectors", vectors},
                "--vectors");
  }
}

// An image has 1 byte to 128 KiB.
TEST_F(CommandLine, Image) {
  const auto image = [&](const std::string& path) {
    return std::vector<std::string>{
        "--bios", path, "--socket", folder_ + "/nobody", "--vectors", "1"};
  };
  ExpectError(image(folder_ + "/none"), "/none: cannot be read");
  ExpectError(image(folder_), "cannot be read");
  ExpectError(image(Image(0)), "is empty");
  ExpectError(image(Image((128 << 10) + 1)), "is too large");
  ExpectError(image("/dev/zero"), "is too large");
}

TEST_F(CommandLine, Memory) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  for (const char* size : {"0", "1M1", "4095K", "4G", "1048575"}) {
    ExpectError(With({"--memory", size}), "memory");
  }
}

// With all else right, a server must answer.
TEST_F(CommandLine, Server) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  ExpectError(With({"--memory", "3G", "--ioeventfd=on", "--irqfd", "off"}),
              "--socket: ");
}

}  // namespace
}  // namespace ivshmem
