// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A vfio-user client that sends anything: messages of all kinds with any
// fields, pieces of them, and descriptors of any kind. Each request that is
// whole gets its one answer, in order, of the size that it should have; no
// access of a known region fails; no descriptor is lost.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "backends/vfio_user/protocol/connection.h"
#include "backends/vfio_user/protocol/wire.h"
#include "core/doorbell.h"
#include "fuzz/open_count.h"
#include "fuzz/require.h"

namespace ivshmem::vfio_user {
namespace {

constexpr int kVectors = 20;
constexpr uint64_t kSize = 1 << 16;
constexpr int kMostSteps = 60;

using Bytes = std::vector<uint8_t>;

// A device, which is there for all inputs.
struct Served {
  Served() {
    auto made = IvshmemModel::Create(
        {.device = {.interrupts = InterruptMode::kMsix,
                    .vectors = kVectors,
                    .id = 7}},
        {.view = mapped.view(), .fd = memory.fd(), .sealed = true});
    Require(made.ok(), "a device");
    model = *std::move(made);
    for (Vector v = 0; v < 2; ++v) {
      Require(model->device().peers().Connect(9, v, *EventFd::Create()).ok(),
              "a peer");
    }
  }

  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  const MemoryObject memory = *MemoryObject::Memfd(kSize);
  const MappedMemory mapped = *memory.Map();
  std::unique_ptr<IvshmemModel> model;
};

class Player {
 public:
  Player(Served& served, FuzzedDataProvider& input)
      : served_(served), input_(input) {
    int ends[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       ends) == 0,
            "a socketpair");
    client_.Reset(ends[0]);
    auto started =
        Connection::Start(*served.loop, UniqueFd(ends[1]), *served.model,
                          absl::Seconds(1000), [this](const absl::Status&) {
                            connection_.reset();
                            served_.model->ClientLeft();
                            ended_ = true;
                          });
    Require(started.ok(), "a connection");
    connection_ = *std::move(started);
  }
  ~Player() {
    if (ended_) return;
    // As a server that is told to end.
    if (input_.ConsumeBool()) connection_->Finish();
    connection_.reset();
    served_.model->ClientLeft();
  }

  void Play() {
    Greet();
    for (int i = 0; i < kMostSteps && !ended_; ++i) {
      if (input_.remaining_bytes() == 0) return;
      Step();
    }
  }

 private:
  struct Asked {
    uint16_t id;
    uint16_t command;
    Bytes payload;
  };

  void Greet() {
    Bytes payload(4);
    switch (input_.ConsumeIntegralInRange(0, 7)) {
      case 0:
        return;
      case 1: {
        payload[2] = input_.ConsumeIntegralInRange<uint8_t>(0, 2);
        const std::string text = input_.ConsumeRandomLengthString(400);
        payload.insert(payload.end(), text.begin(), text.end());
        payload.push_back(0);
        break;
      }
      default:
        break;
    }
    SendMessage(static_cast<uint16_t>(Command::kVersion), 0, payload, 0);
  }

  // What is drawn is drawn in an order that no compiler chooses: an input means
  // the same everywhere.
  void Step() {
    switch (input_.ConsumeIntegralInRange(0, 9)) {
      case 0: {
        // Anything, after which nothing is expected but that all is well.
        doubtful_ = true;
        const auto size = input_.ConsumeIntegralInRange<size_t>(1, 40);
        const Bytes piece = input_.ConsumeBytes<uint8_t>(size);
        SendPiece(piece, input_.PickValueInArray({0, 0, 1, 3, 17}));
        return;
      }
      case 1:
        served_.model->device().OnPeerInterrupt(
            input_.ConsumeIntegralInRange<Vector>(0, kVectors));
        return;
      case 2: {
        const auto command = input_.ConsumeIntegralInRange<uint16_t>(0, 20);
        const size_t size = input_.PickValueInArray<size_t>(
            {0, 8, 15, 16, 17, 20, 24, 32, 33, 56});
        Bytes payload = input_.ConsumeBytes<uint8_t>(size);
        payload.resize(size);
        const uint32_t flags = AnyFlags();
        SendMessage(command, flags, payload, AnyFds());
        return;
      }
      case 3:
        SetIrqsMessage();
        return;
      case 4:
        SendMessage(static_cast<uint16_t>(Command::kReset), AnyFlags(), {}, 0);
        return;
      default:
        AccessMessage();
    }
  }

