// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/scripted_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/statusor.h"
#include "backends/linux/unix_socket.h"
#include "core/protocol/message.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

std::string MakeDirectory() {
  std::string path = "/tmp/ivshmem.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) ADD_FAILURE() << "mkdtemp failed";
  return path;
}

bool ReadableWithin(int fd, absl::Duration wait) {
  pollfd entry = {.fd = fd, .events = POLLIN};
  return poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(wait))) ==
         1;
}

}  // namespace

ScriptedServer::ScriptedServer()
    : directory_(MakeDirectory()), path_(directory_ + "/server") {
  Listen();
}

ScriptedServer::~ScriptedServer() {
  StopListening();
  rmdir(directory_.c_str());
}

void ScriptedServer::StopListening() {
  client_.Reset();
  listener_.Reset();
  unlink(path_.c_str());
}

void ScriptedServer::Listen() {
  absl::StatusOr<UniqueFd> listener = unix_socket::Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
}

std::string ScriptedServer::client_name() const {
  return unix_socket::PeerName(client_.get());
}

bool ScriptedServer::AcceptWithin(absl::Duration wait) {
  if (!ReadableWithin(listener_.get(), wait)) return false;
  absl::StatusOr<UniqueFd> client = unix_socket::Accept(listener_.get());
  EXPECT_TRUE(client.ok()) << client.status();
  if (!client.ok() || !client->valid()) return false;
  client_ = *std::move(client);
  return true;
}

void ScriptedServer::Send(int64_t number, std::optional<int> fd) {
  SendAll(number, fd.has_value() ? std::vector<int>{*fd} : std::vector<int>{});
}

void ScriptedServer::SendAll(int64_t number, const std::vector<int>& fds) {
  const protocol::MessageBytes bytes = protocol::Encode(number);
  Send(bytes.data(), bytes.size(), fds);
}

void ScriptedServer::SendBytes(const void* bytes, size_t size) {
  Send(bytes, size, {});
}

void ScriptedServer::SendPart(const protocol::MessageBytes& message,
                              size_t size, int fd) {
  Send(message.data(), size, {fd});
}

void ScriptedServer::Send(const void* bytes, size_t size,
                          const std::vector<int>& fds) {
  iovec data = {.iov_base = const_cast<void*>(bytes), .iov_len = size};
  const size_t payload = fds.size() * sizeof(int);
  std::vector<char> control(CMSG_SPACE(payload));
  msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(payload);
    std::memcpy(CMSG_DATA(header), fds.data(), payload);
  }
  // The limit on descriptors under way is the user's: other tests may press it.
  ssize_t sent;
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while ((sent = sendmsg(client_.get(), &message, MSG_NOSIGNAL)) < 0 &&
         errno == ETOOMANYREFS && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(sent, static_cast<ssize_t>(size)) << std::strerror(errno);
}

void ScriptedServer::Greet(PeerId id, int memory) {
  Send(protocol::kVersion);
  Send(id);
  Send(protocol::kMemory, memory);
}

std::vector<std::shared_ptr<EventFd>> ScriptedServer::Connect(PeerId peer,
                                                              int vectors) {
  std::vector<std::shared_ptr<EventFd>> events;
  for (int v = 0; v < vectors; ++v) {
    absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Create();
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok()) break;
    Send(peer, (*event)->fd());
    events.push_back(*std::move(event));
  }
  return events;
}

bool ScriptedServer::ClosedWithin(absl::Duration wait) {
  char byte;
  return ReadableWithin(client_.get(), wait) &&
         recv(client_.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

}  // namespace ivshmem
