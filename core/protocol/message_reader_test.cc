// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/message_reader.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/protocol/message.h"
#include "core/protocol/token.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::protocol {
namespace {

using Reader = MessageReader<Token>;

// A message with the numbers of its handles' tokens.
struct Taken {
  int64_t number;
  std::vector<int> tokens;

  friend bool operator==(const Taken&, const Taken&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Taken& taken) {
    out << taken.number << " {";
    for (int token : taken.tokens) out << " " << token;
    return out << " }";
  }
};

std::vector<uint8_t> Stream(const std::vector<int64_t>& numbers) {
  std::vector<uint8_t> bytes;
  for (int64_t number : numbers) {
    const MessageBytes message = Encode(number);
    bytes.insert(bytes.end(), message.begin(), message.end());
  }
  return bytes;
}

class MessageReaderTest : public ::testing::Test {
 protected:
  // The reader and what it gave are gone: so are all handles.
  ~MessageReaderTest() override {
    reader_ = {};
    EXPECT_EQ(living_, 0);
  }

  std::vector<Token> Tokens(const std::vector<int>& numbers) {
    std::vector<Token> tokens;
    for (int number : numbers) tokens.emplace_back(number, &living_);
    return tokens;
  }

  // The messages that a piece with these handles completes.
  std::vector<Taken> Feed(absl::Span<const uint8_t> piece,
                          const std::vector<int>& handles = {}) {
    std::vector<Taken> all;
    reader_.Feed(piece, Tokens(handles), [&](const Reader::Message& message) {
      Taken taken{message.number, {}};
      for (const Token& token : message.handles) {
        taken.tokens.push_back(token.number());
      }
      all.push_back(std::move(taken));
    });
    return all;
  }

  int living_ = 0;
  Reader reader_;
};

using Messages = std::vector<Taken>;

// A message is 8 bytes and may be accompanied by a handle.
// Clause: message
TEST_F(MessageReaderTest, OneMessageInOnePiece) {
  EXPECT_EQ(Feed(Stream({-1}), {7}), (Messages{{-1, {7}}}));
  EXPECT_EQ(Feed(Stream({5})), (Messages{{5, {}}}));
  EXPECT_EQ(living_, 0);
}

// A stream keeps no borders: wherever it is cut in two or three, the messages
// are the same.
TEST_F(MessageReaderTest, CutAnywhere) {
  const std::vector<int64_t> numbers = {0, 0x1122334455667788, -1, 65535};
  const Messages expected = {
      {0, {}}, {0x1122334455667788, {}}, {-1, {}}, {65535, {}}};
  const std::vector<uint8_t> bytes = Stream(numbers);
  const auto stream = absl::MakeConstSpan(bytes);
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      Messages taken;
      for (const auto piece :
           {stream.subspan(0, first), stream.subspan(first, second - first),
            stream.subspan(second)}) {
        for (Taken& message : Feed(piece)) taken.push_back(std::move(message));
      }
      ASSERT_EQ(taken, expected) << "cut at " << first << " and " << second;
      ASSERT_EQ(reader_.missing(), 8u);
    }
  }
}

TEST_F(MessageReaderTest, OneByteAtATime) {
  const std::vector<uint8_t> bytes = Stream({0x1122334455667788, -2});
  Messages taken;
  for (const uint8_t& byte : bytes) {
    for (Taken& message : Feed(absl::MakeConstSpan(&byte, 1))) {
      taken.push_back(std::move(message));
    }
  }
  EXPECT_EQ(taken, (Messages{{0x1122334455667788, {}}, {-2, {}}}));
}

// A message is given when its last byte comes, not before and not later.
TEST_F(MessageReaderTest, GivenWithTheLastByte) {
  const std::vector<uint8_t> bytes = Stream({3});
  EXPECT_EQ(Feed(absl::MakeConstSpan(bytes).first(7)), Messages{});
  EXPECT_EQ(Feed(absl::MakeConstSpan(bytes).last(1)), (Messages{{3, {}}}));
}

// missing() is what the message under way lacks.
TEST_F(MessageReaderTest, Missing) {
  const std::vector<uint8_t> bytes = Stream({3, 4});
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(reader_.missing(), 8 - i % 8);
    Feed(absl::MakeConstSpan(bytes).subspan(i, 1));
  }
  EXPECT_EQ(reader_.missing(), 8u);
}

// A handle that comes with any of a message's bytes is that message's, whoever
// reads no more than what is missing.
TEST_F(MessageReaderTest, HandleWithAnyByteOfItsMessage) {
  const std::vector<uint8_t> bytes = Stream({1, 2, 3});
  for (size_t with = 0; with < bytes.size(); ++with) {
    Messages expected = {{1, {}}, {2, {}}, {3, {}}};
    expected[with / 8].tokens = {9};
    Messages taken;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const std::vector<int> handles(i == with ? 1 : 0, 9);
      for (Taken& message :
           Feed(absl::MakeConstSpan(bytes).subspan(i, 1), handles)) {
        taken.push_back(std::move(message));
      }
    }
    ASSERT_EQ(taken, expected) << "with byte " << with;
  }
}