  uint32_t AnyFlags() {
    return input_.PickValueInArray<uint32_t>({0, 0, 0, 0, 0x10, 0x10, 0x20, 1});
  }
  int AnyFds() { return input_.PickValueInArray({0, 0, 0, 1, 2, 16, 17}); }
  uint32_t AnyCount() {
    return input_.PickValueInArray<uint32_t>({0, 1, 2, 3, 4, 8, 16, 20, 21, 256,
                                              4096, 1 << 20, (1 << 20) + 1,
                                              0x7fffffff, 0xffffffff});
  }

  void SetIrqsMessage() {
    SetIrqs set = {
        .flags = input_.ConsumeBool()
                     ? SetIrqs::kEventfd | SetIrqs::kTrigger
                     : input_.ConsumeIntegralInRange<uint32_t>(0, 0x7f),
        .index = input_.PickValueInArray<uint32_t>({2, 2, 2, 2, 0, 3, 5}),
        .start =
            input_.PickValueInArray<uint32_t>({0, 0, 1, 4, 19, 20, 0xffffffff}),
        .count = AnyCount()};
    Bytes rest(input_.PickValueInArray<size_t>({0, 0, 1, 2, 20}), 1);
    set.argsz = static_cast<uint32_t>(sizeof(set) + rest.size());
    Bytes payload;
    Append(set, payload);
    payload.insert(payload.end(), rest.begin(), rest.end());
    const int fds = set.count <= 16 && input_.ConsumeBool()
                        ? static_cast<int>(set.count)
                        : AnyFds();
    SendMessage(static_cast<uint16_t>(Command::kSetIrqs), AnyFlags(), payload,
                fds);
  }

  void AccessMessage() {
    const RegionAccess access = {
        .offset = input_.ConsumeBool()
                      ? input_.ConsumeIntegralInRange<uint64_t>(0, 300)
                      : input_.PickValueInArray<uint64_t>({0x800, 0xfff, 0x1000,
                                                           kSize - 1, kSize,
                                                           ~0ULL, ~0ULL - 3}),
        .region = input_.ConsumeIntegralInRange<uint32_t>(0, 9),
        .count = AnyCount()};
    Bytes payload;
    Append(access, payload);
    Command command = Command::kRegionRead;
    if (input_.ConsumeBool()) {
      command = Command::kRegionWrite;
      Bytes data =
          input_.ConsumeBytes<uint8_t>(std::min<size_t>(access.count, 16));
      data.resize(std::min<size_t>(access.count, 4096));
      payload.insert(payload.end(), data.begin(), data.end());
    }
    SendMessage(static_cast<uint16_t>(command), AnyFlags(), payload, 0);
  }

  void SendMessage(uint16_t command, uint32_t flags, const Bytes& payload,
                   int fds) {
    const Header header = {
        .id = next_id_++,
        .command = command,
        .size = static_cast<uint32_t>(sizeof(Header) + payload.size()),
        .flags = flags};
    Bytes bytes;
    Append(header, bytes);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    if ((flags & Header::kTypeBits) == 0 && (flags & Header::kNoReply) == 0) {
      asked_.push_back({header.id, command, payload});
    }
    const size_t cut =
        input_.ConsumeBool()
            ? bytes.size()
            : input_.ConsumeIntegralInRange<size_t>(1, bytes.size());
    SendPiece({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut)},
              fds);
    if (cut < bytes.size()) {
      SendPiece({bytes.begin() + static_cast<ptrdiff_t>(cut), bytes.end()}, 0);
    }
  }

