// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_C_SERVER_H_
#define IVSHMEM_FUZZ_C_SERVER_H_

#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/require.h"

namespace ivshmem {

inline void Ring(int event) {
  const uint64_t one = 1;
  static_cast<void>(write(event, &one, sizeof(one)));
}

// A descriptor of any kind, or what is none.
class AnyFd {
 public:
  explicit AnyFd(FuzzedDataProvider& input) {
    switch (input.ConsumeIntegralInRange(0, 11)) {
      case 0:
        fd_ = -1;
        return;
      case 1:
        fd_ = open("/dev/null", O_RDWR | O_CLOEXEC);
        return;
      case 2:
        fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return;
      case 3:
      case 4:
      case 5:
        fd_ = memfd_create("any", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        Require(ftruncate(fd_, input.ConsumeBool() ? 4096 : 0) == 0, "a size");
        return;
      default:
        fd_ = eventfd(input.ConsumeBool() ? 1 : 0, EFD_CLOEXEC);
        return;
    }
  }
  AnyFd(const AnyFd&) = delete;
  AnyFd& operator=(const AnyFd&) = delete;
  ~AnyFd() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A server to which one client connects, and which says anything.
class CServer {
 public:
  // Listens for all that come. Once in a process.
  static void Listen() {
    std::string folder = "/tmp/ivshmem.XXXXXX";
    Require(mkdtemp(folder.data()) != nullptr, "a folder");
    path_ = folder + "/server";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    Require(bind(listener_, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0 &&
                listen(listener_, 8) == 0,
            "a listening socket");
    std::atexit([] {
      unlink(path_.c_str());
      rmdir(path_.substr(0, path_.rfind('/')).c_str());
    });
  }

  CServer() = default;
  CServer(const CServer&) = delete;
  CServer& operator=(const CServer&) = delete;
  ~CServer() {
    Accept();  // Who connected again.
    if (client_ >= 0) close(client_);
  }

  static const char* path() { return path_.c_str(); }

  // Takes who has connected last.
  void Accept() {
    for (;;) {
      const int next = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (next < 0) return;
      if (client_ >= 0) close(client_);
      client_ = next;
    }
  }

  // Version, id and memory, and an event or two.
  void Greet(FuzzedDataProvider& input) {
    Accept();
    Send(Bytes(0), -1);
    Send(Bytes(1), -1);
    const int memory = memfd_create("server", MFD_CLOEXEC);
    Require(ftruncate(memory, 4096) == 0, "memory");
    Send(Bytes(-1), memory);
    close(memory);
    for (int i = input.ConsumeIntegralInRange(0, 3); i > 0; --i) {
      const int event = eventfd(input.ConsumeBool() ? 1 : 0, EFD_CLOEXEC);
      Send(Bytes(input.ConsumeIntegralInRange(0, 2)), event);
      close(event);
    }
  }

  void Say(FuzzedDataProvider& input) {
    Accept();
    std::string bytes = Bytes(input.PickValueInArray<int64_t>(
        {0, 1, 1, 2, 3, 4, 65535, 65536, -1, -2}));
    if (input.ConsumeIntegralInRange(0, 7) == 1) {
      bytes = input.ConsumeRandomLengthString(20);
    }
    if (input.ConsumeBool()) return Send(bytes, -1);
    const AnyFd fd(input);
    Send(bytes, fd.get());
    // So that the client connects anew.
    if (input.ConsumeIntegralInRange(0, 15) == 1) shutdown(client_, SHUT_RDWR);
  }

 private:
  static std::string Bytes(int64_t value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }

  void Send(const std::string& bytes, int fd) const {
    if (bytes.empty() || client_ < 0) return;
    iovec data = {.iov_base = const_cast<char*>(bytes.data()),
                  .iov_len = bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (fd >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    sendmsg(client_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  static inline std::string path_;
  static inline int listener_ = -1;
  int client_ = -1;
};

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_C_SERVER_H_
