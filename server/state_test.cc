// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/state.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/doorbell.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = MemorySpec::Kind;

constexpr char kIdentity[] = "0123456789abcdef0123456789abcdef";

State Example() {
  return {.boot_id = "this one",
          .kind = Kind::kShm,
          .name = "name",
          .size = 4096,
          .identity = {.device = 3, .inode = uint64_t{1} << 63},
          .vectors = 2,
          .holdings = {{0, ""},
                       {7, std::string("0:0:") + kIdentity},
                       {65535, std::string("4294967295:10:") + kIdentity}}};
}

void ExpectSame(const State& a, const State& b) {
  EXPECT_EQ(a.boot_id, b.boot_id);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.identity, b.identity);
  EXPECT_EQ(a.vectors, b.vectors);
  EXPECT_EQ(a.holdings, b.holdings);
}

// What is wrong with a state that is as the example but for this.
template <typename Change>
std::string ErrorOf(Change change) {
  State state = Example();
  change(state);
  const auto parsed = ParseState(FormatState(state));
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

// What is saved is read again, with any bytes in the name.
TEST(StateTest, IsReadAsItWasSaved) {
  State state = Example();
  for (const auto& [kind, name] :
       {std::pair<Kind, std::string>(Kind::kMemfd, ""),
        {Kind::kShm, "x"},
        {Kind::kFile, "/a\xff\n\"'"}}) {
    state.kind = kind;
    state.name = name;
    const auto parsed = ParseState(FormatState(state));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ExpectSame(*parsed, state);
  }
}

// Each field is checked; errors name it, what is expected and what came.
TEST(StateTest, RefusesFieldsOutOfRange) {
  EXPECT_EQ(ErrorOf([](State& state) { state.boot_id = ""; }),
            "boot_id: expected one, got none");
  EXPECT_EQ(ErrorOf([](State& state) { state.size = 4095; }),
            "memory.size: expected a power of two, got 4095");
  EXPECT_EQ(ErrorOf([](State& state) { state.size = 0; }),
            "memory.size: expected a power of two, got 0");
  EXPECT_THAT(ErrorOf([](State& state) { state.name = ""; }),
              StartsWith("memory.name: expected one for SHM"));
  EXPECT_THAT(ErrorOf([](State& state) { state.kind = Kind::kMemfd; }),
              StartsWith("memory.name: expected one for SHM"));
  EXPECT_EQ(ErrorOf([](State& state) { state.vectors = 0; }),
            "vectors: expected 1 to 2048, got 0");
  EXPECT_EQ(ErrorOf([](State& state) { state.vectors = 2049; }),
            "vectors: expected 1 to 2048, got 2049");
  EXPECT_EQ(ErrorOf([](State& state) { state.vectors = -1; }),
            "vectors: expected 1 to 2048, got 4294967295");
  EXPECT_EQ(ErrorOf([](State& state) { state.holdings[1].id = 0; }),
            "holdings[1].id: expected 0 to 65535 that is not there yet, got 0");
}

TEST(StateTest, RefusesOwnersOfAnotherForm) {
  const std::string id = kIdentity;
  for (const std::string& owner : std::vector<std::string>{
           "x", "0:" + id, "0:0:" + id + "0", "0:0:0:" + id, "-1:0:" + id,
           "4294967296:0:" + id, ":0:" + id, " 0:0:" + id,
           "0:0:ABCDEF6789abcdef0123456789abcdef", std::string(5000, '0'),
           Example().holdings[2].owner}) {
    EXPECT_THAT(
        ErrorOf([&](State& state) { state.holdings[1].owner = owner; }),
        AllOf(StartsWith("holdings["), HasSubstr(".owner: expected 'uid:gid:"),
              HasSubstr(owner.substr(0, 100))));
  }
}

TEST(StateTest, RefusesOtherNumbersAndText) {
  const std::string good = FormatState(Example());
  const auto error = [](const std::string& text) {
    const auto state = ParseState(text);
    EXPECT_FALSE(state.ok()) << text;
    return std::string(state.status().message());
  };
  EXPECT_THAT(error(good + "holdings { id: 65536 }"),
              HasSubstr("holdings[3].id: expected 0 to 65535"));
  EXPECT_THAT(error("boot_id: 'x' memory { kind: 9 }"),
              HasSubstr("memory.kind: expected MEMFD, SHM or FILE, got 9"));
  EXPECT_THAT(error("boot_id: 'x'"), HasSubstr("memory.kind"));
  EXPECT_THAT(error(good + "\nnonsense: 1"), HasSubstr("line "));
  EXPECT_THAT(error(std::string("\0\0\0\0", 4)), HasSubstr("line 1"));
}

// Any bytes are read or refused.
RC_GTEST_PROP(StateTest, AnyBytesAreReadOrRefused, (const std::string& text)) {
  const auto state = ParseState(text);
  RC_ASSERT(!state.ok());
}

// As is a state in which somebody has changed some.
RC_GTEST_PROP(StateTest, AnyChangeIsReadOrRefused, ()) {
  std::string text = FormatState(Example());
  const auto place = *rc::gen::inRange<size_t>(0, text.size());
  const auto length = *rc::gen::inRange<size_t>(0, 8);
  text.replace(place, length, *rc::gen::arbitrary<std::string>());
  const auto state = ParseState(text);
  if (!state.ok()) {
    RC_ASSERT(!state.status().message().empty());
    return;
  }
  RC_ASSERT(state->vectors >= 1 && state->vectors <= 2048);
  RC_ASSERT(!state->boot_id.empty());
}

class StateFileTest : public testing::Test {
 protected:
  std::string ReadError() const {
    const auto state = ReadState(path_);
    EXPECT_FALSE(state.ok());
    return std::string(state.status().message());
  }

  const ShortDirectory directory_;
  const std::string path_ = directory_.File("state");
};

// No file, and one that was never written to, are no state.
TEST_F(StateFileTest, NoneIsNoState) {
  EXPECT_FALSE(ReadState(path_)->has_value());
  std::ofstream(path_).flush();
  EXPECT_FALSE(ReadState(path_)->has_value());
}

// The new state takes the place of the old one, for its owner alone, and
// nothing else is left.
TEST_F(StateFileTest, IsReplacedAsAWhole) {
  State state = Example();
  ASSERT_TRUE(WriteState(path_, state).ok());
  std::ofstream(path_ + ".tmp") << "left over";
  std::ifstream reader(path_);
  state.holdings.clear();
  ASSERT_TRUE(WriteState(path_, state).ok());
  ExpectSame(**ReadState(path_), state);
  // Who has the old one open sees all of it.
  const std::string old{std::istreambuf_iterator<char>(reader), {}};
  EXPECT_EQ(old, FormatState(Example()));
  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & ALLPERMS, 0600u);
  EXPECT_FALSE(fs::exists(path_ + ".tmp"));
}

