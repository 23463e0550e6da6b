// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/vfio_user/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ivshmem::vfio_user {
namespace {

constexpr size_t kHeader = 16;
constexpr size_t kMostFds = 64;
constexpr int kPatienceMs = 20000;

uint64_t Number(const uint8_t* bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

// Reads up to `size` bytes with their descriptors, when there are some.
// Negative: failed.
ssize_t ReadSome(int socket, uint8_t* to, size_t size,
                 std::vector<UniqueFd>& fds) {
  pollfd state = {.fd = socket, .events = POLLIN, .revents = 0};
  const int ready = poll(&state, 1, kPatienceMs);
  EXPECT_EQ(ready, 1) << "the server says nothing";
  if (ready != 1) return -1;
  iovec part = {.iov_base = to, .iov_len = size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return got;
}

template <typename T>
T As(const std::optional<Client::Message>& message, size_t size) {
  T value = {};
  EXPECT_TRUE(message.has_value()) << "the server has closed";
  if (!message.has_value()) return value;
  EXPECT_EQ(message->error, 0u);
  EXPECT_EQ(message->payload.size(), size);
  if (message->payload.size() != size) return value;
  std::memcpy(&value, message->payload.data(), size);
  return value;
}

}  // namespace

const std::string& Client::QemusCapabilities() {
  static const auto& text = *new std::string(
      R"({"capabilities": {"pgsizes": 4096, "max_msg_fds": 16, )"
      R"("max_dma_maps": 65535, "max_data_xfer_size": 1048576, )"
      R"("migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, )"
      R"("write_multiple": true}})");
  return text;
}

Client::Client(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const absl::Time end = absl::Now() + absl::Milliseconds(kPatienceMs);
  do {
    socket_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address)) == 0) {
      return;
    }
    absl::SleepFor(absl::Milliseconds(2));
  } while (absl::Now() < end);
  ADD_FAILURE() << path << ": " << std::strerror(errno);
}

std::vector<uint8_t> Client::Bytes(uint16_t id, uint16_t command,
                                   uint32_t flags,
                                   const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> bytes =
      Payload()
          .Add(id)
          .Add(command)
          .U32(static_cast<uint32_t>(kHeader + payload.size()))
          .U32(flags)
          .U32(0);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

bool Client::SendBytes(const std::vector<uint8_t>& bytes,
                       const std::vector<int>& fds) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    iovec part = {.iov_base = const_cast<uint8_t*>(bytes.data()) + sent,
                  .iov_len = bytes.size() - sent};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty() && sent == 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t gone = sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (gone < 0) return false;
    sent += gone;
  }
  return true;
}

std::optional<Client::Message> Client::Receive() {
  Message message;
  uint8_t header[kHeader];
  const ssize_t got = ReadSome(fd(), header, kHeader, message.fds);
  if (got <= 0) return std::nullopt;
  message.header_bytes = got;
  // QEMU takes a header in two parts for the end of everything.
  EXPECT_EQ(message.header_bytes, kHeader);
  if (message.header_bytes != kHeader) return std::nullopt;
  message.id = static_cast<uint16_t>(Number(header, 2));
  message.command = static_cast<uint16_t>(Number(header + 2, 2));
  const uint64_t size = Number(header + 4, 4);
  message.flags = static_cast<uint32_t>(Number(header + 8, 4));
  message.error = static_cast<uint32_t>(Number(header + 12, 4));
  EXPECT_GE(size, kHeader);
  if (size < kHeader) return std::nullopt;
  message.payload.resize(size - kHeader);
  size_t filled = 0;
  while (filled < message.payload.size()) {
    std::vector<UniqueFd> late;
    const ssize_t more = ReadSome(fd(), message.payload.data() + filled,
                                  message.payload.size() - filled, late);
    EXPECT_TRUE(late.empty()) << "descriptors come with the first byte";
    if (more <= 0) return std::nullopt;
    filled += more;
  }
  return message;
}

std::optional<Client::Message> Client::Ask(uint16_t command,
                                           const std::vector<uint8_t>& payload,
                                           const std::vector<int>& fds) {
  const uint16_t id = next_id_++;
  if (!SendBytes(Bytes(id, command, 0, payload), fds)) return std::nullopt;
  std::optional<Message> answer = Receive();
  if (!answer.has_value()) return answer;
  EXPECT_EQ(answer->id, id);
  EXPECT_EQ(answer->command, command);
  const bool failed = (answer->flags & kErrorFlag) != 0;
  EXPECT_EQ(answer->flags & ~kErrorFlag, 1u) << "it is a reply";
  // An errno with the flag, none without, and nothing behind an error.
  EXPECT_EQ(failed, answer->error != 0);
  EXPECT_LT(answer->error, 4096u);
  if (failed) {
    EXPECT_TRUE(answer->payload.empty());
  }
  return answer;
}

