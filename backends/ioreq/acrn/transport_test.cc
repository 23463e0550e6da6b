// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/transport.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/ioreq/acrn/recording_hsm.h"
#include "backends/ioreq/request.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint16_t kVmid = 3;

class TransportTest : public ::testing::Test {
 protected:
  TransportTest() { Free(); }

  void Free() {
    for (acrn_io_request& slot : page_.req_slot) {
      slot = {};
      slot.processed = ACRN_IOREQ_STATE_FREE;
    }
  }

  Transport::Config Config(int vcpus = 4) {
    return {.vmid = kVmid, .vcpus = vcpus, .page = &page_};
  }
  std::unique_ptr<Transport> Create(int vcpus = 4) {
    auto transport = Transport::Create(hsm_, Config(vcpus));
    EXPECT_TRUE(transport.ok()) << transport.status();
    return transport.ok() ? *std::move(transport) : nullptr;
  }
  std::string CreateError(const Transport::Config& config) {
    const auto transport = Transport::Create(hsm_, config);
    EXPECT_TRUE(absl::IsInvalidArgument(transport.status()));
    return std::string(transport.status().message());
  }

  acrn_io_request& slot(int i) { return page_.req_slot[i]; }
  // As the kernel hands on a read.
  void Ask(int i) {
    slot(i).type = ACRN_IOREQ_TYPE_MMIO;
    slot(i).reqs.mmio_request = {.direction = ACRN_IOREQ_DIR_READ,
                                 .reserved = 0,
                                 .address = 0x1000u + i,
                                 .size = 4,
                                 .value = 0};
    slot(i).processed = ACRN_IOREQ_STATE_PROCESSING;
  }

  alignas(4096) acrn_io_request_buffer page_ = {};
  RecordingHsm hsm_;
};

// The client is made with the transport and goes with it.
TEST_F(TransportTest, MakesAClient) {
  auto transport = Create();
  EXPECT_THAT(hsm_.TakeRequests(), ElementsAre(ACRN_IOCTL_CREATE_IOREQ_CLIENT));
  EXPECT_EQ(transport->slots(), 4);
  EXPECT_EQ(transport->claims(), nullptr) << "all that nobody else answers";
  transport = nullptr;
  EXPECT_THAT(
      hsm_.TakeRequests(),
      ElementsAre(ACRN_IOCTL_CLEAR_VM_IOREQ, ACRN_IOCTL_DESTROY_IOREQ_CLIENT));
}

// A VM has one such client. Nothing is left to undo.
TEST_F(TransportTest, CreateErrors) {
  hsm_.Answer(ACRN_IOCTL_CREATE_IOREQ_CLIENT, -EEXIST);
  const auto transport = Transport::Create(hsm_, Config());
  EXPECT_TRUE(absl::IsAlreadyExists(transport.status())) << transport.status();
  EXPECT_THAT(transport.status().message(), HasSubstr("ioreq client"));
  EXPECT_THAT(hsm_.TakeRequests(), ElementsAre(ACRN_IOCTL_CREATE_IOREQ_CLIENT));
}

// Errors name the field, what was expected and what came.
TEST_F(TransportTest, ConfigIsChecked) {
  EXPECT_EQ(CreateError(Config(0)), "vcpus: expected 1..16, got 0");
  EXPECT_EQ(CreateError(Config(17)), "vcpus: expected 1..16, got 17");
  Transport::Config config = Config();
  config.page = nullptr;
  EXPECT_THAT(CreateError(config), HasSubstr("page: expected the page"));
  config.page = reinterpret_cast<acrn_io_request_buffer*>(&page_.req_slot[1]);
  EXPECT_THAT(CreateError(config), HasSubstr("page: expected the page"));
  EXPECT_THAT(hsm_.TakeRequests(), IsEmpty());
  EXPECT_TRUE(Transport::Create(hsm_, Config(16)).ok());
}

// A request that the kernel hands on is begun as a copy, which the page changes
// no more, and completed: the value first, then the kernel is told which vCPU
// of which VM.
TEST_F(TransportTest, BeginsAndCompletes) {
  const auto transport = Create();
  EXPECT_FALSE(transport->Begin(2).has_value());
  Ask(2);
  EXPECT_FALSE(transport->Begin(1).has_value());
  const auto request = transport->Begin(2);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->kind, ioreq::Request::Kind::kMemory);
  EXPECT_EQ(request->address, 0x1002u);
  uint64_t value_then = 0;
  hsm_.on_request = [&](uint64_t number) {
    EXPECT_EQ(number, ACRN_IOCTL_NOTIFY_REQUEST_FINISH);
    value_then = slot(2).reqs.mmio_request.value;
    EXPECT_EQ(slot(2).processed, ACRN_IOREQ_STATE_PROCESSING)
        << "the state is the kernel's to change";
  };
  transport->Complete(2, 0x55);
  hsm_.on_request = nullptr;
  EXPECT_EQ(value_then, 0x55u);
  const auto notifications = hsm_.TakeNotifications();
  ASSERT_EQ(notifications.size(), 1u);
  EXPECT_EQ(notifications[0].vmid, kVmid);
  EXPECT_EQ(notifications[0].vcpu, 2u);
  EXPECT_EQ(notifications[0].reserved, 0u);
  slot(2).processed = ACRN_IOREQ_STATE_COMPLETE;
}

