// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the guests send each other, compiled for this machine.

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>

#include "gtest/gtest.h"

extern "C" {
#include "examples/two_guests/guests/message.h"
}

namespace ivshmem::two_guests {
namespace {

class MessageTest : public testing::Test {
 protected:
  MessageHeader Send(uint32_t sequence, bool goodbye = false) {
    MessageHeader sent;
    EXPECT_EQ(MessageSend(ring_.get(), kSideX86, sequence, 99, goodbye, &sent),
              kMessageOk);
    return sent;
  }

  const std::unique_ptr<Ring> ring_ = std::make_unique<Ring>();
};

TEST_F(MessageTest, ArrivesAsItWasSent) {
  // Enough to go round the ring many times.
  for (uint32_t i = 1; i < 1000; ++i) {
    const MessageHeader sent = Send(i);
    MessageHeader received;
    ASSERT_EQ(MessageReceive(ring_.get(), &received), kMessageOk);
    EXPECT_EQ(received.sequence, i);
    EXPECT_EQ(received.length, sent.length);
    EXPECT_EQ(received.checksum, sent.checksum);
    EXPECT_EQ(received.echo, 99u);
  }
}

TEST_F(MessageTest, IndicesWrapAround) {
  ring_->written = ring_->read = 0xfffffffc - kRingBytes / 2 + 4;
  for (uint32_t i = 1; i < 100; ++i) {
    Send(i);
    MessageHeader received;
    ASSERT_EQ(MessageReceive(ring_.get(), &received), kMessageOk);
  }
  EXPECT_LT(ring_->written, 1u << 24);
}

TEST_F(MessageTest, SizesVary) {
  std::set<uint32_t> lengths;
  std::set<uint32_t> unaligned;
  for (uint32_t i = 1; i <= 1000; ++i) {
    const uint32_t length = Send(i).length;
    EXPECT_GE(length, 1u);
    EXPECT_LE(length, uint32_t{kMaxPayloadBytes});
    lengths.insert(length);
    unaligned.insert(length % 4);
    ring_->read = ring_->written;
  }
  EXPECT_GT(lengths.size(), 500u);
  EXPECT_EQ(unaligned.size(), 4u);
  EXPECT_EQ(Send(1, true).length, 0u);
}

TEST_F(MessageTest, AnyBitThatChangesIsFound) {
  Send(7);
  const Ring good = *ring_;
  for (uint32_t bit = 0; bit < good.written * 8; ++bit) {
    *ring_ = good;
    ring_->data[bit / 32] ^= 1u << bit % 32;
    MessageHeader received;
    EXPECT_NE(MessageReceive(ring_.get(), &received), kMessageOk) << bit;
  }
}

TEST_F(MessageTest, OtherSideAndSequenceMeanOtherContent) {
  MessageHeader a, b, c;
  MessageSend(ring_.get(), kSideX86, 1, 0, 0, &a);
  MessageSend(ring_.get(), kSideCortexM, 1, 0, 0, &b);
  MessageSend(ring_.get(), kSideX86, 2, 0, 0, &c);
  EXPECT_NE(a.checksum, b.checksum);
  EXPECT_NE(a.checksum, c.checksum);
  EXPECT_NE(MessageEcho(a.checksum), a.checksum);
}

TEST_F(MessageTest, AFullRingTakesNothing) {
  MessageHeader sent;
  uint32_t i = 1;
  while (MessageSend(ring_.get(), kSideX86, i, 0, 0, &sent) == kMessageOk) ++i;
  EXPECT_LE(ring_->written, uint32_t{kRingBytes});
  const uint32_t written = ring_->written;
  EXPECT_EQ(MessageSend(ring_.get(), kSideX86, i, 0, 0, &sent),
            kMessageRingFull);
  EXPECT_EQ(ring_->written, written);
}

// The other guest can write anything at any time.
TEST_F(MessageTest, BelievesNothingInTheRing) {
  MessageHeader received;
  EXPECT_EQ(MessageReceive(ring_.get(), &received), kMessageNone);
  ring_->written = 8;  // Less than a header.
  EXPECT_EQ(MessageReceive(ring_.get(), &received), kMessageTorn);
  ring_->written = kRingBytes + 4;  // More than there is room for.
  EXPECT_EQ(MessageReceive(ring_.get(), &received), kMessageTorn);
  ring_->written = 100;
  ring_->data[1] = 200;  // Longer than what is there.
  EXPECT_EQ(MessageReceive(ring_.get(), &received), kMessageTorn);
  ring_->data[1] = 0xffffffff;
  EXPECT_EQ(MessageReceive(ring_.get(), &received), kMessageBadLength);
  ring_->read = 1000;  // The reader of ours has read what was never written.
  ring_->written = 0;
  MessageHeader sent;
  EXPECT_EQ(MessageSend(ring_.get(), kSideX86, 1, 0, 0, &sent),
            kMessageRingFull);
}

}  // namespace
}  // namespace ivshmem::two_guests
