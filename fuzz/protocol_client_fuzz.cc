// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whatever a server sends, cut as it likes and with any handles: the client
// understands it as far as it keeps to the protocol and no further, and no
// handle is lost.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/doorbell.h"
#include "core/protocol/client.h"
#include "core/protocol/message.h"
#include "core/protocol/message_reader.h"
#include "core/protocol/token.h"
#include "fuzz/require.h"

namespace ivshmem::protocol {
namespace {

constexpr int64_t kNumbers[] = {0,
                                1,
                                2,
                                65535,
                                -1,
                                -2,
                                65536,
                                int64_t{1} << 32,
                                std::numeric_limits<int64_t>::min(),
                                std::numeric_limits<int64_t>::max()};
constexpr int kMostMessages = 3000;

// The user of a client: keeps the handles that it is to keep.
class User {
 public:
  void Receive(absl::Span<const uint8_t> piece, size_t handles) {
    stream_.insert(stream_.end(), piece.begin(), piece.end());
    std::vector<Token> tokens;
    for (size_t i = 0; i < handles; ++i) tokens.emplace_back(i, &living_);
    // They belong to the message of the piece's last byte.
    handles_of_[(stream_.size() - (piece.empty() ? 0 : 1)) / 8] += handles;
    reader_.Feed(piece, std::move(tokens),
                 [&](auto message) { Take(std::move(message)); });
    Require(reader_.missing() == 8 - stream_.size() % 8, "missing()");
    Require(stream_.size() / 8 == messages_,
            "a message is given when complete");
    const size_t waiting = handles_of_[messages_];
    Require(living_ == static_cast<int>(waiting + Kept()),
            "no handle is lost or kept");
  }

  // What the client says that it waits for.
  absl::string_view awaited() const { return client_.awaited(); }
  size_t messages() const { return messages_; }

 private:
  using Kind = ClientEvent::Kind;

  void Take(MessageReader<Token>::Message message) {
    MessageBytes bytes;
    std::copy_n(stream_.data() + 8 * messages_, 8, bytes.begin());
    Require(message.number == Decode(bytes), "the message of these bytes");
    const size_t handles = message.handles.size();
    Require(handles == handles_of_[messages_], "the handles of these bytes");
    ++messages_;

    const auto event = client_.OnMessage(message.number, handles);
    if (!broken_.ok()) {
      Require(event.status() == broken_, "an error is final");
    } else if (event.ok()) {
      Understand(*event, message.number, std::move(message.handles));
    } else {
      broken_ = event.status();
      Require(absl::IsInvalidArgument(broken_), "the error is the server's");
    }
    Require(client_.id() == id_, "id()");
    Require(client_.joined() == !memory_.empty(), "joined()");
  }

  void Understand(const ClientEvent& event, int64_t number,
                  std::vector<Token> handles) {
    const bool version = std::exchange(version_, true);
    if (event.kind == Kind::kVersion) {
      Require(!version && number == 0 && handles.empty(), "kVersion");
      return;
    }
    Require(version, "the version comes first");
    if (event.kind == Kind::kId) {
      Require(!id_ && number == event.peer && handles.empty(), "kId");
      id_ = event.peer;
      return;
    }
    Require(id_.has_value(), "the id comes second");
    if (event.kind == Kind::kMemory) {
      Require(number == -1 && handles.size() == 1, "kMemory");
      Require(memory_.empty(), "the memory comes once");
      memory_ = std::move(handles);
      return;
    }
    Require(number == event.peer, "the peer is the number");
    Notice(event, std::move(handles));
  }

  void Notice(const ClientEvent& event, std::vector<Token> handles) {
    const auto known = peers_.find(event.peer);
    const size_t vectors = known == peers_.end() ? 0 : known->second.size();
    switch (event.kind) {
      case Kind::kPeerVector:
      case Kind::kOwnVector:
        Require((event.kind == Kind::kOwnVector) == (event.peer == id_),
                "whose vector");
        Require(event.vector == vectors && vectors < kMaxVectors, "vector");
        Require(handles.size() == 1, "a vector's handle");
        peers_[event.peer].push_back(std::move(handles[0]));
        return;
      case Kind::kSurplusVector:
        Require(vectors == kMaxVectors && handles.size() == 1, "surplus");
        return;
      case Kind::kPeerLeft:
        Require(vectors > 0 && handles.empty(), "kPeerLeft");
        Require(event.peer != id_, "the client does not leave");
        peers_.erase(known);
        return;
      case Kind::kUnknownPeerLeft:
        Require(vectors == 0 && handles.empty(), "kUnknownPeerLeft");
        Require(event.peer != id_, "the client does not leave");
        return;
      default:
        Require(false, "no such kind");
    }
  }

  size_t Kept() const {
    size_t kept = memory_.size();
    for (const auto& [peer, handles] : peers_) kept += handles.size();
    return kept;
  }

  int living_ = 0;  // Before all that holds tokens.
  MessageReader<Token> reader_;
  Client client_;
  std::vector<uint8_t> stream_;
  size_t messages_ = 0;
  std::map<size_t, size_t> handles_of_;  // By the message's index.
  absl::Status broken_;
  bool version_ = false;
  std::optional<PeerId> id_;
  std::vector<Token> memory_;
  std::map<PeerId, std::vector<Token>> peers_;
};

// Sends one message, in one piece or two.
void SendMessage(FuzzedDataProvider& input, User& user) {
  const MessageBytes bytes = Encode(input.PickValueInArray(kNumbers));
  const size_t cut = input.ConsumeIntegralInRange<size_t>(0, 7);
  const size_t early = cut == 0 ? 0 : input.PickValueInArray({0, 0, 1, 2});
  const auto piece = absl::MakeConstSpan(bytes);
  if (cut != 0) user.Receive(piece.first(cut), early);
  user.Receive(piece.subspan(cut), input.PickValueInArray({0, 1, 1, 2}));
}

void Run(FuzzedDataProvider input) {
  enum Action { kGreeting, kMessage, kVectors, kBytes, kMaxValue = kBytes };
  User user;
  while (input.remaining_bytes() > 0 && user.messages() < kMostMessages) {
    Require(!user.awaited().empty(), "what comes next is said");
    switch (input.ConsumeEnum<Action>()) {
      case kGreeting:
        user.Receive(Encode(kVersion), 0);
        user.Receive(Encode(input.PickValueInArray(kNumbers)), 0);
        user.Receive(Encode(kMemory), 1);
        break;
      case kMessage:
        SendMessage(input, user);
        break;
      case kVectors: {
        const MessageBytes bytes = Encode(input.PickValueInArray(kNumbers));
        for (int i = input.PickValueInArray({3, 2047, 2049}); i > 0; --i) {
          user.Receive(bytes, 1);
        }
        break;
      }
      case kBytes: {
        const auto bytes = input.ConsumeBytes<uint8_t>(
            input.ConsumeIntegralInRange<size_t>(0, 40));
        user.Receive(bytes, input.ConsumeIntegralInRange<size_t>(0, 3));
        break;
      }
    }
  }
}

}  // namespace
}  // namespace ivshmem::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::protocol::Run(FuzzedDataProvider(data, size));
  return 0;
}
