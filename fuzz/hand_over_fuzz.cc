// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A hand-over that comes from a hostile process: any bytes and any descriptors,
// in pieces over a socket or at once, and then a server that says anything on
// the connection that came along. An error that is the sender's and nothing
// else, or what says the same when it is taken apart again and a link that goes
// on with it; what a link hands over is taken again. No descriptor is lost.

#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/hand_over.h"
#include "backends/linux/link_hand_over.h"
#include "backends/linux/server_link.h"
#include "backends/linux/unique_fd.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "fuzz/open_count.h"
#include "fuzz/require.h"
#include "ivshmem/proto/hand_over.pb.h"

namespace ivshmem {
namespace {

constexpr uint64_t kMemory = 4096;
constexpr char kIdentity[] = "0123456789abcdef0123456789abcdef";
constexpr size_t kMostFds = 40;
constexpr int kMostMessages = 20;

UniqueFd NewMemory(uint64_t size) {
  UniqueFd memory(memfd_create("memory", MFD_CLOEXEC));
  Require(ftruncate(memory.get(), static_cast<off_t>(size)) == 0, "memory");
  return memory;
}

class Player {
 public:
  explicit Player(FuzzedDataProvider& input) : input_(input) {
    int ends[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       ends) == 0,
            "a socketpair");
    server_.Reset(ends[0]);
    connection_.Reset(ends[1]);
  }

  void Play() {
    const std::string bytes = Bytes();
    const absl::StatusOr<HandOver> got =
        input_.ConsumeBool() ? Received(bytes) : PutTogether(bytes, Fds());
    if (!got.ok()) {
      Require(!got.status().message().empty(), "the error says what is wrong");
      return;
    }
    Require(SaysTheSame(*got, bytes), "it says the same");
    GoOn(Again(*got), true);
  }

 private:
  // The bytes: those that are right for the descriptors, changed, or any.
  std::string Bytes() {
    state::HandOver message;
    message.set_version(Pick(1, {0, 2, ~0u}));
    message.set_device("state");
    message.set_identity(input_.ConsumeIntegralInRange(0, 15) == 0
                             ? input_.ConsumeRandomLengthString(40)
                             : kIdentity);
    message.set_id(Pick(1, {0, 2, 65535, 65536, ~0u}));
    message.set_memory_size(Pick(kMemory, {0, 1, 4095, 1u << 20}));
    Want('m');
    const int peers = input_.ConsumeIntegralInRange(0, 3);
    for (int i = 0; i < peers; ++i) {
      state::HandedPeer& peer = *message.add_peers();
      peer.set_id(Pick(i, {0, 1, 65535, 65536, ~0u}));
      peer.set_absent(input_.ConsumeIntegralInRange(0, 3) == 1);
      const int vectors = input_.ConsumeIntegralInRange(1, 3);
      peer.set_vectors(Pick(vectors, {0, 2048, 2049, ~0u}));
      for (int v = 0; v < vectors; ++v) Want('e');
    }
    const int earlier = input_.ConsumeIntegralInRange(0, 2);
    for (int i = 0; i < earlier; ++i) {
      message.add_earlier(Pick(i, {2047, 2048, 65536, ~0u}));
      Want('e');
    }
    if (input_.ConsumeBool()) {
      state::HandedConnection& handed = *message.mutable_connection();
      handed.set_messages(Pick(5, {0, 1, 2, 3, ~0u}));
      handed.set_own_vectors(Pick(3, {0, 1, 2, 2048, 2049, ~0u}));
      handed.set_peers_known(input_.ConsumeBool());
      handed.set_bytes(input_.ConsumeRandomLengthString(9));
      Want('s');
      const int descriptors = input_.ConsumeIntegralInRange(0, 2);
      handed.set_descriptors(Pick(descriptors, {1, 2, ~0u, ~0u - 1}));
      for (int i = 0; i < descriptors; ++i) Want('e');
    }
    std::string bytes = message.SerializeAsString();
    if (input_.ConsumeIntegralInRange(0, 3) != 0) return bytes;
    const std::string other = input_.ConsumeRandomLengthString(64);
    const size_t at =
        input_.ConsumeIntegralInRange<size_t>(0, bytes.size() - 1);
    return bytes.replace(at, input_.ConsumeIntegralInRange<size_t>(0, 64),
                         other);
  }

