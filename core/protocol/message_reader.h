// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_MESSAGE_READER_H_
#define IVSHMEM_CORE_PROTOCOL_MESSAGE_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/protocol/message.h"

namespace ivshmem::protocol {

// Makes messages of a stream's pieces, however it was cut. `Handle` is a type
// that owns (a descriptor, in a test a token): what the reader holds when it is
// destroyed is released with it.
//
// Threading: one thread at a time.
template <typename Handle>
class MessageReader {
 public:
  struct Message {
    int64_t number = 0;
    // The sender's fault when more than one: what that means is for the
    // receiver to say.
    std::vector<Handle> handles;
  };

  // How many bytes the message under way still lacks: 1..8. Who reads no more
  // than this at a time always knows which message a handle came with.
  size_t missing() const { return kMessageBytes - filled_; }

  // What has come of the message under way; the reader is at a message's start
  // then. Given to another reader's Feed(), that one goes on.
  struct Rest {
    std::vector<uint8_t> bytes;  // Less than 8.
    std::vector<Handle> handles;
  };
  Rest Release() {
    return {{bytes_.begin(), bytes_.begin() + std::exchange(filled_, 0)},
            std::exchange(handles_, {})};
  }

  // Takes a piece of the stream with the handles that the same read gave, and
  // calls `take(Message)` for each message that it completes, in order. The
  // handles belong to the message that holds the piece's last byte: Linux ends
  // a read behind the bytes that carry descriptors.
  template <typename Take>
  void Feed(absl::Span<const uint8_t> piece, std::vector<Handle> handles,
            Take take) {
    while (piece.size() > missing()) Fill(piece, take);
    for (Handle& handle : handles) handles_.push_back(std::move(handle));
    Fill(piece, take);
  }

 private:
  template <typename Take>
  void Fill(absl::Span<const uint8_t>& piece, Take& take) {
    const size_t count = std::min(piece.size(), missing());
    std::copy_n(piece.begin(), count, bytes_.begin() + filled_);
    piece.remove_prefix(count);
    filled_ += count;
    if (filled_ < kMessageBytes) return;
    filled_ = 0;
    take(Message{Decode(bytes_), std::exchange(handles_, {})});
  }

  MessageBytes bytes_ = {};
  size_t filled_ = 0;
  std::vector<Handle> handles_;
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_MESSAGE_READER_H_