// In a piece of several messages the handles are that one's which holds the
// piece's last byte, complete or not.
TEST_F(MessageReaderTest, HandlesOfMergedMessages) {
  const std::vector<uint8_t> bytes = Stream({1, 2, 3});
  const auto stream = absl::MakeConstSpan(bytes);
  EXPECT_EQ(Feed(stream.first(16), {9}), (Messages{{1, {}}, {2, {9}}}));
  EXPECT_EQ(Feed(stream.subspan(16), {}), (Messages{{3, {}}}));

  EXPECT_EQ(Feed(stream.first(17), {8}), (Messages{{1, {}}, {2, {}}}));
  EXPECT_EQ(living_, 1);
  EXPECT_EQ(Feed(stream.subspan(17), {}), (Messages{{3, {8}}}));
}

// What came for a message under way does not wander to one merged behind it.
TEST_F(MessageReaderTest, EarlyHandleStaysWithItsMessage) {
  const std::vector<uint8_t> bytes = Stream({1, 2});
  const auto stream = absl::MakeConstSpan(bytes);
  EXPECT_EQ(Feed(stream.first(3), {5}), Messages{});
  EXPECT_EQ(Feed(stream.subspan(3), {6}), (Messages{{1, {5}}, {2, {6}}}));
}

// Handles without a byte are the next message's.
TEST_F(MessageReaderTest, HandlesWithoutBytes) {
  EXPECT_EQ(Feed({}, {5}), Messages{});
  EXPECT_EQ(living_, 1);
  EXPECT_EQ(Feed(Stream({1, 2})), (Messages{{1, {5}}, {2, {}}}));
}

// More than one handle, together or one by one, all reach the receiver, which
// says what that means.
// Clause: message
TEST_F(MessageReaderTest, DoubledHandles) {
  const std::vector<uint8_t> bytes = Stream({1});
  const auto stream = absl::MakeConstSpan(bytes);
  EXPECT_EQ(Feed(stream, {5, 6, 7}), (Messages{{1, {5, 6, 7}}}));
  EXPECT_EQ(Feed(stream.first(4), {5}), Messages{});
  EXPECT_EQ(Feed(stream.subspan(4), {6, 7}), (Messages{{1, {5, 6, 7}}}));
  EXPECT_EQ(living_, 0);
}

// What the reader holds when it is destroyed is released with it.
TEST(MessageReaderLifetimeTest, HeldHandlesGoWithTheReader) {
  int living = 0;
  {
    Reader reader;
    std::vector<Token> handles;
    handles.emplace_back(1, &living);
    const std::vector<uint8_t> bytes(7);
    reader.Feed(bytes, std::move(handles),
                [](const Reader::Message&) { FAIL(); });
    EXPECT_EQ(living, 1);
  }
  EXPECT_EQ(living, 0);
}

// The receiver owns what it takes.
TEST_F(MessageReaderTest, TakenHandlesAreTheReceivers) {
  std::vector<Token> kept;
  reader_.Feed(Stream({1}), Tokens({5}), [&](Reader::Message message) {
    kept = std::move(message.handles);
  });
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].number(), 5);
  EXPECT_EQ(living_, 1);
}

// Any stream in any pieces: the numbers are those of its groups of 8 bytes, and
// the handles of a piece are with the message of its last byte.
RC_GTEST_FIXTURE_PROP(MessageReaderTest, AnyPieces,
                      (const std::vector<std::vector<uint8_t>>& pieces)) {
  std::vector<uint8_t> stream;
  std::map<size_t, std::vector<int>> handles_of;  // By the message's index.
  Messages taken;
  int next = 0;
  for (const std::vector<uint8_t>& piece : pieces) {
    stream.insert(stream.end(), piece.begin(), piece.end());
    std::vector<int> handles(*rc::gen::inRange(0, 3));
    for (int& handle : handles) handle = next++;
    const size_t at = stream.size() - (piece.empty() ? 0 : 1);
    std::vector<int>& owned = handles_of[at / 8];
    owned.insert(owned.end(), handles.begin(), handles.end());
    for (Taken& message : Feed(piece, handles)) {
      taken.push_back(std::move(message));
    }
    if (*rc::gen::inRange(0, 3) > 0) continue;
    // Another reader goes on, and this one begins anew.
    Reader::Rest rest = reader_.Release();
    RC_ASSERT(rest.bytes.size() == stream.size() % 8);
    RC_ASSERT(reader_.missing() == kMessageBytes);
    Reader other;
    other.Feed(rest.bytes, std::move(rest.handles),
               [](const auto&) { RC_FAIL("no message is complete"); });
    reader_ = std::move(other);
  }
  Messages expected;
  for (size_t i = 0; i < stream.size() / 8; ++i) {
    MessageBytes bytes;
    std::copy_n(stream.data() + 8 * i, 8, bytes.begin());
    expected.push_back({Decode(bytes), handles_of[i]});
  }
  RC_ASSERT(taken == expected);
  const size_t held = handles_of[stream.size() / 8].size();
  RC_ASSERT(living_ == static_cast<int>(held));
}

}  // namespace
}  // namespace ivshmem::protocol