  void SendPiece(const Bytes& bytes, int fds) {
    if (bytes.empty() || ended_) return;
    // Events, most of the time.
    std::vector<std::shared_ptr<EventFd>> events;
    std::vector<int> numbers;
    for (int i = 0; i < fds; ++i) {
      if (input_.ConsumeIntegralInRange(0, 15) == 1) {
        numbers.push_back(served_.memory.fd());
        continue;
      }
      events.push_back(*EventFd::Create());
      numbers.push_back(events.back()->fd());
    }
    std::vector<char> control(CMSG_SPACE(numbers.size() * sizeof(int)));
    iovec data = {.iov_base = const_cast<uint8_t*>(bytes.data()),
                  .iov_len = bytes.size()};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (!numbers.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(numbers.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), numbers.data(),
                  numbers.size() * sizeof(int));
    }
    const ssize_t sent = sendmsg(client_.get(), &message, MSG_NOSIGNAL);
    Require(sent == static_cast<ssize_t>(bytes.size()), "all of it is sent");
    Exchange();
  }

  // Lets the server work, and takes what it says.
  void Exchange() {
    for (;;) {
      const int ran = served_.loop->Dispatch(absl::ZeroDuration());
      const size_t before = said_.size();
      Receive();
      if (ran == 0 && said_.size() == before) break;
    }
    while (const auto header = Load<Header>(said_)) {
      Require(header->size >= sizeof(Header) && header->size <= kMostMessage,
              "a reply's size");
      if (said_.size() < header->size) return;
      TakeReply(*header);
      said_.erase(said_.begin(), said_.begin() + header->size);
    }
  }

  void Receive() {
    // Descriptors that come are dropped by the kernel.
    Bytes buffer(1 << 16);
    for (;;) {
      const ssize_t got =
          recv(client_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) return;
      said_.insert(said_.end(), buffer.begin(), buffer.begin() + got);
    }
  }

  void TakeReply(const Header& header) {
    const bool failed = (header.flags & Header::kError) != 0;
    Require((header.flags & ~Header::kError) == Header::kReply, "a reply");
    Require(failed == (header.error != 0) && header.error < 4096, "an errno");
    Require(!failed || header.size == sizeof(Header), "an error is a header");
    if (doubtful_) return;
    Require(!asked_.empty(), "nobody asked");
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    Require(header.id == asked.id && header.command == asked.command,
            "in order");
    const size_t size = header.size - sizeof(Header);
    switch (static_cast<Command>(asked.command)) {
      case Command::kRegionRead:
      case Command::kRegionWrite: {
        const auto access = Load<RegionAccess>(asked.payload);
        if (!access.has_value()) return;
        const bool read =
            asked.command == static_cast<uint16_t>(Command::kRegionRead);
        const size_t data = asked.payload.size() - sizeof(RegionAccess);
        const bool good = access->region < kRegions && access->count >= 1 &&
                          access->count <= kMostData &&
                          data == (read ? 0 : access->count);
        Require(good != failed, "accesses of known regions do not fail");
        if (failed) return;
        Require(size == sizeof(RegionAccess) + (read ? access->count : 0),
                "an access's reply");
        return;
      }
      case Command::kDmaMap:
      case Command::kSetIrqs:
      case Command::kReset:
        Require(size == 0, "nothing behind it");
        return;
      case Command::kGetInfo:
      case Command::kGetIrqInfo:
        Require(failed || size == 16, "16 bytes");
        return;
      case Command::kGetRegionInfo:
        Require(failed || size == sizeof(RegionInfo), "a region's size");
        return;
      default:
        return;
    }
  }

  Served& served_;
  FuzzedDataProvider& input_;
  UniqueFd client_;
  std::unique_ptr<Connection> connection_;
  bool ended_ = false;
  bool doubtful_ = false;
  uint16_t next_id_ = 0;
  std::deque<Asked> asked_;
  Bytes said_;
};

void Run(FuzzedDataProvider input) {
  static Served& served = *new Served();
  const int open = OpenCount();
  Player(served, input).Play();
  Require(OpenCount() == open, "no descriptor is lost or kept");
}

}  // namespace
}  // namespace ivshmem::vfio_user

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::vfio_user::Run(FuzzedDataProvider(data, size));
  return 0;
}
