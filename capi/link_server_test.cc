// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the options of a link do, what it tells and counts, and what attaching
// calls back, with a server that says just what a test has it say.

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "capi/owned.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSize = 4096;

class LinkServerTest : public testing::Test {
 protected:
  struct Told {
    uint32_t kind;
    uint32_t peer;
    uint32_t old_peer;
    size_t struct_size;
    std::string text;
  };

  LinkServerTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/server";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
              0);
    EXPECT_EQ(listen(listener_, 8), 0);
    ivshmem_loop* loop = nullptr;
    EXPECT_EQ(ivshmem_loop_create(&loop), 0);
    loop_.reset(loop);
    options_.struct_size = sizeof(options_);
    options_.socket_path = path_.c_str();
    options_.flags = IVSHMEM_LINK_NO_RETRY;
    options_.opaque = this;
    options_.event = [](void* self, const ivshmem_link_event* event) {
      static_cast<LinkServerTest*>(self)->told_.push_back(
          {event->kind, event->peer, event->old_peer, event->struct_size,
           event->text});
    };
  }
  ~LinkServerTest() override {
    link_.reset();
    Leave();
    close(listener_);
    unlink(path_.c_str());
    rmdir(folder_.c_str());
    if (memory_fd_ >= 0) close(memory_fd_);
  }

  void Start() {
    ivshmem_link* link = nullptr;
    ASSERT_EQ(ivshmem_link_start(loop_.get(), &options_, &link), 0)
        << ivshmem_last_error();
    link_.reset(link);
  }

  // Lets the link work until `done`, or for `seconds`.
  bool Until(const std::function<bool()>& done, int seconds = 60) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      EXPECT_GE(ivshmem_loop_dispatch(loop_.get(), 1), 0);
    }
    return true;
  }
  bool HasTold(uint32_t kind, size_t times = 1, int seconds = 60) {
    const auto is = [kind](const Told& told) { return told.kind == kind; };
    return Until(
        [&] {
          return static_cast<size_t>(
                     std::count_if(told_.begin(), told_.end(), is)) >= times;
        },
        seconds);
  }
  const Told& Last(uint32_t kind) const {
    return *std::find_if(
        told_.rbegin(), told_.rend(),
        [kind](const Told& told) { return told.kind == kind; });
  }
  uint64_t Count(uint32_t counter) const {
    return ivshmem_link_count(link_.get(), counter);
  }

  // The next client; whether it has a name.
  bool Accept() {
    sockaddr_un address = {};
    socklen_t size = 0;
    EXPECT_TRUE(Until([&] {
      size = sizeof(address);
      client_ = accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_CLOEXEC);
      return client_ >= 0;
    }));
    return size > offsetof(sockaddr_un, sun_path);
  }
  void Leave() {
    if (client_ >= 0) close(client_);
    client_ = -1;
  }

  void Say(int64_t value, int fd = -1) const {
    iovec data = {.iov_base = &value, .iov_len = sizeof(value)};
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
    EXPECT_EQ(sendmsg(client_, &message, MSG_NOSIGNAL), 8);
  }
  void NewMemoryObject() {
    if (memory_fd_ >= 0) close(memory_fd_);
    memory_fd_ = memfd_create("server", MFD_CLOEXEC);
    EXPECT_EQ(ftruncate(memory_fd_, kSize), 0);
  }
  void Greet(int64_t id) {
    if (memory_fd_ < 0) NewMemoryObject();
    Say(0);
    Say(id);
    Say(-1, memory_fd_);
  }
  void SayEvent(int64_t peer) const { Say(peer, Event().fd()); }

  // Joined as peer 1, without a peer.
  void Join() {
    Start();
    Accept();
    Greet(1);
    ASSERT_TRUE(HasTold(IVSHMEM_LINK_JOINED));
  }

  std::string folder_ = "/tmp/ivshmem.XXXXXX";
  std::string path_;
  const int listener_ =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int client_ = -1;
  int memory_fd_ = -1;
  LoopPtr loop_;
  LinkPtr link_;
  ivshmem_link_options options_ = {};
  std::vector<Told> told_;
};

// A connection that ends is a loss and no failure; its event has a size.
TEST_F(LinkServerTest, Loss) {
  Join();
  Leave();
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_LOST));
  EXPECT_EQ(Last(IVSHMEM_LINK_LOST).struct_size, sizeof(ivshmem_link_event));
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_LOSSES), 1u);
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_FAILURES), 0u);
}