  // `right`, most of the time.
  uint32_t Pick(uint32_t right, std::initializer_list<uint32_t> wrong) {
    const auto which = input_.ConsumeIntegralInRange<size_t>(
        0, 4 * wrong.size() + wrong.size());
    return which >= 1 && which <= wrong.size() ? *(wrong.begin() + which - 1)
                                               : right;
  }

  void Want(char kind) { wanted_.push_back(kind); }

  // Such as are right, most of the time.
  std::vector<UniqueFd> Fds() {
    std::vector<UniqueFd> fds;
    for (const char right : wanted_) {
      const auto wrong = input_.ConsumeIntegralInRange<int>(0, 63);
      if (wrong == 1) continue;
      if (wrong == 2) fds.push_back(NewFd('e'));
      fds.push_back(
          NewFd(wrong >= 3 && wrong < 12 ? "mMesuEpn-"[wrong - 3] : right));
    }
    return fds;
  }

  UniqueFd NewFd(char kind) {
    switch (kind) {
      case 'm':
        return NewMemory(kMemory);
      case 'M':
        return NewMemory(kMemory - 1);
      case 'e':
        return UniqueFd(eventfd(input_.ConsumeBool() ? 1 : 0, EFD_CLOEXEC));
      case 's':
        return UniqueFd(fcntl(connection_.get(), F_DUPFD_CLOEXEC, 0));
      case 'u':
        return UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      case 'E':
        return UniqueFd(epoll_create1(EPOLL_CLOEXEC));
      case 'p':
        return UniqueFd(open("/proc/self/fd", O_RDONLY | O_CLOEXEC));
      case 'n':
        return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC));
      default:
        return {};
    }
  }

  // By a socket, whose other end has closed.
  absl::StatusOr<HandOver> Received(const std::string& bytes) {
    int ends[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       ends) == 0,
            "a socketpair");
    UniqueFd old_process(ends[0]);
    const UniqueFd new_process(ends[1]);
    std::vector<UniqueFd> fds = Fds();
    std::erase_if(fds, [](const UniqueFd& fd) { return !fd.valid(); });
    uint64_t head[3] = {0x316f686d68737669, bytes.size(), fds.size()};
    switch (input_.ConsumeIntegralInRange(0, 15)) {
      case 1:
      case 2:
      case 3: {
        uint64_t& any = head[input_.ConsumeIntegralInRange(0, 2)];
        any = input_.ConsumeBool() ? input_.ConsumeIntegral<uint64_t>()
                                   : any + input_.ConsumeIntegralInRange(-2, 2);
        break;
      }
      default:
        break;
    }
    std::string all(reinterpret_cast<const char*>(head), sizeof(head));
    all += bytes + "f";
    // Descriptors come with the last byte, or with another one.
    const size_t with =
        input_.ConsumeIntegralInRange(0, 7) == 1
            ? input_.ConsumeIntegralInRange<size_t>(0, all.size() - 1)
            : all.size() - 1;
    Send(old_process, all.substr(0, with), {});
    Send(old_process, all.substr(with), fds);
    old_process.Reset();
    absl::StatusOr<HandOver> got = ReceiveHandOver(
        new_process.get(), {.most_bytes = 1000, .most_descriptors = kMostFds},
        absl::Seconds(1000));
    if (got.ok()) {
      Require(!ConfirmHandOver(new_process.get()).ok(), "nobody waits");
    }
    return got;
  }

  static void Send(const UniqueFd& socket, const std::string& bytes,
                   const std::vector<UniqueFd>& fds) {
    if (bytes.empty()) return;
    iovec data = {.iov_base = const_cast<char*>(bytes.data()),
                  .iov_len = bytes.size()};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    std::vector<char> control(CMSG_SPACE(numbers.size() * sizeof(int)));
    if (!numbers.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(numbers.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), numbers.data(),
                  numbers.size() * sizeof(int));
    }
    // Who has been left gets no more.
    sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  }

  static bool SaysTheSame(const HandOver& got, const std::string& bytes) {
    state::HandOver before;
    state::HandOver after;
    return before.ParseFromString(bytes) &&
           after.ParseFromString(TakeApart(got).bytes) &&
           before.SerializeAsString() == after.SerializeAsString();
  }

  // The same again, with descriptors of its own.
  static HandOver Again(const HandOver& from) {
    const HandOverParts parts = TakeApart(from);
    std::vector<UniqueFd> fds;
    for (const int fd : parts.fds) {
      fds.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    absl::StatusOr<HandOver> again = PutTogether(parts.bytes, std::move(fds));
    Require(again.ok(), "what was taken apart is put together");
    return *std::move(again);
  }

  // A link that goes on with it and a device, and hands over once more.
  void GoOn(HandOver from, bool hostile) {
    const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
    auto link = ServerLink::Adopt(*loop,
                                  {.socket_path = "/nonexistent/server",
                                   .retry = false,
                                   .max_descriptors = 12},
                                  nullptr, std::move(from.link));
    Require(link.ok() || hostile, "what a link hands over is taken");
    if (!link.ok()) {
      Require(absl::IsInvalidArgument(link.status()) &&
                  !link.status().message().empty(),
              "the error names the field");
      return;
    }
    mock::Host host;
    auto device = FlatDevice::Create(
        {.registers_address = 0x1000,
         .memory_address = 0x10000000,
         .block = {.vectors = 2, .id = (*link)->id()}},
        (*link)->memory(), {.irq = &host.pulse(), .executor = loop.get()});
    Require(device.ok(), "a device");
    auto attached = (*link)->Attach((*device)->device());
    Require(attached.ok(), "an attachment");
    // Its timer runs out at once.
    loop->Dispatch(absl::Seconds(1));
    for (int i = 0; hostile && i < kMostMessages; ++i) {
      if (input_.remaining_bytes() == 0) break;
      ServerSays();
      Ring(**device);
      while (loop->Dispatch(absl::ZeroDuration()) != 0) {
      }
    }
    absl::StatusOr<LinkHandOver> next = (*link)->HandOver();
    Require(next.ok(), "a link that has joined hands over");
    *attached = nullptr;
    if (!hostile) return;
    GoOn(Again({.device = from.device, .link = *std::move(next)}), false);
  }

  void ServerSays() {
    const int64_t value = input_.PickValueInArray<int64_t>(
        {0, 1, 1, 2, 3, 3, 65535, 65536, -1, -2});
    std::string bytes(reinterpret_cast<const char*>(&value), sizeof(value));
    if (input_.ConsumeIntegralInRange(0, 7) == 1) {
      bytes = input_.ConsumeRandomLengthString(20);
    }
    std::vector<UniqueFd> fds;
    const char kind = input_.PickValueInArray({'e', 'e', 'e', '-', '-', 'm'});
    if (kind != '-') fds.push_back(NewFd(kind));
    Send(server_, bytes, fds);
  }

  void Ring(FlatDevice& device) {
    uint8_t bytes[4];
    StoreLittleEndian(Doorbell{input_.ConsumeIntegralInRange<PeerId>(0, 4),
                               input_.ConsumeIntegralInRange<Vector>(0, 3)}
                          .Encode(),
                      bytes);
    device.block().registers().Write(kDoorbellOffset, bytes);
  }

  FuzzedDataProvider& input_;
  UniqueFd server_;
  UniqueFd connection_;
  std::vector<char> wanted_;
};

}  // namespace
}  // namespace ivshmem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int open = ivshmem::OpenCount();
  {
    FuzzedDataProvider input(data, size);
    ivshmem::Player(input).Play();
  }
  ivshmem::Require(ivshmem::OpenCount() == open, "no descriptor is lost");
  return 0;
}
