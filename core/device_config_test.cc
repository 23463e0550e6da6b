// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How a device is set up: its configuration, its id, and what it is given.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

class Sink : public InterruptSink, public LevelListener {
 public:
  InterruptResult Deliver(Vector) noexcept override {
    return InterruptResult::kDelivered;
  }
  void LevelMayHaveChanged() noexcept override {}
};

class Listener : public PeerTable::Listener {
 public:
  void PeersChanged() noexcept override { ++changes; }
  int changes = 0;
};

class Events : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    seen.push_back(event);
    texts.emplace_back(event.text);
  }
  std::vector<DeviceEvent> seen;
  std::vector<std::string> texts;
};

Device::Config Config(const Dialect& dialect, InterruptMode interrupts,
                      int vectors, std::optional<PeerId> id) {
  return {dialect, interrupts, vectors, id};
}

class DeviceConfigTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> Make(const Device::Config& config) {
    auto device = Device::Create(config, {.interrupts = &sink_,
                                          .level = &sink_,
                                          .peers = &listener_,
                                          .events = &events_});
    EXPECT_TRUE(device.ok()) << device.status();
    return device.ok() ? *std::move(device) : nullptr;
  }
  // What Create() has to say against a configuration.
  std::string Error(const Device::Config& config) {
    return Error(config, {.interrupts = &sink_, .level = &sink_});
  }
  static std::string Error(const Device::Config& config,
                           const Device::Dependencies& dependencies) {
    return Device::Create(config, dependencies).status().ToString();
  }

  Sink sink_;
  Listener listener_;
  Events events_;
};

// "Errors: InvalidArgument that names the field, what was expected and what
// came."
TEST_F(DeviceConfigTest, VectorsOutOfRange) {
  constexpr auto kMsix = InterruptMode::kMsix;
  EXPECT_EQ(Error(Config(kRevision1, kMsix, 0, {})),
            "INVALID_ARGUMENT: vectors: expected 1..2048, got 0");
  EXPECT_EQ(Error(Config(kRevision1, kMsix, 2049, {})),
            "INVALID_ARGUMENT: vectors: expected 1..2048, got 2049");
  EXPECT_EQ(Error(Config(kRevision1, kMsix, -1, {})),
            "INVALID_ARGUMENT: vectors: expected 1..2048, got -1");
  EXPECT_EQ(Error(Config(kRevision1, InterruptMode::kNone, 1, {})),
            "INVALID_ARGUMENT: vectors: expected 0, got 1");
  EXPECT_EQ(Error(Config(kQemuFlat, InterruptMode::kLine, 65, {})),
            "INVALID_ARGUMENT: vectors: expected 1..64, got 65");
  EXPECT_EQ(Error(Config(kRevision0, InterruptMode::kIntx, 2, {})),
            "INVALID_ARGUMENT: vectors: expected 1, got 2");
  for (const int vectors : {1, 2048}) {
    EXPECT_EQ(Error(Config(kAcrn, kMsix, vectors, {})), "OK");
  }
  EXPECT_EQ(Error(Config(kQemuFlat, InterruptMode::kLine, 64, {})), "OK");
}

// INTx is revision 0's: "rev 0, INTx (or MSI-X, as the old `msi=on`)".
TEST_F(DeviceConfigTest, OnlyRevision0HasIntx) {
  for (const Dialect* dialect : kDialects) {
    const std::string name(dialect->name);
    EXPECT_EQ(Error(Config(*dialect, InterruptMode::kIntx, 1, {})),
              name == "rev0" ? "OK"
                             : "INVALID_ARGUMENT: interrupts: expected MSI-X "
                               "or none of dialect " +
                                   name + " (only rev0 has INTx), got INTx");
  }
  EXPECT_EQ(Error(Config(kRevision0, InterruptMode::kMsix, 8, {})), "OK");
}

TEST_F(DeviceConfigTest, RequiredDependencies) {
  for (const auto mode : {InterruptMode::kMsix, InterruptMode::kLine}) {
    EXPECT_EQ(Error(Config(kQemuFlat, mode, 1, {}), {.level = &sink_}),
              "INVALID_ARGUMENT: interrupts: expected a sink for a device with "
              "vectors, got none");
  }
  EXPECT_EQ(Error(Config(kRevision0, InterruptMode::kIntx, 1, {}),
                  {.interrupts = &sink_}),
            "INVALID_ARGUMENT: level: expected a listener for a device with "
            "INTx, got none");
}