// A server that does not greet is left after the deadline.
TEST_F(LinkServerTest, GreetingDeadline) {
  options_.greeting_deadline_ms = 3;
  Start();
  Accept();
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_FAILED));
  EXPECT_THAT(Last(IVSHMEM_LINK_FAILED).text, HasSubstr("3ms"));
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_FAILURES), 1u);
}

// A wait that is over says so.
TEST_F(LinkServerTest, WaitIsOver) {
  Start();
  EXPECT_EQ(ivshmem_link_wait_joined(link_.get(), 1), -ETIMEDOUT);
}

// Attempts begin after the first delay, and are never further apart than the
// longest.
TEST_F(LinkServerTest, Retries) {
  options_.flags = 0;
  options_.retry_first_ms = 1;
  options_.retry_most_ms = 1;
  close(listener_);
  unlink(path_.c_str());
  Start();
  EXPECT_TRUE(HasTold(IVSHMEM_LINK_FAILED, 100));
  link_.reset();
  told_.clear();
  options_.retry_most_ms = 4000000;
  Start();
  EXPECT_TRUE(HasTold(IVSHMEM_LINK_FAILED, 3));
}

// Who is joined anew with another id is told of both.
TEST_F(LinkServerTest, IdChanged) {
  options_.flags = 0;
  options_.retry_first_ms = 1;
  Join();
  Leave();
  Accept();
  Greet(7);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_ID_CHANGED));
  EXPECT_EQ(Last(IVSHMEM_LINK_ID_CHANGED).peer, 7u);
  EXPECT_EQ(Last(IVSHMEM_LINK_ID_CHANGED).old_peer, 1u);
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_ID_CHANGES), 1u);
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_MEMORY_CHANGES), 0u);
}

// Another memory is the link's end.
TEST_F(LinkServerTest, MemoryChanged) {
  options_.flags = 0;
  options_.retry_first_ms = 1;
  Join();
  Leave();
  Accept();
  NewMemoryObject();
  Greet(1);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_MEMORY_CHANGED));
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_MEMORY_CHANGES), 1u);
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_ID_CHANGES), 0u);
}

// Peers that the server does not name any more go after the time that was set.
TEST_F(LinkServerTest, AbsentPeers) {
  options_.flags = 0;
  options_.retry_first_ms = 1;
  options_.absent_peers_ms = 1;
  Join();
  SayEvent(5);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_PEER_JOINED));
  Leave();
  Accept();
  Greet(1);
  // Less than the default.
  EXPECT_TRUE(HasTold(IVSHMEM_LINK_PEER_LEFT, 1, 10));
  EXPECT_EQ(Count(IVSHMEM_LINK_COUNT_PEERS_LEFT), 1u);
}

// Who wants his id forgotten has no name by which he could be known.
TEST_F(LinkServerTest, NameOfTheClient) {
  Start();
  EXPECT_TRUE(Accept());
  link_.reset();
  Leave();
  options_.flags |= IVSHMEM_LINK_FORGET_ID;
  Start();
  EXPECT_FALSE(Accept());
}

// A server that makes this process hold too much is left.
TEST_F(LinkServerTest, MostDescriptors) {
  options_.max_descriptors = 2;
  Join();
  for (int i = 0; i < 3; ++i) SayEvent(5);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_LOST));
  EXPECT_THAT(Last(IVSHMEM_LINK_LOST).text, HasSubstr("2"));
}

// Of its own vectors a device has as many as are kept.
TEST_F(LinkServerTest, OwnVectors) {
  options_.vectors = 1;
  Join();
  for (int i = 0; i < 2; ++i) SayEvent(1);
  SayEvent(5);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_PEER_JOINED));
  const MemoryPtr memory = NewMemory(kSize);
  ivshmem_pci_options options = PciOptions(memory);
  options.vectors = 2;
  const DevicePtr device = Make(options);
  ASSERT_EQ(ivshmem_link_attach(link_.get(), device.get()), 0)
      << ivshmem_last_error();
  PlaceBars(device);
  Ring(device, 1, 1);
  EXPECT_EQ(
      ivshmem_device_count(device.get(), IVSHMEM_COUNT_RINGS_NO_SUCH_VECTOR),
      1u);
  Ring(device, 1, 0);
  EXPECT_EQ(ivshmem_device_count(device.get(), IVSHMEM_COUNT_RINGS_DELIVERED),
            1u);
}

