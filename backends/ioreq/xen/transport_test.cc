// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/transport.h"

#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/registration.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Kind = ioreq::Request::Kind;
using Direction = ioreq::Request::Direction;

std::unique_ptr<Transport> Open(RecordingHypervisor& xen) {
  absl::StatusOr<std::unique_ptr<Transport>> transport = Transport::Open(xen);
  EXPECT_TRUE(transport.ok()) << transport.status();
  return transport.ok() ? *std::move(transport) : nullptr;
}

ioreq_t Mmio(uint64_t address, uint32_t size, unsigned direction,
             uint64_t data = 0) {
  ioreq_t request = {};
  request.type = IOREQ_TYPE_COPY;
  request.addr = address;
  request.size = size;
  request.count = 1;
  request.dir = direction & 1;
  request.data = data;
  return request;
}

// Set-up, in Xen's order: the number of vCPUs, the server, its page, enabling
// (the ports are in the page only then), a port for each vCPU. Down in the
// reverse order.
TEST(XenTransportTest, SetsUpAndTakesDown) {
  RecordingHypervisor xen(2);
  std::unique_ptr<Transport> transport = Open(xen);
  EXPECT_EQ(transport->slots(), 2);
  EXPECT_THAT(xen.TakeCalls(),
              ElementsAre("VcpuCount", "CreateServer", "MapServerPage 5",
                          "EnableServer 5", "Bind 1000", "Bind 1001"));
  transport = nullptr;
  EXPECT_THAT(xen.TakeCalls(),
              ElementsAre("DisableServer 5", "Unbind 20", "Unbind 21",
                          "UnmapServerPage", "DestroyServer 5"));
  EXPECT_EQ(xen.Existing(), "");
  EXPECT_THAT(xen.complaints(), IsEmpty());
}

// When a step fails, all before it is undone, and the error says which it was.
TEST(XenTransportTest, UndoesWhatWasDoneBeforeAFailure) {
  struct Case {
    const char* call;
    int skip;
    int result;
    absl::StatusCode code;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"VcpuCount", 0, -ESRCH, absl::StatusCode::kNotFound,
            "asking for the number of vCPUs"},
           {"CreateServer", 0, -ENOSPC, absl::StatusCode::kResourceExhausted,
            "creating an I/O request server"},
           {"MapServerPage", 0, -EPERM, absl::StatusCode::kPermissionDenied,
            "mapping the page of I/O request server 5"},
           {"EnableServer", 0, -EPERM, absl::StatusCode::kPermissionDenied,
            "enabling I/O request server 5"},
           {"Bind", 0, -EINVAL, absl::StatusCode::kInvalidArgument,
            "binding event channel 1000 of vCPU 0"},
           {"Bind", 2, -ENOSPC, absl::StatusCode::kResourceExhausted,
            "binding event channel 1002 of vCPU 2"},
       }) {
    RecordingHypervisor xen(3);
    xen.Refuse(c.call, c.result, c.skip);
    const auto transport = Transport::Open(xen);
    EXPECT_EQ(transport.status().code(), c.code) << transport.status();
    EXPECT_THAT(transport.status().message(), HasSubstr(c.message));
    EXPECT_EQ(xen.Existing(), "") << c.call << c.skip;
    EXPECT_THAT(xen.complaints(), IsEmpty()) << c.call << c.skip;
  }
}

// What Xen does not take down does not stop the rest.
TEST(XenTransportTest, TakesDownAllItCan) {
  for (const char* call :
       {"DisableServer", "Unbind", "UnmapServerPage", "DestroyServer"}) {
    RecordingHypervisor xen(2);
    std::unique_ptr<Transport> transport = Open(xen);
    xen.TakeCalls();
    xen.Refuse(call, -ESRCH);
    transport = nullptr;
    EXPECT_THAT(xen.TakeCalls(),
                ElementsAre("DisableServer 5", "Unbind 20", "Unbind 21",
                            "UnmapServerPage", "DestroyServer 5"));
  }
}