void Client::Tell(uint16_t command, const std::vector<uint8_t>& payload) {
  SendBytes(Bytes(next_id_++, command, kNoReplyFlag, payload));
}

std::string Client::Greet(uint16_t minor, const std::string& capabilities) {
  std::vector<uint8_t> payload = Payload().Add(uint16_t{0}).Add(minor);
  payload.insert(payload.end(), capabilities.begin(), capabilities.end());
  payload.push_back(0);
  const std::optional<Message> answer = Ask(VERSION, payload);
  if (!answer.has_value() || answer->error != 0 || answer->payload.size() < 5) {
    ADD_FAILURE() << "no good answer to VERSION";
    return "";
  }
  EXPECT_EQ(Number(answer->payload.data(), 2), 0u);
  EXPECT_EQ(Number(answer->payload.data() + 2, 2), minor);
  // QEMU has no room for more.
  EXPECT_LE(answer->payload.size(), 198u);
  EXPECT_EQ(answer->payload.back(), 0);
  return {answer->payload.begin() + 4, answer->payload.end() - 1};
}

vfio_device_info Client::GetInfo() {
  return As<vfio_device_info>(
      Ask(GET_INFO, Payload().U32(16).U32(0).U32(0).U32(0)), 16);
}

vfio_region_info Client::GetRegionInfo(uint32_t index, UniqueFd* fd) {
  std::optional<Message> answer =
      Ask(GET_REGION_INFO,
          Payload().U32(32).U32(0).U32(index).U32(0).U64(0).U64(0));
  const auto info = As<vfio_region_info>(answer, sizeof(vfio_region_info));
  if (!answer.has_value()) return info;
  const bool maps = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
  EXPECT_EQ(answer->fds.size(), maps ? 1u : 0u);
  if (fd != nullptr && maps) *fd = std::move(answer->fds[0]);
  return info;
}

vfio_irq_info Client::GetIrqInfo(uint32_t index) {
  return As<vfio_irq_info>(
      Ask(GET_IRQ_INFO, Payload().U32(16).U32(0).U32(index).U32(0)), 16);
}

std::vector<uint8_t> Client::Access(uint32_t region, uint64_t offset,
                                    uint32_t count,
                                    const std::vector<uint8_t>& data) {
  std::vector<uint8_t> payload = Payload().U64(offset).U32(region).U32(count);
  payload.insert(payload.end(), data.begin(), data.end());
  return payload;
}

uint64_t Client::Read(uint32_t region, uint64_t offset, uint32_t size) {
  const std::optional<Message> answer =
      Ask(REGION_READ, Access(region, offset, size));
  if (!answer.has_value() || answer->payload.size() != 16 + size) {
    ADD_FAILURE() << "no good answer to a read";
    return ~uint64_t{0};
  }
  const std::vector<uint8_t> asked = Access(region, offset, size);
  EXPECT_TRUE(std::equal(asked.begin(), asked.end(), answer->payload.begin()));
  return Number(answer->payload.data() + 16, size);
}

void Client::Write(uint32_t region, uint64_t offset, uint64_t value,
                   uint32_t size) {
  std::vector<uint8_t> data = Payload().U64(value);
  data.resize(size);
  const std::optional<Message> answer =
      Ask(REGION_WRITE, Access(region, offset, size, data));
  if (!answer.has_value()) {
    ADD_FAILURE() << "no answer to a write";
    return;
  }
  EXPECT_EQ(answer->error, 0u);
  EXPECT_EQ(answer->payload, Access(region, offset, size));
}

uint32_t Client::SetIrqs(uint32_t flags, uint32_t index, uint32_t start,
                         uint32_t count, const std::vector<int>& fds,
                         const std::vector<uint8_t>& data) {
  std::vector<uint8_t> payload =
      Payload()
          .U32(static_cast<uint32_t>(20 + data.size()))
          .U32(flags)
          .U32(index)
          .U32(start)
          .U32(count);
  payload.insert(payload.end(), data.begin(), data.end());
  const std::optional<Message> answer = Ask(SET_IRQS, payload, fds);
  if (!answer.has_value()) {
    ADD_FAILURE() << "no answer to SET_IRQS";
    return ~0U;
  }
  EXPECT_TRUE(answer->payload.empty());
  return answer->error;
}

void Client::Reset() {
  const std::optional<Message> answer = Ask(RESET, {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error, 0u);
  EXPECT_TRUE(answer->payload.empty());
}

}  // namespace ivshmem::vfio_user
