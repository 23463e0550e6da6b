// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_FIXTURE_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_FIXTURE_H_

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/link_events.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/scripted_server.h"
#include "backends/linux/server_link.h"
#include "core/device.h"
#include "core/interrupt_sink.h"
#include "core/registers.h"
#include "gtest/gtest.h"

namespace ivshmem {

inline constexpr absl::Duration kPatience = absl::Seconds(30);

// What a link told, in order.
class RecordedEvents : public LinkEvents {
 public:
  using Kind = LinkEvent::Kind;

  struct Event {
    Kind kind;
    PeerId peer;
    PeerId old_peer;
    std::string text;
  };

  void OnLinkEvent(const LinkEvent& event) noexcept override {
    events.push_back(
        {event.kind, event.peer, event.old_peer, std::string(event.text)});
    if (then) then(events.back());
  }

  int Count(Kind kind) const {
    return static_cast<int>(
        std::count_if(events.begin(), events.end(),
                      [&](const Event& event) { return event.kind == kind; }));
  }

  // The last one of that kind.
  const Event& Last(Kind kind) const {
    const auto it =
        std::find_if(events.rbegin(), events.rend(),
                     [&](const Event& event) { return event.kind == kind; });
    static const Event kNone = {Kind::kCount, 0, 0, "there was none"};
    return it == events.rend() ? kNone : *it;
  }

  std::vector<Event> events;
  std::function<void(const Event&)> then;
};

// A guest's side: counts interrupts by vector.
class CountingSink : public InterruptSink {
 public:
  InterruptResult Deliver(Vector vector) noexcept override {
    ++delivered[vector];
    return InterruptResult::kDelivered;
  }

  std::map<Vector, int> delivered;
};

// A link to a scripted server, with the loop driven by the test.
class LinkTest : public testing::Test {
 protected:
  using Kind = LinkEvent::Kind;

  LinkTest()
      : loop_(*EventLoop::Create()), memory_(*MemoryObject::Memfd(4096)) {
    options_.socket_path = server_.path();
    options_.greeting_deadline = kPatience;
    options_.retry_first = absl::Milliseconds(1);
    options_.retry_most = absl::Milliseconds(20);
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<ServerLink>> link =
        ServerLink::Start(*loop_, options_, &events_);
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
  }

  // Runs the loop until `condition` holds.
  [[nodiscard]] bool Until(const std::function<bool()>& condition) {
    const absl::Time end = absl::Now() + kPatience;
    while (!condition()) {
      if (absl::Now() > end) return false;
      loop_->Dispatch(absl::Milliseconds(10));
    }
    return true;
  }

  [[nodiscard]] bool UntilEvent(Kind kind, int count = 1) {
    return Until([&] { return events_.Count(kind) >= count; });
  }

  // Runs the loop until nothing is ready.
  void Settle() {
    while (loop_->Dispatch(absl::Milliseconds(1)) > 0) {
    }
  }

  // The loop has to run for a client to come.
  std::string Accept() {
    const bool came =
        Until([&] { return server_.AcceptWithin(absl::ZeroDuration()); });
    EXPECT_TRUE(came) << "no client came";
    return server_.client_name();
  }

  void JoinAs(PeerId id) {
    Start();
    Accept();
    server_.Greet(id, memory_.fd());
    ASSERT_TRUE(UntilEvent(Kind::kJoined));
  }

  void AttachDevice(int vectors) {
    device_ = *Device::Create(
        {.interrupts = InterruptMode::kMsix, .vectors = vectors},
        {.interrupts = &sink_});
    absl::StatusOr<RegistrationPtr> attachment = link_->Attach(*device_);
    ASSERT_TRUE(attachment.ok()) << attachment.status();
    attachment_ = *std::move(attachment);
  }

  // As the guest does.
  void Ring(PeerId peer, Vector vector) {
    device_->Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }

  // Which vectors of `peer` the device can ring.
  std::vector<Vector> Vectors(PeerId peer) const {
    std::vector<Vector> vectors;
    for (const PeerTable::Connection& connection :
         device_->peers().Connections()) {
      if (connection.doorbell.peer == peer) {
        vectors.push_back(connection.doorbell.vector);
      }
    }
    return vectors;
  }

  uint64_t count(ServerLink::Count count) const { return link_->count(count); }

  ScriptedServer server_;
  std::unique_ptr<EventLoop> loop_;
  MemoryObject memory_;
  ServerLink::Options options_;
  RecordedEvents events_;
  CountingSink sink_;
  std::unique_ptr<ServerLink> link_;
  std::unique_ptr<Device> device_;
  RegistrationPtr attachment_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_FIXTURE_H_