// "The synchronous page holds 128 requests, one a vCPU."
TEST(XenTransportTest, UpTo128Vcpus) {
  RecordingHypervisor xen(128);
  std::unique_ptr<Transport> transport = Open(xen);
  EXPECT_EQ(transport->slots(), 128);
  xen.Send(127, Mmio(0xe0000000, 4, IOREQ_WRITE, 1));
  EXPECT_TRUE(transport->Wait().ok());
  EXPECT_TRUE(transport->Begin(127).has_value());
  transport->Complete(127, 0);
  EXPECT_EQ(xen.State(127), STATE_IORESP_READY);
  EXPECT_EQ(xen.Notified(127), 1);
  for (const int count : {0, 129}) {
    RecordingHypervisor other(count);
    const auto refused = Transport::Open(other);
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
    EXPECT_THAT(refused.status().message(),
                AllOf(HasSubstr("expected 1 to 128"),
                      HasSubstr("got " + std::to_string(count))));
    EXPECT_THAT(other.TakeCalls(), ElementsAre("VcpuCount"));
  }
}

// A read: READY, INPROCESS, IORESP_READY, each at its time, then the event.
TEST(XenTransportTest, ARead) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  xen.Send(0, Mmio(0xe0000008, 4, IOREQ_READ, 0x55));
  ASSERT_TRUE(transport->Wait().ok());
  EXPECT_EQ(xen.State(0), STATE_IOREQ_READY);
  const std::optional<ioreq::Request> request = transport->Begin(0);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->kind, Kind::kMemory);
  EXPECT_EQ(request->direction, Direction::kRead);
  EXPECT_EQ(request->address, 0xe0000008u);
  EXPECT_EQ(request->size, 4u);
  EXPECT_EQ(xen.State(0), STATE_IOREQ_INPROCESS);
  EXPECT_EQ(xen.Notified(0), 0);
  transport->Complete(0, 0x11223344);
  EXPECT_EQ(xen.Notified(0), 1);
  EXPECT_EQ(xen.TakeAnswer(0), 0x11223344u);
  EXPECT_EQ(xen.request(0).vp_eport, 1000u);
  EXPECT_THAT(xen.complaints(), IsEmpty());
}

// Only a read that is not into memory gets its data changed.
TEST(XenTransportTest, WritesBackDataOfReadsOnly) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  ioreq_t into_memory = Mmio(0xe0000000, 4, IOREQ_READ, 0x7000);
  into_memory.data_is_ptr = 1;
  for (const ioreq_t& request :
       {Mmio(0xe0000000, 4, IOREQ_WRITE, 0x7000), into_memory}) {
    xen.Send(0, request);
    ASSERT_TRUE(transport->Begin(0).has_value());
    transport->Complete(0, 0x1234);
    EXPECT_EQ(xen.TakeAnswer(0), 0x7000u);
  }
  xen.Send(0, Mmio(0xe0000000, 4, IOREQ_READ, 0x7000));
  ASSERT_TRUE(transport->Begin(0).has_value());
  transport->Complete(0, 0x1234);
  EXPECT_EQ(xen.TakeAnswer(0), 0x1234u);
}

// A request is begun once and completed once.
TEST(XenTransportTest, OnceEach) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  EXPECT_FALSE(transport->Begin(0).has_value());
  transport->Complete(0, 1);
  EXPECT_EQ(xen.Notified(0), 0);
  xen.Send(0, Mmio(0xe0000000, 4, IOREQ_READ));
  EXPECT_TRUE(transport->Begin(0).has_value());
  EXPECT_FALSE(transport->Begin(0).has_value());
  transport->Complete(0, 1);
  transport->Complete(0, 2);
  EXPECT_FALSE(transport->Begin(0).has_value());
  EXPECT_EQ(xen.Notified(0), 1);
  EXPECT_EQ(xen.TakeAnswer(0), 1u);
}

// The clock was set, mappings are to be given up: Xen tells every server, and
// its vCPU waits. They are no accesses: completed at once, as they are.
TEST(XenTransportTest, AnswersNoticesItself) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  int notified = 0;
  for (const uint8_t type : {IOREQ_TYPE_TIMEOFFSET, IOREQ_TYPE_INVALIDATE}) {
    for (const unsigned direction : {IOREQ_READ, IOREQ_WRITE}) {
      ioreq_t notice = Mmio(0, 8, direction, 0x1122334455667788);
      notice.type = type;
      xen.Send(0, notice);
      ASSERT_TRUE(transport->Wait().ok());
      EXPECT_FALSE(transport->Begin(0).has_value());
      EXPECT_EQ(xen.TakeAnswer(0), 0x1122334455667788u);
      EXPECT_EQ(xen.Notified(0), ++notified);
    }
  }
  EXPECT_THAT(xen.complaints(), IsEmpty());
}