// The value goes where the request said that it belongs, whatever its slot
// says by then.
TEST_F(TransportTest, TheCopyDecidesWhereTheValueGoes) {
  const auto transport = Create();
  Ask(0);
  slot(0).type = ACRN_IOREQ_TYPE_PCICFG;
  slot(0).reqs.pci_request.bus = 9;
  slot(0).reqs.pci_request.reg = 0;
  ASSERT_TRUE(transport->Begin(0).has_value());
  slot(0).type = ACRN_IOREQ_TYPE_MMIO;
  transport->Complete(0, ~uint64_t{0});
  EXPECT_EQ(slot(0).reqs.pci_request.value, 0xffffffffu);
  EXPECT_EQ(slot(0).reqs.pci_request.bus, 9u);
  slot(0).processed = ACRN_IOREQ_STATE_FREE;
}

// What the kernel answers itself is left to it.
TEST_F(TransportTest, SkipsWhatTheKernelHandles) {
  const auto transport = Create();
  Ask(0);
  slot(0).kernel_handled = 1;
  EXPECT_FALSE(transport->Begin(0).has_value());
}

// A slot that was reset meanwhile has nobody waiting: it is left alone, for the
// kernel would mark as complete what is free, or asked anew.
TEST_F(TransportTest, AResetSlotIsNotCompleted) {
  const auto transport = Create();
  for (const uint32_t state : {ACRN_IOREQ_STATE_FREE, ACRN_IOREQ_STATE_PENDING,
                               ACRN_IOREQ_STATE_COMPLETE}) {
    Ask(0);
    ASSERT_TRUE(transport->Begin(0).has_value());
    slot(0).processed = state;
    transport->Complete(0, 5);
    EXPECT_EQ(slot(0).reqs.mmio_request.value, 0u);
  }
  EXPECT_THAT(hsm_.TakeNotifications(), IsEmpty());
}

// The first wait is none: an earlier client may have left requests, which the
// kernel does not know to be this one's.
TEST_F(TransportTest, TheFirstWaitIsNone) {
  const auto transport = Create();
  hsm_.TakeRequests();
  EXPECT_TRUE(transport->Wait().ok());
  EXPECT_THAT(hsm_.TakeRequests(), IsEmpty());
  EXPECT_TRUE(transport->Wait().ok());
  EXPECT_THAT(hsm_.TakeRequests(), ElementsAre(ACRN_IOCTL_ATTACH_IOREQ_CLIENT));
}

// An error of the kernel's says what was attempted.
TEST_F(TransportTest, WaitErrors) {
  const auto transport = Create();
  EXPECT_TRUE(transport->Wait().ok());
  hsm_.Answer(ACRN_IOCTL_ATTACH_IOREQ_CLIENT, -ENODEV);
  const absl::Status status = transport->Wait();
  EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(ENODEV));
  EXPECT_THAT(status.message(), HasSubstr("waiting for I/O requests"));
}

// When nobody waits, stopping asks nothing of the kernel; later waits end.
TEST_F(TransportTest, StopBeforeTheWait) {
  const auto transport = Create();
  EXPECT_TRUE(transport->Wait().ok());
  hsm_.TakeRequests();
  transport->Stop();
  transport->Stop();
  EXPECT_TRUE(absl::IsCancelled(transport->Wait()));
  EXPECT_TRUE(absl::IsCancelled(transport->Wait()));
  EXPECT_THAT(hsm_.TakeRequests(), IsEmpty());
}

// A transport that ends answers what waits with ones, as far as it can.
TEST_F(TransportTest, TheEndAnswersWhatWaits) {
  auto transport = Create();
  Ask(0);
  Ask(3);
  slot(1).processed = ACRN_IOREQ_STATE_PENDING;
  Ask(2);
  slot(2).kernel_handled = 1;
  hsm_.TakeRequests();
  transport = nullptr;
  EXPECT_THAT(
      hsm_.TakeRequests(),
      ElementsAre(ACRN_IOCTL_NOTIFY_REQUEST_FINISH,
                  ACRN_IOCTL_NOTIFY_REQUEST_FINISH, ACRN_IOCTL_CLEAR_VM_IOREQ,
                  ACRN_IOCTL_DESTROY_IOREQ_CLIENT));
  EXPECT_EQ(slot(0).reqs.mmio_request.value, ~uint64_t{0});
  EXPECT_EQ(slot(3).reqs.mmio_request.value, ~uint64_t{0});
  EXPECT_EQ(slot(2).reqs.mmio_request.value, 0u);
}

