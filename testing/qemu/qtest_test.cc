// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qtest.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A client, and the other end of its socket: what QEMU will say is written
// before it is asked.
class QtestTest : public ::testing::Test {
 protected:
  void Says(absl::string_view text) {
    ASSERT_EQ(write(other_.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  std::string Heard() {
    std::array<char, 4096> text;
    const ssize_t bytes =
        recv(other_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return bytes < 0 ? "" : std::string(text.data(), bytes);
  }

  static std::array<UniqueFd, 2> Pair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }

  std::array<UniqueFd, 2> ends_ = Pair();
  UniqueFd other_ = std::move(ends_[1]);
  Qtest qtest_{std::move(ends_[0]),
               {.deadline = absl::Seconds(2),
                .last_words = [] { return "last words"; }}};
};

TEST_F(QtestTest, AnAccessIsALineAndAnAnswer) {
  Says("OK 0x1af41110\n");
  EXPECT_EQ(qtest_.Read(4, 0xe0000008), 0x1af41110);
  EXPECT_EQ(Heard(), "readl 0xe0000008\n");
  Says("OK\n");
  qtest_.Write(8, 0xfffffffffffffff0, 0x8000000000000001);
  EXPECT_EQ(Heard(), "writeq 0xfffffffffffffff0 0x8000000000000001\n");
}

TEST(QtestCommand, SizesHaveLetters) {
  EXPECT_EQ(command::In(1, 0xcfc), "inb 0xcfc");
  EXPECT_EQ(command::In(2, 0xcfc), "inw 0xcfc");
  EXPECT_EQ(command::Out(4, 0xcf8, 0x80002000), "outl 0xcf8 0x80002000");
  EXPECT_EQ(command::Read(1, 0), "readb 0x0");
  EXPECT_EQ(command::Write(2, 16, 15), "writew 0x10 0xf");
  EXPECT_EQ(command::Fill(4096, 16, 255), "memset 0x1000 0x10 0xff");
}

TEST_F(QtestTest, BlocksAreBase64) {
  Says("OK AAEC/w==\n");
  EXPECT_THAT(qtest_.ReadBlock(0x1000, 4), ElementsAre(0, 1, 2, 0xff));
  EXPECT_EQ(Heard(), "b64read 0x1000 0x4\n");
  Says("OK\n");
  qtest_.WriteBlock(0x1000, {0, 1, 2, 0xff});
  EXPECT_EQ(Heard(), "b64write 0x1000 0x4 AAEC/w==\n");
}

// Between answers QEMU says what interrupt lines do, and logs.
TEST_F(QtestTest, AsynchronousLinesAreNoAnswers) {
  Says("IRQ raise 5\n[R +0.1] readl 0\nOK 0x7\nIRQ lower 5\nOK 0x8\n");
  EXPECT_EQ(qtest_.Read(4, 0), 7);
  EXPECT_EQ(qtest_.Read(4, 0), 8);
}

// "All sent before the first answer is awaited", and answers come in order,
// however the stream is cut.
TEST_F(QtestTest, CommandsAreSentTogether) {
  Says("OK 0x1\nOK\nOK 0x");
  Says("3\n");
  EXPECT_THAT(qtest_.Run({command::Read(1, 0), command::Write(1, 0, 2),
                          command::Read(1, 2)}),
              ElementsAre(1, 0, 3));
  EXPECT_EQ(Heard(), "readb 0x0\nwriteb 0x0 0x2\nreadb 0x2\n");
  EXPECT_THAT(qtest_.Run(std::vector<std::string>()), IsEmpty());
}

// No answer, another answer and a closed socket fail the test once, with the
// command and QEMU's last words; afterwards everything reads as 0, at once.
TEST_F(QtestTest, NoAnswer) {
  EXPECT_NONFATAL_FAILURE(EXPECT_EQ(qtest_.Read(4, 0x10), 0),
                          "asked 'readl 0x10'");
  EXPECT_EQ(qtest_.status().code(), absl::StatusCode::kDeadlineExceeded);
  Says("OK 0x1\nOK 0x1\n");
  EXPECT_EQ(qtest_.Read(4, 0x10), 0) << "an answer to the earlier question";
}

TEST_F(QtestTest, AnotherAnswer) {
  Says("FAIL Unknown command 'readl'\nOK 0x1\n");
  EXPECT_NONFATAL_FAILURE(EXPECT_EQ(qtest_.Read(4, 0), 0),
                          "got 'FAIL Unknown command 'readl''");
  EXPECT_EQ(qtest_.Read(4, 0), 0);
}

TEST_F(QtestTest, Gone) {
  Says("OK 0x1\n");
  other_.Reset();
  EXPECT_EQ(qtest_.Read(4, 0), 1) << "what it said before it went";
  EXPECT_NONFATAL_FAILURE(qtest_.Read(4, 0), "last words");
  EXPECT_EQ(qtest_.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ivshmem::qemu
