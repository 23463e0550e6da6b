// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// vCPUs on threads of their own, and a device model that waits on another: no
// request is lost, none is answered twice.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/ioreq/xen/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::IsEmpty;

constexpr int kVcpus = 4;
constexpr int kRequests = 500;  // Of each.

// What a read of `address` reads.
uint64_t Answer(uint64_t address) { return address * 3 + 1; }

ioreq_t Read(uint64_t address) {
  ioreq_t request = {};
  request.type = IOREQ_TYPE_COPY;
  request.addr = address;
  request.size = 8;
  request.count = 1;
  request.dir = IOREQ_READ;
  return request;
}

bool AwaitAnswer(RecordingHypervisor& xen, int vcpu) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (xen.State(vcpu) != STATE_IORESP_READY) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Answers until the transport is stopped.
void Serve(Transport& transport, std::atomic<int>& answered) {
  while (true) {
    const absl::Status status = transport.Wait();
    if (!status.ok()) {
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
      return;
    }
    for (int slot = 0; slot < transport.slots(); ++slot) {
      const std::optional<ioreq::Request> request = transport.Begin(slot);
      if (!request.has_value()) continue;
      transport.Complete(slot, Answer(request->address));
      ++answered;
    }
  }
}

TEST(XenTransportThreadsTest, EveryRequestIsAnsweredOnce) {
  RecordingHypervisor xen(kVcpus);
  absl::StatusOr<std::unique_ptr<Transport>> transport = Transport::Open(xen);
  ASSERT_TRUE(transport.ok()) << transport.status();
  std::atomic<int> answered = 0;
  std::thread server([&] { Serve(**transport, answered); });
  std::vector<std::thread> vcpus;
  vcpus.reserve(kVcpus);
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    vcpus.emplace_back([&xen, vcpu] {
      for (int i = 0; i < kRequests; ++i) {
        const uint64_t address = (vcpu * kRequests + i) * 8;
        xen.Send(vcpu, Read(address));
        ASSERT_TRUE(AwaitAnswer(xen, vcpu));
        ASSERT_EQ(xen.TakeAnswer(vcpu), Answer(address));
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  (*transport)->Stop();
  server.join();
  EXPECT_EQ(answered, kVcpus * kRequests);
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    EXPECT_EQ(xen.Notified(vcpu), kRequests);
  }
  *transport = nullptr;
  EXPECT_THAT(xen.complaints(), IsEmpty());
  EXPECT_EQ(xen.Existing(), "");
}

// A stop while vCPUs send: whoever still waits is answered when the transport
// goes.
TEST(XenTransportThreadsTest, StopsUnderLoad) {
  for (int round = 0; round < 20; ++round) {
    RecordingHypervisor xen(kVcpus);
    absl::StatusOr<std::unique_ptr<Transport>> transport = Transport::Open(xen);
    ASSERT_TRUE(transport.ok()) << transport.status();
    std::atomic<int> answered = 0;
    std::atomic<bool> enough = false;
    std::thread server([&] { Serve(**transport, answered); });
    std::vector<std::thread> vcpus;
    vcpus.reserve(kVcpus);
    for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
      vcpus.emplace_back([&, vcpu] {
        // The last one is sent before the transport goes, as Xen has it.
        for (uint64_t i = 0; !enough; ++i) {
          xen.Send(vcpu, Read(i));
          while (xen.State(vcpu) != STATE_IORESP_READY) {
            if (enough) return;
            std::this_thread::yield();
          }
          EXPECT_EQ(xen.TakeAnswer(vcpu), Answer(i));
        }
      });
    }
    while (answered < 50) std::this_thread::yield();
    (*transport)->Stop();
    server.join();
    enough = true;
    for (std::thread& vcpu : vcpus) vcpu.join();
    *transport = nullptr;
    for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
      EXPECT_THAT(xen.State(vcpu),
                  testing::AnyOf(STATE_IOREQ_NONE, STATE_IORESP_READY));
    }
    EXPECT_THAT(xen.complaints(), IsEmpty());
  }
}

}  // namespace
}  // namespace ivshmem::xen
