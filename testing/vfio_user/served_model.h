// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_VFIO_USER_SERVED_MODEL_H_
#define IVSHMEM_TESTING_VFIO_USER_SERVED_MODEL_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "backends/vfio_user/protocol/device_model.h"
#include "backends/vfio_user/protocol/server.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::vfio_user {

// A model behind a socket, served on a thread of its own.
//
// Threading: one thread.
class ServedModel {
 public:
  // `model` outlives it.
  explicit ServedModel(DeviceModel& model, Server::Options options = {})
      : path_(directory_.File("vfio")),
        thread_(*LoopThread::Start("vfio-user")),
        listener_(*unix_socket::Listen(path_, 0600)) {
    OnLoop([&] {
      auto server = Server::Start(thread_->loop(), listener_.get(), model,
                                  options, nullptr);
      EXPECT_TRUE(server.ok()) << server.status();
      server_ = *std::move(server);
    });
  }
  ~ServedModel() {
    OnLoop([&] { server_.reset(); });
  }

  const std::string& path() const { return path_; }

  // Runs `work` where the model is served, and waits for it.
  void OnLoop(const std::function<void()>& work) {
    absl::Notification done;
    thread_->loop().Run([&] {
      work();
      done.Notify();
    });
    done.WaitForNotification();
  }

  uint64_t count(Server::Event event) {
    uint64_t count = 0;
    OnLoop([&] { count = server_->count(event); });
    return count;
  }

  EventLoop& loop() { return thread_->loop(); }

 private:
  const server::ShortDirectory directory_;
  const std::string path_;
  const std::unique_ptr<LoopThread> thread_;
  const UniqueFd listener_;
  std::unique_ptr<Server> server_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_TESTING_VFIO_USER_SERVED_MODEL_H_