// A link that somebody puts in the way is not followed.
TEST_F(StateFileTest, WritesThroughNoLink) {
  const std::string precious = directory_.File("precious");
  std::ofstream(precious) << "precious";
  fs::create_symlink(precious, path_ + ".tmp");
  ASSERT_TRUE(WriteState(path_, Example()).ok());
  EXPECT_EQ(fs::file_size(precious), 8);
}

// Errors name the file.
TEST_F(StateFileTest, NamesTheFile) {
  std::ofstream(path_) << "vectors: 3";
  EXPECT_EQ(ReadError(), path_ + ": boot_id: expected one, got none");
  EXPECT_THAT(
      std::string(WriteState(directory_.File("no/where"), Example()).message()),
      HasSubstr("no/where"));
}

// What is no file is not waited for, and what is too large is not read.
TEST_F(StateFileTest, RefusesOtherThings) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(ReadError(),
            path_ + ": expected a regular file, got something else");
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_THAT(ReadError(), HasSubstr("expected a regular file"));
  fs::remove(path_);
  std::ofstream(path_).flush();
  fs::resize_file(path_, uint64_t{1} << 40);
  EXPECT_THAT(ReadError(), HasSubstr("expected at most 16777216 bytes"));
}

// As many holdings as there are ids fit.
TEST_F(StateFileTest, HasRoomForAllIds) {
  State state = Example();
  state.holdings.clear();
  for (int id = 0; id < kMaxPeers; ++id) {
    state.holdings.push_back(
        {static_cast<PeerId>(id),
         absl::StrFormat("4294967295:4294967295:%032x", id)});
  }
  ASSERT_TRUE(WriteState(path_, state).ok());
  const auto read = ReadState(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->holdings.size(), kMaxPeers);
}

// A server that goes on must have been asked for the same; the error names what
// differs.
TEST(CheckSameServerTest, NamesWhatDiffers) {
  const MemorySpec same = {.kind = Kind::kShm, .name = "name", .size = 4096};
  EXPECT_TRUE(CheckSameServer(Example(), same, 2).ok());
  const auto error = [](const MemorySpec& spec, int vectors) {
    const absl::Status status = CheckSameServer(Example(), spec, vectors);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  MemorySpec spec = same;
  spec.kind = Kind::kFile;
  EXPECT_THAT(error(spec, 2), HasSubstr("shared memory, but now it is a file"));
  spec = same;
  spec.name = "other";
  EXPECT_THAT(error(spec, 2), HasSubstr("'name', but now it is 'other'"));
  spec = same;
  spec.size = 8192;
  EXPECT_THAT(error(spec, 2), HasSubstr("4096, but now it is 8192"));
  EXPECT_THAT(error(same, 3), HasSubstr("--vectors 2, but now it is 3"));
}

// Two objects are told apart, whatever they are called.
TEST(CheckSameMemoryTest, TellsObjectsApart) {
  const auto one = MemoryObject::Memfd(4096);
  const auto other = MemoryObject::Memfd(4096);
  State state = Example();
  state.identity = one->identity();
  EXPECT_TRUE(CheckSameMemory(state, *one).ok());
  EXPECT_EQ(CheckSameMemory(state, *other).code(),
            absl::StatusCode::kFailedPrecondition);
}

// The kernel says which run this is, always the same.
TEST(BootIdTest, IsTheSame) {
  ASSERT_TRUE(BootId().ok());
  EXPECT_EQ(BootId()->size(), 36);
  EXPECT_EQ(*BootId(), *BootId());
}

}  // namespace
}  // namespace ivshmem::server