// Whatever else a slot holds is handed on to be completed.
TEST(XenTransportTest, HandsOnWhatItDoesNotKnow) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  ioreq_t request = Mmio(0, 0xffffffff, IOREQ_READ);
  request.type = 0xee;
  xen.Send(0, request);
  const std::optional<ioreq::Request> unknown = transport->Begin(0);
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->kind, Kind::kUnknown);
  transport->Complete(0, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(xen.TakeAnswer(0), std::numeric_limits<uint64_t>::max());
}

// When the transport goes, no vCPU is left waiting: neither one whose request
// nobody began, nor one whose handler never completed it. Reads read ones, as
// wide as they are; a write's data stays.
TEST(XenTransportTest, AnswersWhatIsLeft) {
  RecordingHypervisor xen(5);
  std::unique_ptr<Transport> transport = Open(xen);
  xen.Send(0, Mmio(0xe0000000, 2, IOREQ_READ));
  xen.Send(1, Mmio(0xe0000000, 8, IOREQ_READ));
  xen.Send(2, Mmio(0xe0000000, 4, IOREQ_WRITE, 7));
  xen.Send(3, Mmio(0xe0000000, 1, IOREQ_READ));
  EXPECT_TRUE(transport->Begin(1).has_value());
  EXPECT_TRUE(transport->Begin(2).has_value());
  xen.TakeCalls();
  transport = nullptr;
  EXPECT_THAT(
      xen.TakeCalls(),
      ElementsAre("DisableServer 5", "Notify 20", "Notify 21", "Notify 22",
                  "Notify 23", StartsWith("Unbind"), StartsWith("Unbind"),
                  StartsWith("Unbind"), StartsWith("Unbind"),
                  StartsWith("Unbind"), "UnmapServerPage", "DestroyServer 5"));
  EXPECT_EQ(xen.TakeAnswer(0), 0xffffu);
  EXPECT_EQ(xen.TakeAnswer(1), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(xen.TakeAnswer(2), 7u);
  EXPECT_EQ(xen.TakeAnswer(3), 0xffu);
  EXPECT_EQ(xen.State(4), STATE_IOREQ_NONE);
  EXPECT_THAT(xen.complaints(), IsEmpty());
}

// An access that Xen had sent before its range was unmapped comes late; it is
// a request like any other.
TEST(XenTransportTest, ALateRequestComes) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  absl::StatusOr<RegistrationPtr> claim =
      transport->claims()->Claim(ioreq::Space::kMemory, 0xe0000000, 0x1000);
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_EQ(xen.Existing(),
            "server, enabled, page, type 1 0xe0000000-0xe0000fff, port 20");
  xen.Send(0, Mmio(0xe0000000, 4, IOREQ_READ));
  *claim = nullptr;
  EXPECT_EQ(xen.Existing(), "server, enabled, page, port 20");
  EXPECT_TRUE(transport->Begin(0).has_value());
  transport->Complete(0, 0xffffffff);
  EXPECT_EQ(xen.TakeAnswer(0), 0xffffffffu);
}

// A claim may outlive the transport: by then the number of the server may be
// another's.
TEST(XenTransportTest, ClaimsMayOutliveIt) {
  RecordingHypervisor xen;
  std::unique_ptr<Transport> transport = Open(xen);
  absl::StatusOr<RegistrationPtr> claim =
      transport->claims()->Claim(ioreq::Space::kMemory, 0xe0000000, 0x1000);
  ASSERT_TRUE(claim.ok()) << claim.status();
  transport = nullptr;
  xen.TakeCalls();
  *claim = nullptr;
  EXPECT_THAT(xen.TakeCalls(), IsEmpty());
}

}  // namespace
}  // namespace ivshmem::xen