// "Each may be null" that the mode does not require.
TEST_F(DeviceConfigTest, NeedsNoDependencies) {
  auto device = Device::Create({.id = 3}, {});
  ASSERT_TRUE(device.ok());
  (*device)->Write(kDoorbellOffset, 4, 3 << 16);
  (*device)->OnPeerInterrupt(0);
  (*device)->SetId(4);
  (*device)->Reset();
  EXPECT_EQ((*device)->config().id, 3);
}

// "IVPosition Register: if the device is not configured for interrupts, this is
// zero. Else, it is the device's ID"; "Before QEMU 2.6.0, the register may read
// -1 for a short while"; ACRN and the flat device: "IVPosition: id".
// Clause: position-id, position-none, position-setup
// Differs: position-acrn-flat
TEST_F(DeviceConfigTest, Position) {
  constexpr uint32_t kNoId = 0xffffffff;
  constexpr auto kNone = InterruptMode::kNone;
  constexpr auto kMsix = InterruptMode::kMsix;
  const struct {
    Dialect dialect;
    InterruptMode interrupts;
    uint32_t with_id_3;
    uint32_t without_id;
  } table[] = {{kRevision1, kNone, 0, 0},
               {kRevision1, kMsix, 3, 0},
               {kRevision0, kNone, 0, 0},
               {kRevision0, kMsix, 3, kNoId},
               {kRevision0, InterruptMode::kIntx, 3, kNoId},
               {kQemu, kNone, 0, 0},
               {kQemu, kMsix, 3, 0},
               {kQemuFlat, kNone, 3, 0},
               {kQemuFlat, InterruptMode::kLine, 3, 0},
               {kAcrn, kNone, 3, 0},
               {kAcrn, kMsix, 3, 0}};
  for (const auto& row : table) {
    SCOPED_TRACE(testing::Message() << row.dialect.name << " mode "
                                    << static_cast<int>(row.interrupts));
    const int vectors = row.interrupts == kNone ? 0 : 1;
    const auto device = Make(Config(row.dialect, row.interrupts, vectors, {}));
    EXPECT_EQ(device->Read(kPositionOffset, 4), row.without_id);
    EXPECT_EQ(device->id(), std::nullopt);
    device->SetId(3);
    EXPECT_EQ(device->Read(kPositionOffset, 4), row.with_id_3);
    EXPECT_EQ(device->id(), 3);
    device->Write(kPositionOffset, 4, 77);  // "Read-only."
    EXPECT_EQ(device->Read(kPositionOffset, 4), row.with_id_3);
    device->SetId(0);
    EXPECT_EQ(device->Read(kPositionOffset, 4), 0u) << "an id as any";
    device->SetId(65535);
    EXPECT_EQ(device->Read(kPositionOffset, 4),
              row.with_id_3 == 0 ? 0u : 65535u);
    device->SetId(std::nullopt);
    EXPECT_EQ(device->Read(kPositionOffset, 4), row.without_id);
    const auto born = Make(Config(row.dialect, row.interrupts, vectors, 3));
    EXPECT_EQ(born->Read(kPositionOffset, 4), row.with_id_3);
  }
}

// "Told after the set of connections has changed, or the id of the device."
TEST_F(DeviceConfigTest, TellsWhenItsIdChanges) {
  const auto device = Make(Config(kRevision1, InterruptMode::kMsix, 1, 3));
  device->SetId(9);
  EXPECT_EQ(listener_.changes, 1);
  device->SetId(std::nullopt);
  EXPECT_EQ(listener_.changes, 2);
  ASSERT_EQ(events_.seen.size(), 2u);
  EXPECT_EQ(events_.seen[0].kind, DeviceEvent::Kind::kIdChanged);
  EXPECT_EQ(events_.seen[0].doorbell, (Doorbell{9, 0}));
  EXPECT_EQ(events_.seen[1].kind, DeviceEvent::Kind::kIdChanged);
  EXPECT_EQ(events_.seen[1].doorbell, (Doorbell{0, 0})) << "which is not said";
  EXPECT_EQ(events_.texts, (std::vector<std::string>{"", "no id"}));
}

TEST(InterruptResultTest, EveryResultHasAName) {
  for (int i = 0; i < static_cast<int>(InterruptResult::kCount); ++i) {
    EXPECT_NE(InterruptResultName(static_cast<InterruptResult>(i)),
              std::string("unknown"));
  }
  EXPECT_EQ(InterruptResultName(InterruptResult::kHeld),
            std::string("held until unmasked"));
  EXPECT_EQ(InterruptResultName(InterruptResult::kCount),
            std::string("unknown"));
}

}  // namespace
}  // namespace ivshmem
