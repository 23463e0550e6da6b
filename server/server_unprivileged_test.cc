// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A server to which the kernel's limit of descriptors under way applies
// (ETOOMANYREFS): that is back-pressure, and nothing is lost.

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <new>
#include <vector>

#include "gtest/gtest.h"
#include "server/server.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

constexpr int kOpenFiles = 100;  // As many may be under way.
constexpr uid_t kNobody = 65534;

// The server is another process, whose user has no privileges (in a sandbox
// without other users, the user namespace takes them).
class UnprivilegedServerTest : public ServerTest {
 protected:
  struct Shared {
    std::atomic<uint64_t> too_many_in_flight;
    std::atomic<uint64_t> hoarded;
    std::atomic<uint64_t> left;
  };

  UnprivilegedServerTest()
      : shared_(new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared()) {}
  ~UnprivilegedServerTest() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    munmap(shared_, sizeof(Shared));
  }

  void StartChild(Server::Options options) {
    vectors_ = options.vectors;
    auto listener = unix_socket::Listen(path_, 0777);
    ASSERT_TRUE(listener.ok());
    listener_ = *std::move(listener);
    child_ = fork();
    if (child_ == 0) Serve(std::move(options));
    ASSERT_GT(child_, 0);
  }

  uint64_t too_many() const { return shared_->too_many_in_flight; }
  uint64_t hoarded() const { return shared_->hoarded; }
  uint64_t left() const { return shared_->left; }

 private:
  [[noreturn]] void Serve(Server::Options options) {
    const rlimit limit = {.rlim_cur = kOpenFiles, .rlim_max = kOpenFiles};
    setrlimit(RLIMIT_NOFILE, &limit);
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) {
      // Not possible in the sandbox, nor needed.
    }
    const auto loop = EventLoop::Create();
    const auto server = Server::Start(**loop, listener_.get(), memory_.fd(),
                                      std::move(options), nullptr);
    while (true) {
      (*loop)->Dispatch(absl::Milliseconds(100));
      const Status status = (*server)->status();
      shared_->too_many_in_flight = status.delivery.too_many_in_flight;
      shared_->hoarded =
          status.counts.left[static_cast<size_t>(Departure::kHoarded)];
      shared_->left = 0;
      for (const uint64_t count : status.counts.left) shared_->left += count;
    }
  }

  Shared* const shared_;
  pid_t child_ = -1;
};

// Clients that are owed many times what may be under way are told everything.
TEST_F(UnprivilegedServerTest, LosesNothing) {
  StartChild({.vectors = 4, .max_peers = 12});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(Connect());
  ASSERT_TRUE(Until([&] { return too_many() > 0; }));
  EXPECT_TRUE(UntilAllKnow(clients));
  EXPECT_EQ(left(), 0);
}

// One that reads nothing and so holds all that may be under way is disconnected
// before its stall timeout; the others are told everything when it has closed.
TEST_F(UnprivilegedServerTest, DisconnectsWhoHoldsAllThatMayBeUnderWay) {
  StartChild({.vectors = 10,
              .max_peers = 8,
              .stall_timeout = absl::InfiniteDuration()});
  auto hoarder = Connect();
  std::vector<std::unique_ptr<TestClient>> clients;
  const auto read = [&] {
    for (const auto& client : clients) client->Read();
  };
  for (int i = 0; i < 3; ++i) clients.push_back(Connect());
  // More come and go, of all of whom it is owed messages.
  ASSERT_TRUE(Until([&] {
    read();
    if (clients.back()->joined() || clients.back()->closed()) {
      clients.pop_back();
      clients.push_back(Connect());
    }
    return hoarded() > 0;
  }));
  EXPECT_EQ(hoarded(), 1);
  hoarder.reset();
  EXPECT_TRUE(UntilAllKnow(clients));
}

}  // namespace
}  // namespace ivshmem::server