// A link is in use while a device is attached, whatever memory that has, and
// no longer.
TEST_F(LinkServerTest, InUseWhileAttached) {
  Join();
  const MemoryPtr memory = NewMemory(kSize);
  const DevicePtr device = Make(PciOptions(memory));
  ASSERT_EQ(ivshmem_link_attach(link_.get(), device.get()), 0);
  EXPECT_EQ(ivshmem_link_destroy(link_.get()), -EBUSY);
  ASSERT_EQ(ivshmem_link_detach(device.get()), 0);
  EXPECT_EQ(ivshmem_link_destroy(link_.release()), 0) << ivshmem_last_error();
}

// And while a switchboard has its memory.
TEST_F(LinkServerTest, InUseByASwitchboard) {
  Join();
  ivshmem_memory* memory = nullptr;
  ASSERT_EQ(ivshmem_link_memory(link_.get(), &memory), 0);
  ivshmem_switchboard* made = nullptr;
  ASSERT_EQ(ivshmem_switchboard_create(&made), 0);
  SwitchboardPtr switchboard(made);
  ASSERT_EQ(ivshmem_switchboard_add_region(made, "r", memory), 0);
  EXPECT_EQ(ivshmem_switchboard_add_region(made, nullptr, memory), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("null"));
  ivshmem_memory_destroy(memory);
  EXPECT_EQ(ivshmem_link_destroy(link_.get()), -EBUSY);
  switchboard.reset();
}

// A device that has its own vectors from elsewhere cannot be attached.
TEST_F(LinkServerTest, NotFromTwoSides) {
  Join();
  const MemoryPtr memory = NewMemory(kSize);
  const DevicePtr served = Make(PciOptions(memory));
  ASSERT_EQ(ivshmem_device_serve(served.get(), loop_.get()), 0);
  EXPECT_EQ(ivshmem_link_attach(link_.get(), served.get()), -EBUSY);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("own vectors"));

  ivshmem_switchboard* made = nullptr;
  ASSERT_EQ(ivshmem_switchboard_create(&made), 0);
  const SwitchboardPtr switchboard(made);
  ASSERT_EQ(ivshmem_switchboard_add_region(made, "r", memory.get()), 0);
  const DevicePtr bound = Make(PciOptions(memory));
  ASSERT_EQ(ivshmem_switchboard_bind(made, "r", bound.get(), -1), 0);
  EXPECT_EQ(ivshmem_link_attach(link_.get(), bound.get()), -EBUSY);
}

// What attaching and detaching calls back destroys neither the device nor the
// link.
TEST_F(LinkServerTest, CalledBackByAttaching) {
  Join();
  SayEvent(5);
  ASSERT_TRUE(HasTold(IVSHMEM_LINK_PEER_JOINED));
  const MemoryPtr memory = NewMemory(kSize);
  const DevicePtr device = Make(PciOptions(memory));
  struct Released {
    ivshmem_device* device;
    ivshmem_link* link;
    int of_device = 1;
    int of_link = 1;
  };
  const auto connect = [&](uint32_t vector, Released& released) {
    return ivshmem_device_connect_call(
        device.get(), 5, vector, [](void*) { return 0; },
        [](void* opaque) {
          auto& self = *static_cast<Released*>(opaque);
          self.of_device = ivshmem_device_destroy(self.device);
          self.of_link = ivshmem_link_destroy(self.link);
        },
        &released);
  };
  Released replaced = {.device = device.get(), .link = link_.get()};
  ASSERT_EQ(connect(0, replaced), 0);
  ASSERT_EQ(ivshmem_link_attach(link_.get(), device.get()), 0);
  EXPECT_EQ(replaced.of_device, -EDEADLK);
  EXPECT_EQ(replaced.of_link, -EBUSY);

  Released left = {.device = device.get(), .link = link_.get()};
  ASSERT_EQ(connect(9, left), 0);
  ASSERT_EQ(ivshmem_link_detach(device.get()), 0);
  if (left.of_device == 1) ivshmem_device_disconnect(device.get(), 5);
  EXPECT_EQ(left.of_device, -EDEADLK);
}

}  // namespace
}  // namespace ivshmem::capi