// Slots past the VM's vCPUs are nobody's.
TEST_F(TransportTest, OnlyTheVcpusSlots) {
  auto transport = Create(2);
  EXPECT_EQ(transport->slots(), 2);
  Ask(2);
  hsm_.TakeRequests();
  transport = nullptr;
  EXPECT_THAT(hsm_.TakeNotifications(), IsEmpty());
}

// The kernel, as far as clients go. A wait ends when the client is destroyed;
// without a client nothing waits, and nothing is completed.
class ClientHsm final : public Hsm {
 public:
  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t) noexcept override {
    absl::MutexLock lock(&mutex_);
    switch (request) {
      case ACRN_IOCTL_CREATE_IOREQ_CLIENT:
        EXPECT_FALSE(client_) << "a second client";
        client_ = true;
        return 0;
      case ACRN_IOCTL_ATTACH_IOREQ_CLIENT: {
        if (!client_) return -ENODEV;
        attached_ = true;
        const int generation = generation_;
        const auto gone = [&] { return generation_ != generation; };
        mutex_.Await(absl::Condition(&gone));
        attached_ = false;
        return -ENODEV;
      }
      case ACRN_IOCTL_DESTROY_IOREQ_CLIENT:
        client_ = false;
        ++generation_;
        return 0;
      case ACRN_IOCTL_NOTIFY_REQUEST_FINISH:
        if (slow_) {
          notifying_ = true;
          const auto gone = [this] { return !client_; };
          mutex_.AwaitWithTimeout(absl::Condition(&gone),
                                  absl::Milliseconds(50));
        }
        if (client_) ++completed_;
        return 0;
      default:
        return 0;
    }
  }

  void AwaitAttached() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&attached_));
  }
  // From now on a completion takes so long that the client would be gone by
  // then, if it could.
  void CompleteSlowly() {
    absl::MutexLock lock(&mutex_);
    slow_ = true;
  }
  void AwaitNotifying() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&notifying_));
  }
  int completed() {
    absl::MutexLock lock(&mutex_);
    return completed_;
  }
  bool client() {
    absl::MutexLock lock(&mutex_);
    return client_;
  }

 private:
  absl::Mutex mutex_;
  bool client_ = false;
  bool attached_ = false;
  bool slow_ = false;
  bool notifying_ = false;
  int generation_ = 0;
  int completed_ = 0;
};

// Stopping ends a wait that is under way. What was begun can still be
// completed.
TEST_F(TransportTest, StopEndsTheWait) {
  ClientHsm hsm;
  auto transport = *Transport::Create(hsm, Config());
  Ask(1);
  EXPECT_TRUE(transport->Wait().ok());
  ASSERT_TRUE(transport->Begin(1).has_value());
  absl::Status ended;
  std::thread waiter([&] { ended = transport->Wait(); });
  hsm.AwaitAttached();
  transport->Stop();
  waiter.join();
  EXPECT_TRUE(absl::IsCancelled(ended)) << ended;
  EXPECT_TRUE(absl::IsCancelled(transport->Wait()));
  transport->Complete(1, 5);
  EXPECT_EQ(hsm.completed(), 1);
  slot(1).processed = ACRN_IOREQ_STATE_COMPLETE;
  transport = nullptr;
  EXPECT_FALSE(hsm.client());
}

// A completion that is under way is waited for, before the client is changed.
TEST_F(TransportTest, StopWaitsForACompletion) {
  ClientHsm hsm;
  auto transport = *Transport::Create(hsm, Config());
  Ask(1);
  EXPECT_TRUE(transport->Wait().ok());
  ASSERT_TRUE(transport->Begin(1).has_value());
  std::thread waiter(
      [&] { EXPECT_TRUE(absl::IsCancelled(transport->Wait())); });
  hsm.AwaitAttached();
  hsm.CompleteSlowly();
  std::thread handler([&] { transport->Complete(1, 5); });
  hsm.AwaitNotifying();
  transport->Stop();
  waiter.join();
  handler.join();
  EXPECT_EQ(hsm.completed(), 1);
  slot(1).processed = ACRN_IOREQ_STATE_COMPLETE;
}

// Stopping at any moment of waits and completions: the wait ends, and no
// completion falls between two clients.
TEST_F(TransportTest, StopAtAnyMoment) {
  for (int round = 0; round < 300; ++round) {
    ClientHsm hsm;
    auto transport = *Transport::Create(hsm, Config());
    Ask(0);
    ASSERT_TRUE(transport->Wait().ok());
    std::atomic<bool> stop{false};
    std::thread waiter([&] {
      while (transport->Wait().ok()) {
      }
    });
    int done = 0;
    std::thread handler([&] {
      while (!stop) {
        ASSERT_TRUE(transport->Begin(0).has_value());
        transport->Complete(0, 5);
        ++done;
      }
    });
    transport->Stop();
    waiter.join();
    stop = true;
    handler.join();
    ASSERT_EQ(hsm.completed(), done);
    slot(0).processed = ACRN_IOREQ_STATE_FREE;
  }
}

}  // namespace
}  // namespace ivshmem::acrn
